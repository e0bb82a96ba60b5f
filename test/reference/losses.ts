import { filtered } from "./filter2d.js";
import { add, mean, mul, type Rounded, sub } from "./rounded.js";
import { map, type Tensor, tensor } from "./tensor.js";

/** Two tensors of one shape → a scalar, and the gradients of gy (a scalar) times it. */
export interface Loss {
  forward(a: Tensor, b: Tensor): Tensor;
  backward(a: Tensor, b: Tensor, gy: Tensor): { ga: Tensor; gb: Tensor };
}

function meanOf(f: (difference: number) => number, derivative: (difference: number) => number): Loss {
  return {
    forward(a, b) {
      let total = 0;
      for (let i = 0; i < a.data.length; i++) total += f(a.data[i] - b.data[i]);
      return tensor([], [total / a.data.length]);
    },
    backward(a, b, gy) {
      const ga = map(a, (value, i) => (gy.data[0] * derivative(value - b.data[i])) / a.data.length);
      return { ga, gb: map(ga, (value) => -value) };
    },
  };
}

/** mean |a - b|; subgradient 0 where a = b, as in PyTorch. */
export const l1 = meanOf(Math.abs, Math.sign);

/** mean (a - b)^2 */
export const mse = meanOf(
  (d) => d * d,
  (d) => 2 * d,
);

/** |x|, which rounds nothing; its gradient is the sign. For values whose sign float32 cannot get wrong. */
function magnitude(x: Rounded): Rounded {
  x.value.data.forEach((v, i) => {
    if (v !== 0 && Math.abs(v) <= x.error[i]) throw new Error(`${v} is too near to 0 to test`);
  });
  const sign: Rounded = { value: map(x.value, Math.sign), error: x.error.map(() => 0), inputs: [] };
  return { value: map(x.value, Math.abs), error: x.error, inputs: [x], back: (gy) => [mul(gy, sign)] };
}

/** The mean of w·|d[i, j + 1] − d[i, j]| and that of w·|d[i + 1, j] − d[i, j]|, d = x − y, with the later pixel's w. */
export function gradientDifference(x: Rounded, y: Rounded, weights?: Rounded): Rounded {
  const d = sub(x, y);
  const [across, down] = [[[-1, 1]], [[-1], [1]]].map((taps) => {
    const later = taps.map((row) => row.map((v) => (v > 0 ? 1 : 0)));
    const filter = { stride: [1, 1] as [number, number], padding: [0, 0] as [number, number] };
    const edges = magnitude(filtered(d, { ...filter, taps }));
    return mean(weights ? mul(edges, filtered(weights, { ...filter, taps: later })) : edges);
  });
  return add(across, down);
}
