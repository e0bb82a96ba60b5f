import type { Outputs, Stack } from "../faceswap/measures.js";
import type { Picture } from "../storage/images.js";
import { montage } from "../storage/montage.js";

/** Numbers in [0, 1] to 8-bit pictures. */
export function toPictures({ data, length }: Stack): Picture[] {
  const side = Math.sqrt(length / 3);
  return Array.from({ length: data.length / length }, (_, n) => ({
    width: side,
    height: side,
    data: Uint8Array.from(data.subarray(n * length, (n + 1) * length), (v) =>
      Math.round(255 * Math.min(1, Math.max(0, v))),
    ),
  }));
}

/**
 * A sheet with one line a pose: src, its reconstruction, the swap src → dst (beside it the true swap, where it is
 * known: dst's own picture in that pose), the swap dst → src, dst's reconstruction, dst.
 */
export function previewSheet(
  pictures: { src: Stack; dst: Stack },
  made: Outputs & { reverse: Stack },
  options: { title: string; trueSwap: boolean },
): Picture {
  const columns: [string, Stack][] = [
    ["src", pictures.src],
    ["src reconstructed", made.srcReconstruction],
    ["src → dst", made.swap],
    ...(options.trueSwap ? ([["true swap", pictures.dst]] as [string, Stack][]) : []),
    ["dst → src", made.reverse],
    ["dst reconstructed", made.dstReconstruction],
    ["dst", pictures.dst],
  ];
  const stacks = columns.map(([, stack]) => toPictures(stack));
  const rows = stacks[0].map((_, n) => stacks.map((column) => column[n]));
  const scale = Math.max(1, Math.round(128 / stacks[0][0].width));
  return montage(rows, { columnLabels: columns.map(([label]) => label), title: options.title, scale });
}
