/**
 * What bounds the rounding errors of F(4×4, 3×3), formula and matrices in src/engine/ops/winograd.ts: each number is a sum
 * of |terms|, Σ |Aᵀ| (|G| |w| |Gᵀ| ⊙ |Bᵀ| |d| |B|) |A|, of which a plain convolution's Σ |x| |w| is a small part.
 */
import type { Bound } from "./bounds.js";
import { outputShape, type Padding } from "./conv2d.js";
import { fill, offset, type Tensor, zeros } from "./tensor.js";

const B = [
  [4, 0, 5, 0, 1, 0],
  [0, 4, 4, 1, 1, 0],
  [0, 4, 4, 1, 1, 0],
  [0, 2, 1, 2, 1, 0],
  [0, 2, 1, 2, 1, 0],
  [0, 4, 0, 5, 0, 1],
];
const G = [
  [1 / 4, 0, 0],
  [1 / 6, 1 / 6, 1 / 6],
  [1 / 6, 1 / 6, 1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [0, 0, 1],
];
const A = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, 1, 2, 2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, 1, 8, 8, 1],
];

/**
 * Roundings on the way from an input to an output, beside the sum over channels. Along each axis at most 4 for Bᵀ (two
 * products, two sums), 5 for Aᵀ (its powers of 2 are exact), 9 for G (two divisions of 2.5 units in the last place, 5
 * roundings each at most, as WGSL allows, less what is exact, and sums); and one for the product.
 */
const ROUNDINGS = 2 * (4 + 5 + 13) + 1;

/** m d mᵀ of a square d, row by row. */
function both(m: number[][], d: number[][]): number[][] {
  const left = m.map((row) => d[0].map((_, j) => row.reduce((sum, f, i) => sum + f * d[i][j], 0)));
  return left.map((row) => m.map((column) => column.reduce((sum, f, j) => sum + f * row[j], 0)));
}

/** The bound of y for x [N, H, W, Ci] and w [3, 3, Ci, Co], to be used with c = 2. */
export function bound(x: Tensor, w: Tensor, b: Tensor | null, padding: Padding): Bound {
  const y = zeros(outputShape(x.shape, w.shape, { stride: 1, padding }));
  const [n, height, width, ci] = x.shape;
  const [, oh, ow, co] = y.shape;
  const square = (size: number, value: (i: number, j: number) => number) =>
    Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Math.abs(value(i, j))));
  const weights = Array.from({ length: ci * co }, (_, at) =>
    both(
      G,
      square(3, (i, j) => w.data[(i * 3 + j) * ci * co + at]),
    ),
  );
  for (let image = 0; image < n; image++) {
    for (let top = 0; top < oh; top += 4) {
      for (let left = 0; left < ow; left += 4) {
        const inputs = Array.from({ length: ci }, (_, c) =>
          both(
            B,
            square(6, (i, j) => {
              const [row, column] = [top + i - padding.top, left + j - padding.left];
              const inside = row >= 0 && row < height && column >= 0 && column < width;
              return inside ? x.data[offset(x.shape, [image, row, column, c])] : 0;
            }),
          ),
        );
        for (let o = 0; o < co; o++) {
          const products = square(6, (i, j) =>
            inputs.reduce((sum, d, c) => sum + d[i][j] * weights[c * co + o][i][j], 0),
          );
          const magnitude = both(A, products);
          for (let i = 0; i < Math.min(4, oh - top); i++) {
            for (let j = 0; j < Math.min(4, ow - left); j++) {
              y.data[offset(y.shape, [image, top + i, left + j, o])] = magnitude[i][j] + (b ? Math.abs(b.data[o]) : 0);
            }
          }
        }
      }
    }
  }
  return { magnitude: y, count: fill(y.shape, ci + ROUNDINGS) };
}

/** The same for a transposed convolution, w [3, 3, Co, Ci]: a convolution with the weights turned by 180°. */
export function boundTransposed(x: Tensor, w: Tensor, b: Tensor | null, padding: Padding): Bound {
  const { top, bottom, left, right } = padding;
  return bound(x, turned(w), b, { top: 2 - top, bottom: 2 - bottom, left: 2 - left, right: 2 - right });
}

function turned(w: Tensor): Tensor {
  const [, , co, ci] = w.shape;
  const out = zeros([3, 3, ci, co]);
  for (let tap = 0; tap < 9; tap++) {
    for (let c = 0; c < ci; c++) {
      for (let o = 0; o < co; o++) out.data[(tap * ci + c) * co + o] = w.data[((8 - tap) * co + o) * ci + c];
    }
  }
  return out;
}
