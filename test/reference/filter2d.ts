import { type Bound, sumBounds } from "./bounds.js";
import type { Rounded } from "./rounded.js";
import { offset, type Tensor, tensor, zeros } from "./tensor.js";

export interface Filter {
  /** Rows of equal length. */
  taps: number[][];
  /** Down and across. */
  stride: [number, number];
  padding: [number, number];
}

/** What one filter adds: `k` times element `from` of x, to element `to` of y. */
type Term = [to: number, from: number, k: number];

/** The terms of y[n, i, j, c] = Σ taps[a][b] · x[n, i·stride + a − padding, j·stride + b − padding, c], and y's shape. */
function termsOf(xShape: number[], { taps, stride, padding }: Filter): { shape: number[]; terms: Term[] } {
  const [n, h, w, c] = xShape;
  const size = [taps.length, taps[0].length];
  const [oh, ow] = size.map((k, i) => Math.floor((xShape[i + 1] + 2 * padding[i] - k) / stride[i]) + 1);
  const shape = [n, oh, ow, c];
  const terms: Term[] = [];
  for (let b = 0; b < n; b++) {
    for (let i = 0; i < oh; i++) {
      for (let j = 0; j < ow; j++) {
        for (let a = 0; a < size[0]; a++) {
          for (let d = 0; d < size[1]; d++) {
            const [row, column] = [i * stride[0] + a - padding[0], j * stride[1] + d - padding[1]];
            if (row < 0 || row >= h || column < 0 || column >= w) continue;
            for (let e = 0; e < c; e++) {
              terms.push([offset(shape, [b, i, j, e]), offset(xShape, [b, row, column, e]), taps[a][d]]);
            }
          }
        }
      }
    }
  }
  return { shape, terms };
}

/** x [N, H, W, C] filtered, every channel alike. */
export function forward(x: Tensor, filter: Filter): Tensor {
  const { shape, terms } = termsOf(x.shape, filter);
  const y = zeros(shape);
  for (const [to, from, k] of terms) y.data[to] += k * x.data[from];
  return y;
}

/** The gradient of <gy, y>, by scattering. */
export function backward(x: Tensor, filter: Filter, gy: Tensor): Tensor {
  const gx = zeros(x.shape);
  for (const [to, from, k] of termsOf(x.shape, filter).terms) gx.data[from] += k * gy.data[to];
  return gx;
}

/** For y and gx: sum of |terms| and number of terms. */
export function bounds(x: Tensor, filter: Filter, gy: Tensor): Record<"y" | "gx", Bound> {
  const size = filter.taps[0].length;
  const results = (taps: Tensor, x: Tensor, gy: Tensor) => {
    const rows = filter.taps.map((_, a) => Array.from(taps.data.slice(a * size, (a + 1) * size)));
    return { y: forward(x, { ...filter, taps: rows }), gx: backward(x, { ...filter, taps: rows }, gy) };
  };
  return sumBounds(results, tensor([filter.taps.length, size], filter.taps.flat()), x, gy);
}

const box = (size: number): number[][] => Array(size).fill(Array(size).fill(1 / size ** 2));

/** Means of size × size pixels. */
export const average = (size: number, stride: number, padding: [number, number] = [0, 0]): Filter => ({
  taps: box(size),
  stride: [stride, stride],
  padding,
});

// --- with a bound of what float32 may get wrong ---------------------------------------------------------------------

/** A sum of terms for each element: each tap is rounded, each product, and each addition. */
function summed(x: Rounded, shape: number[], terms: readonly Term[]): Rounded {
  const value = zeros(shape);
  const error = new Float64Array(value.data.length);
  const magnitude = new Float64Array(value.data.length);
  const count = new Float64Array(value.data.length);
  for (const [to, from, k] of terms) {
    value.data[to] += k * x.value.data[from];
    error[to] += Math.abs(k) * x.error[from];
    magnitude[to] += Math.abs(k) * (Math.abs(x.value.data[from]) + x.error[from]);
    count[to]++;
  }
  for (const [i, m] of magnitude.entries()) error[i] += (count[i] + 2) * 2 ** -23 * m;
  const back = (gy: Rounded) => [
    summed(
      gy,
      x.value.shape,
      terms.map(([to, from, k]): Term => [from, to, k]),
    ),
  ];
  return { value, error, inputs: [x], back };
}

/** As `forward`, in running error analysis. */
export function filtered(x: Rounded, filter: Filter): Rounded {
  const { shape, terms } = termsOf(x.value.shape, filter);
  return summed(x, shape, terms);
}
