import type { Outputs, Stack } from "../faceswap/measures.js";
import { type Column, encodeSheet, type Shown } from "../report/sheets.js";
import type { Picture } from "../storage/images.js";

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
 * A sheet as PNG with one line a pose: src, its reconstruction, the swap src → dst (beside it the true swap, where it
 * is known: dst's own picture in that pose), the swap dst → src, dst's reconstruction, dst.
 */
export function previewSheet(
  pictures: { src: Stack; dst: Stack },
  made: Outputs & { reverse: Stack },
  options: { title: string; shows: Shown },
): Uint8Array {
  const trueSwap: [Column, Stack][] = options.shows.kind === "avatars" ? [["trueSwap", pictures.dst]] : [];
  const columns: [Column, Stack][] = [
    ["src", pictures.src],
    ["srcReconstruction", made.srcReconstruction],
    ["swap", made.swap],
    ...trueSwap,
    ["reverse", made.reverse],
    ["dstReconstruction", made.dstReconstruction],
    ["dst", pictures.dst],
  ];
  return encodeSheet(
    columns.map(([name, stack]) => [name, toPictures(stack)]),
    options,
  );
}
