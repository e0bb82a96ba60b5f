import { type Bound, sumBounds } from "./bounds.js";
import { indices, offset, type Tensor, zeros } from "./tensor.js";

/** x [N, H, W, C] → y [N, height, width, C]: y[n, i, j, c] = x[n, ⌊i·H / height⌋, ⌊j·W / width⌋, c]. */
export function forward(x: Tensor, height: number, width: number): Tensor {
  const y = zeros([x.shape[0], height, width, x.shape[3]]);
  indices(y.shape).forEach((index, at) => {
    y.data[at] = x.data[offset(x.shape, source(index, x.shape, y.shape))];
  });
  return y;
}

/** Every copy of an element adds to its gradient. */
export function backward(x: Tensor, gy: Tensor): Tensor {
  const gx = zeros(x.shape);
  indices(gy.shape).forEach((index, at) => {
    gx.data[offset(x.shape, source(index, x.shape, gy.shape))] += gy.data[at];
  });
  return gx;
}

/** For the gradient: sum of |terms| and number of terms. */
export const bound = (x: Tensor, gy: Tensor): Bound => sumBounds((gy: Tensor) => ({ gx: backward(x, gy) }), gy).gx;

const source = ([n, i, j, c]: number[], x: number[], y: number[]): number[] => [
  n,
  Math.floor((i * x[1]) / y[1]),
  Math.floor((j * x[2]) / y[2]),
  c,
];
