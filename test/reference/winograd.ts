/**
 * What bounds the rounding errors of F(4×4, R×R), formula and matrices in src/engine/ops/winograd.ts: each number is a sum
 * of |terms|, Σ |Aᵀ| (|G| |w| |Gᵀ| ⊙ |Bᵀ| |d| |B|) |A|, of which a plain convolution's Σ |x| |w| is a small part.
 */
import type { Bound } from "./bounds.js";
import { type Conv2dOptions, outputShape } from "./conv2d.js";
import { type ConvTranspose2dOptions, outputShape as transposedShape } from "./convTranspose2d.js";
import { fill, offset, type Tensor, zeros } from "./tensor.js";

/** |Bᵀ|, |G| and |Aᵀ| by R. */
const ABSOLUTE: Record<number, Record<"B" | "G" | "A", number[][]>> = {
  2: {
    B: [
      [2, 1, 2, 1, 0],
      [0, 2, 1, 1, 0],
      [0, 2, 3, 1, 0],
      [0, 1, 0, 1, 0],
      [0, 2, 1, 2, 1],
    ],
    G: [
      [1 / 2, 0],
      [1 / 2, 1 / 2],
      [1 / 6, 1 / 6],
      [1 / 6, 1 / 3],
      [0, 1],
    ],
    A: [
      [1, 1, 1, 1, 0],
      [0, 1, 1, 2, 0],
      [0, 1, 1, 4, 0],
      [0, 1, 1, 8, 1],
    ],
  },
  3: {
    B: [
      [4, 0, 5, 0, 1, 0],
      [0, 4, 4, 1, 1, 0],
      [0, 4, 4, 1, 1, 0],
      [0, 2, 1, 2, 1, 0],
      [0, 2, 1, 2, 1, 0],
      [0, 4, 0, 5, 0, 1],
    ],
    G: [
      [1 / 4, 0, 0],
      [1 / 6, 1 / 6, 1 / 6],
      [1 / 6, 1 / 6, 1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    A: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, 1, 2, 2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, 1, 8, 8, 1],
    ],
  },
};

const mostTerms = (m: number[][]): number => Math.max(...m.map((row) => row.filter((factor) => factor).length));

/**
 * Roundings on the way from an input to an output, beside the sum over channels. Along each axis at most as many as a row
 * of Bᵀ has terms (a product, and sums), for G one more than its terms (its fractions are rounded, too), one less for Aᵀ (its
 * powers of 2 are exact); and one for the product.
 */
const roundings = ({ B, G, A }: Record<"B" | "G" | "A", number[][]>): number =>
  2 * (mostTerms(B) + mostTerms(G) + 1 + mostTerms(A) - 1) + 1;

const turned = (m: number[][]): number[][] => m[0].map((_, j) => m.map((row) => row[j]));

/** |values| of a square. */
const square = (size: number, value: (i: number, j: number) => number): number[][] =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Math.abs(value(i, j))));

/** Zero beyond the picture. */
function pixel({ shape, data }: Tensor, image: number, row: number, column: number, c: number): number {
  const inside = row >= 0 && row < shape[1] && column >= 0 && column < shape[2];
  return inside ? data[offset(shape, [image, row, column, c])] : 0;
}

/** Zero beyond the weights. */
const tap = ({ shape, data }: Tensor, row: number, column: number, c: number, o: number): number =>
  row < shape[0] && column < shape[1] ? data[offset(shape, [row, column, c, o])] : 0;

/** Channels of the phases, pictures of every stride-th pixel. */
const phaseChannels = (stride: number, ci: number) =>
  Array.from({ length: stride * stride * ci }, (_, at) => {
    const [phase, c] = [Math.floor(at / ci), at % ci];
    return { down: Math.floor(phase / stride), right: phase % stride, c };
  });

/** m d mᵀ of a square d, row by row. */
function both(m: number[][], d: number[][]): number[][] {
  const left = m.map((row) => d[0].map((_, j) => row.reduce((sum, f, i) => sum + f * d[i][j], 0)));
  return left.map((row) => m.map((column) => column.reduce((sum, f, j) => sum + f * row[j], 0)));
}

/** The bound of y for x [N, H, W, Ci] and w [K, K, Ci, Co], R = ⌈K / stride⌉, to be used with c = 2. */
export function bound(x: Tensor, w: Tensor, b: Tensor | null, { stride, padding }: Conv2dOptions): Bound {
  const y = zeros(outputShape(x.shape, w.shape, { stride, padding }));
  const [n, , , ci] = x.shape;
  const [, oh, ow, co] = y.shape;
  const R = Math.ceil(w.shape[0] / stride);
  const matrices = ABSOLUTE[R];
  const T = matrices.B.length;
  const channels = phaseChannels(stride, ci);
  const weights = channels.map(({ down, right, c }) =>
    Array.from({ length: co }, (_, o) =>
      both(
        matrices.G,
        square(R, (i, j) => tap(w, i * stride + down, j * stride + right, c, o)),
      ),
    ),
  );
  for (let image = 0; image < n; image++) {
    for (let top = 0; top < oh; top += 4) {
      for (let left = 0; left < ow; left += 4) {
        const inputs = channels.map(({ down, right, c }) =>
          both(
            matrices.B,
            square(T, (i, j) => {
              const row = (top + i) * stride + down - padding.top;
              return pixel(x, image, row, (left + j) * stride + right - padding.left, c);
            }),
          ),
        );
        for (let o = 0; o < co; o++) {
          const products = square(T, (i, j) => inputs.reduce((sum, d, c) => sum + d[i][j] * weights[c][o][i][j], 0));
          const magnitude = both(matrices.A, products);
          for (let i = 0; i < Math.min(4, oh - top); i++) {
            for (let j = 0; j < Math.min(4, ow - left); j++) {
              y.data[offset(y.shape, [image, top + i, left + j, o])] = magnitude[i][j] + (b ? Math.abs(b.data[o]) : 0);
            }
          }
        }
      }
    }
  }
  return { magnitude: y, count: fill(y.shape, channels.length + roundings(matrices)) };
}

