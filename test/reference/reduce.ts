import type { Bound } from "./bounds.js";
import { fill, indices, map, offset, sizeOf, type Tensor, zeros } from "./tensor.js";

export interface ReduceOptions {
  /** The axes to reduce over. Default: all. */
  axes?: number[];
  /** Keep them with extent 1. Default: false. */
  keepDims?: boolean;
}

export interface Reduction {
  forward(x: Tensor, options?: ReduceOptions): Tensor;
  /** The gradient of <gy, y>. */
  backward(x: Tensor, options: ReduceOptions, gy: Tensor): Tensor;
  /** For y and gx: sum of |terms| and number of terms. */
  bounds(x: Tensor, options: ReduceOptions, gy: Tensor): Record<"y" | "gx", Bound>;
}

export const sum: Reduction = {
  forward(x, options = {}) {
    const { shape, target } = plan(x, options);
    const y = zeros(shape);
    for (let i = 0; i < x.data.length; i++) y.data[target[i]] += x.data[i];
    return y;
  },
  backward(x, options, gy) {
    const { target } = plan(x, options);
    return map(x, (_, i) => gy.data[target[i]]);
  },
  bounds(x, options, gy) {
    const { shape, count } = plan(x, options);
    return {
      y: { magnitude: sum.forward(map(x, Math.abs), options), count: fill(shape, count) },
      gx: { magnitude: sum.backward(x, options, map(gy, Math.abs)), count: fill(x.shape, 1) },
    };
  },
};

export const mean: Reduction = {
  forward(x, options = {}) {
    const { count } = plan(x, options);
    return map(sum.forward(x, options), (value) => value / count);
  },
  backward(x, options, gy) {
    const { count } = plan(x, options);
    return map(sum.backward(x, options, gy), (value) => value / count);
  },
  bounds(x, options, gy) {
    const { shape, count } = plan(x, options);
    return {
      y: { magnitude: mean.forward(map(x, Math.abs), options), count: fill(shape, count) },
      gx: { magnitude: mean.backward(x, options, map(gy, Math.abs)), count: fill(x.shape, 1) },
    };
  },
};

/** The unbiased variance: sum of (x - mean)^2 / (n - 1); NaN over one element, as in PyTorch. */
export const variance: Reduction = {
  forward(x, options = {}) {
    const { shape, target, count } = plan(x, options);
    const m = mean.forward(x, options);
    const y = zeros(shape);
    for (let i = 0; i < x.data.length; i++) y.data[target[i]] += (x.data[i] - m.data[target[i]]) ** 2 / (count - 1);
    return y;
  },
  backward(x, options, gy) {
    const { target, count } = plan(x, options);
    const m = mean.forward(x, options);
    return map(x, (value, i) => (gy.data[target[i]] * 2 * (value - m.data[target[i]])) / (count - 1));
  },
  /**
   * For a two-pass variance. Let d = x - mean. The rounded mean is off by e <= count * 2^-24 * mean|x|, which gx
   * inherits, hence its |d| + mean|x|. In the sum of d^2 the term 2 e d sums to zero, so only n e^2 is left of it: the
   * second part of y's magnitude. The mean of squares less the square of the mean does not keep within this.
   */
  bounds(x, options, gy) {
    const { shape, target, count } = plan(x, options);
    const m = mean.forward(x, options);
    const size = mean.forward(map(x, Math.abs), options);
    const y = zeros(shape);
    const gx = zeros(x.shape);
    for (let i = 0; i < x.data.length; i++) {
      const d = Math.abs(x.data[i] - m.data[target[i]]);
      y.data[target[i]] += (d * d + count * 2 ** -24 * size.data[target[i]] ** 2) / (count - 1);
      gx.data[i] = (2 * Math.abs(gy.data[target[i]]) * (d + size.data[target[i]])) / (count - 1);
    }
    return {
      y: { magnitude: y, count: fill(shape, count) },
      gx: { magnitude: gx, count: fill(x.shape, count) },
    };
  },
};

/** The result's shape, the place in it that each element of x goes to, and how many elements go to each place. */
function plan(x: Tensor, { axes = x.shape.map((_, axis) => axis), keepDims = false }: ReduceOptions) {
  const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const shape = keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  const target = indices(x.shape).map((index) =>
    offset(
      kept,
      index.map((place, axis) => (axes.includes(axis) ? 0 : place)),
    ),
  );
  return { shape, target, count: x.data.length / sizeOf(kept) };
}
