/** Eight-bit RGB pictures in memory, and the resize that brings photographs to a network's input size. Pure. */
import { UserError } from "../engine/errors.js";

/** Row-major RGB, 3 bytes a pixel, no padding: `data.length` is width · height · 3. */
export interface Picture {
  width: number;
  height: number;
  data: Uint8Array;
}

/** @throws UserError when the extents and the length of the data do not agree. */
export function checkPicture({ width, height, data }: Picture, what: string): void {
  if (!isExtent(width) || !isExtent(height) || data.length !== width * height * 3) {
    throw new UserError(`${what} of ${width}×${height} RGB pixels cannot have ${data.length} bytes`);
  }
}

/** @throws UserError when `size` is not a whole number from 1. */
export function checkSize(size: number): void {
  if (!isExtent(size)) throw new UserError(`cannot resize to ${size} pixels: the size must be a whole number from 1`);
}

/**
 * Cuts the largest centred square (an odd remainder goes to the right or the bottom) and resizes it to size × size.
 *
 * The filter is a triangle, separable. When shrinking it is as wide as the reduction, which averages away what the new
 * grid cannot carry; when enlarging it is one source pixel wide, which is bilinear interpolation; at the same size it
 * is the identity. Weights that fall outside the square are dropped and the rest is normalised, so a constant stays
 * constant. All arithmetic is in floating point on the sample values as they are stored (no gamma), and is rounded
 * once, at the end.
 *
 * @throws UserError when the picture is malformed or `size` is not a whole number from 1.
 */
export function cropAndResize(picture: Picture, size: number): Picture {
  checkPicture(picture, "a picture");
  checkSize(size);
  const { width, height, data } = picture;
  const side = Math.min(width, height);
  const left = Math.floor((width - side) / 2);
  const top = Math.floor((height - side) / 2);
  const taps = triangleTaps(side, size);

  const wide = new Float64Array(side * size * 3); // [side][size][3]: rows as in the source, columns as in the result
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < size; x++) {
      const { first, weights } = taps[x];
      const from = ((top + y) * width + left + first) * 3;
      const to = (y * size + x) * 3;
      for (let i = 0; i < weights.length; i++) {
        for (let c = 0; c < 3; c++) wide[to + c] += weights[i] * data[from + i * 3 + c];
      }
    }
  }

  const out = new Uint8Array(size * size * 3);
  const row = new Float64Array(size * 3);
  for (let y = 0; y < size; y++) {
    row.fill(0);
    const { first, weights } = taps[y];
    for (let i = 0; i < weights.length; i++) {
      const from = (first + i) * row.length;
      for (let k = 0; k < row.length; k++) row[k] += weights[i] * wide[from + k];
    }
    for (let k = 0; k < row.length; k++) out[y * row.length + k] = Math.round(row[k]);
  }
  return { width: size, height: size, data: out };
}

/** For each of `to` pixels: the first of `from` source pixels that it sees, and the weights of the run from there. */
function triangleTaps(from: number, to: number): { first: number; weights: number[] }[] {
  const scale = from / to;
  const support = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    // Source pixel j has its centre at j + 0.5; it counts while it is nearer than the support.
    const first = Math.max(0, Math.floor(centre - support - 0.5) + 1);
    const last = Math.min(from - 1, Math.ceil(centre + support - 0.5) - 1);
    const raw = Array.from({ length: last - first + 1 }, (_, k) => support - Math.abs(first + k + 0.5 - centre));
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first, weights: raw.map((w) => w / sum) };
  });
}

function isExtent(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
