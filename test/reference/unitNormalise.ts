import type { Bound } from "./bounds.js";
import { map, type Tensor, zeros } from "./tensor.js";

/** y = x / (n + epsilon), n the Euclidean norm of each row along the last axis. */
export function forward(x: Tensor, epsilon: number): Tensor {
  const rows = rowsOf(x);
  return map(x, (v, i) => v / (rows[Math.floor(i / channels(x))].norm + epsilon));
}

/** The gradient of <gy, y>: (gy − y · <gy, x> / n) / (n + epsilon) of each row; defined as 0 where n is 0. */
export function backward(x: Tensor, epsilon: number, gy: Tensor): Tensor {
  const rows = rowsOf(x, gy);
  const y = forward(x, epsilon);
  return map(x, (_, i) => {
    const { norm, product } = rows[Math.floor(i / channels(x))];
    return norm === 0 ? 0 : (gy.data[i] - (y.data[i] * product) / norm) / (norm + epsilon);
  });
}

/**
 * What float32 may get wrong, for c = 1, in units u = 2^-24, of rows of C numbers.
 *
 * The sum of squares errs by C·u relative, its root by half of that and WGSL's 4.5 ULP = 9u, the addition of epsilon by
 * u: n + epsilon is within (C/2 + 10)u, and a division adds 2.5 ULP = 5u. So y is within (C/2 + 15)u of |y|.
 * In gx the sum <gy, x> errs by C·u of Σ |gy·x|, its division by n by (C/2 + 14)u, its product with y by the error of y
 * and u; the difference adds u, and the last division (C/2 + 15)u: in all (5/2·C + 46)u of the sum of |terms|.
 */
export function bounds(x: Tensor, epsilon: number, gy: Tensor): Record<"y" | "gx", Bound> {
  const c = channels(x);
  const rows = rowsOf(x, gy);
  const y = map(forward(x, epsilon), Math.abs);
  const magnitude = map(x, (_, i) => {
    const { norm, products } = rows[Math.floor(i / c)];
    return norm === 0 ? 0 : (Math.abs(gy.data[i]) + (y.data[i] * products) / norm) / (norm + epsilon);
  });
  const count = (n: number) => map(zeros(x.shape), () => n);
  return { y: { magnitude: y, count: count(c / 2 + 15) }, gx: { magnitude, count: count(2.5 * c + 46) } };
}

const channels = ({ shape }: Tensor): number => shape[shape.length - 1];

/** Of each row: the norm of x, Σ gy·x and Σ |gy·x|. */
function rowsOf(x: Tensor, gy: Tensor = zeros(x.shape)) {
  const c = channels(x);
  return Array.from({ length: x.data.length / c }, (_, r) => {
    const row = { norm: 0, product: 0, products: 0 };
    for (let i = r * c; i < (r + 1) * c; i++) {
      row.norm += x.data[i] ** 2;
      row.product += gy.data[i] * x.data[i];
      row.products += Math.abs(gy.data[i] * x.data[i]);
    }
    return { ...row, norm: Math.sqrt(row.norm) };
  });
}
