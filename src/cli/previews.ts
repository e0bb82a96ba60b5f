import type { ByIdentity, Made } from "../faceswap/evaluation.js";
import type { Stack } from "../faceswap/measures.js";
import { type Column, encodeMatrix, encodeSheet, type Shown } from "../report/sheets.js";
import type { Picture } from "../storage/images.js";

/** Poses of a matrix: each takes a line an identity. */
const MATRIX_POSES = 3;

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
 * A sheet as PNG with one line a pose. Of two identities: src, its reconstruction, the swap src → dst (beside it the true
 * swap, where it is known: dst's own picture in that pose), the swap dst → src, dst's reconstruction, dst. Of more: a
 * matrix, one line for each identity's picture in each pose, a column for each decoder.
 */
export function previewSheet(
  pictures: ByIdentity<Stack>,
  made: Made,
  options: { title: string; shows: Shown },
): Uint8Array {
  const names = Object.keys(pictures);
  if (names.length > 2) {
    const few = (stack: Stack) => toPictures(stack).slice(0, MATRIX_POSES);
    const line = (from: string) => ({
      pictures: few(pictures[from]),
      as: Object.fromEntries(names.map((to) => [to, few(made[from][to])])),
    });
    return encodeMatrix(Object.fromEntries(names.map((from) => [from, line(from)])), options);
  }
  const [src, dst] = names;
  const trueSwap: [Column, Stack][] = options.shows.kind === "avatars" ? [["trueSwap", pictures[dst]]] : [];
  const columns: [Column, Stack][] = [
    ["src", pictures[src]],
    ["srcReconstruction", made[src][src]],
    ["swap", made[src][dst]],
    ...trueSwap,
    ["reverse", made[dst][src]],
    ["dstReconstruction", made[dst][dst]],
    ["dst", pictures[dst]],
  ];
  return encodeSheet(
    columns.map(([name, stack]) => [name, toPictures(stack)]),
    options,
  );
}