/**
 * The same for a transposed convolution, w [K, K, Co, Ci]. Each phase of y, the picture of every S-th pixel, is a
 * convolution of stride 1: y[S·i + f] sums x[j] w[q] where S·j + q = S·i + f + top, so q = S·t + (f + top) mod S for R values
 * of t, and j = i + ⌊(f + top) / S⌋ − t.
 */
export function boundTransposed(x: Tensor, w: Tensor, b: Tensor | null, options: ConvTranspose2dOptions): Bound {
  const { stride, padding } = options;
  const y = zeros(transposedShape(x.shape, w.shape, options));
  const [n, oh, ow, co] = y.shape;
  const R = Math.ceil(w.shape[0] / stride);
  for (let phase = 0; phase < stride * stride; phase++) {
    const [down, right] = [Math.floor(phase / stride), phase % stride];
    const taps = zeros([R, R, x.shape[3], co]);
    for (let at = 0; at < taps.data.length; at++) {
      const o = at % co;
      const c = Math.floor(at / co) % x.shape[3];
      const place = Math.floor(at / (co * x.shape[3]));
      // Turned by 180°.
      const row = (R - 1 - Math.floor(place / R)) * stride + ((down + padding.top) % stride);
      const column = (R - 1 - (place % R)) * stride + ((right + padding.left) % stride);
      taps.data[at] = tap(w, row, column, o, c);
    }
    const rows = Math.ceil((oh - down) / stride);
    const columns = Math.ceil((ow - right) / stride);
    if (rows < 1 || columns < 1) continue;
    const top = R - 1 - Math.floor((down + padding.top) / stride);
    const left = R - 1 - Math.floor((right + padding.left) / stride);
    const sides = { top, left, bottom: rows + R - 1 - x.shape[1] - top, right: columns + R - 1 - x.shape[2] - left };
    const { magnitude } = bound(x, taps, b, { stride: 1, padding: sides });
    for (let at = 0; at < n * rows * columns; at++) {
      const i = Math.floor(at / columns) % rows;
      const place = [Math.floor(at / (rows * columns)), i * stride + down, (at % columns) * stride + right, 0];
      y.data.set(magnitude.data.subarray(at * co, (at + 1) * co), offset(y.shape, place));
    }
  }
  return { magnitude: y, count: fill(y.shape, x.shape[3] + roundings(ABSOLUTE[R])) };
}

/** The same for conv2d's weight gradient of shape `ws` [K, K, Ci, Co]: Σ over the tiles |Gᵀ| (|Bᵀ| |d| |B| ⊙ |A| |gy| |Aᵀ|) |G|. */
export function boundWeightGrad(x: Tensor, gy: Tensor, ws: number[], { stride, padding }: Conv2dOptions): Bound {
  const gw = zeros(ws);
  const [n, oh, ow, co] = gy.shape;
  const R = Math.ceil(ws[0] / stride);
  const { B, G, A } = ABSOLUTE[R];
  const [rows, columns] = [Math.ceil(oh / 4), Math.ceil(ow / 4)];
  const tiles = Array.from({ length: n * rows * columns }, (_, tile) => ({
    image: Math.floor(tile / (rows * columns)),
    top: 4 * (Math.floor(tile / columns) % rows),
    left: 4 * (tile % columns),
  }));
  /** The numbers that a transform makes, row by row, each for all tiles. */
  const series = (numbers: (tile: (typeof tiles)[number]) => number[][]): Float64Array[] => {
    const each = tiles.map((tile) => numbers(tile).flat());
    return each[0].map((_, at) => Float64Array.from(each, (own) => own[at]));
  };
  const gradients = Array.from({ length: co }, (_, o) =>
    series(({ image, top, left }) =>
      both(
        turned(A),
        square(4, (i, j) => pixel(gy, image, top + i, left + j, o)),
      ),
    ),
  );
  const T = B.length;
  for (const { down, right, c } of phaseChannels(stride, x.shape[3])) {
    const inputs = series(({ image, top, left }) =>
      both(
        B,
        square(T, (i, j) => {
          const row = (top + i) * stride + down - padding.top;
          return pixel(x, image, row, (left + j) * stride + right - padding.left, c);
        }),
      ),
    );
    for (let o = 0; o < co; o++) {
      const products = square(T, (i, j) => {
        const own = gradients[o][i * T + j];
        return inputs[i * T + j].reduce((sum, d, tile) => sum + d * own[tile], 0);
      });
      const magnitude = both(turned(G), products);
      for (let at = 0; at < R * R; at++) {
        const [i, j] = [Math.floor(at / R), at % R];
        const [row, column] = [i * stride + down, j * stride + right];
        if (row < ws[0] && column < ws[1]) gw.data[offset(ws, [row, column, c, o])] = magnitude[i][j];
      }
    }
  }
  return { magnitude: gw, count: fill(ws, tiles.length + roundings({ B, G: turned(G), A: turned(A) })) };
}
