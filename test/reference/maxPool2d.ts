import { type Bound, sumBounds } from "./bounds.js";
import { at, indices, offset, type Tensor, zeros } from "./tensor.js";

export interface PoolOptions {
  size: number;
  stride: number;
  ceilMode?: boolean;
}

/**
 * Windows of one axis, by counting those that are wanted: each begins inside; it ends inside too, or in ceil mode reaches
 * out by less than a stride.
 */
export function pooledExtent(extent: number, { size, stride, ceilMode }: PoolOptions): number {
  const wanted = (start: number) =>
    ceilMode ? start < extent && start + size < extent + stride : start + size <= extent;
  let windows = 0;
  while (wanted(windows * stride)) windows++;
  return windows;
}

/** x [N, H, W, C] → y [N, H', W', C], the greatest number of each window as far as it lies in x. */
export function forward(x: Tensor, options: PoolOptions): Tensor {
  const y = zeros(shapeOf(x, options));
  indices(y.shape).forEach((index, i) => {
    y.data[i] = at(x, ...greatest(x, index, options));
  });
  return y;
}

/** The gradient of <gy, y>: to the greatest number of each window, the first of equals. */
export function backward(x: Tensor, options: PoolOptions, gy: Tensor): Tensor {
  const gx = zeros(x.shape);
  indices(gy.shape).forEach((index, i) => {
    gx.data[offset(x.shape, greatest(x, index, options))] += gy.data[i];
  });
  return gx;
}

/** For the gradient: sum of |terms| and number of terms. */
export const bound = (x: Tensor, options: PoolOptions, gy: Tensor): Bound =>
  sumBounds((gy: Tensor) => ({ gx: backward(x, options, gy) }), gy).gx;

export const shapeOf = ({ shape: [n, h, w, c] }: Tensor, options: PoolOptions): number[] => [
  n,
  pooledExtent(h, options),
  pooledExtent(w, options),
  c,
];

function greatest(x: Tensor, [n, i, j, c]: number[], { size, stride }: PoolOptions): number[] {
  let best = [n, i * stride, j * stride, c];
  for (let a = i * stride; a < Math.min(i * stride + size, x.shape[1]); a++) {
    for (let b = j * stride; b < Math.min(j * stride + size, x.shape[2]); b++) {
      if (at(x, n, a, b, c) > at(x, ...best)) best = [n, a, b, c];
    }
  }
  return best;
}
