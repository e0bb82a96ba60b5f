import { indices, offset, type Tensor, zeros } from "./tensor.js";

/** y[j, i] = x[i, j] */
export function forward(x: Tensor): Tensor {
  const [rows, columns] = x.shape;
  const y = zeros([columns, rows]);
  for (const [i, j] of indices(x.shape)) y.data[offset(y.shape, [j, i])] = x.data[offset(x.shape, [i, j])];
  return y;
}

/** The gradient of <gy, y>. */
export const backward = (gy: Tensor): Tensor => forward(gy);
