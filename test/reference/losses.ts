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
