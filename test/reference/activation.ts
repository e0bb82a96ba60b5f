import { leakyRelu, relu, scale, sigmoid, tanh, type Unary } from "./pointwise.js";

/** The function that a linear op may apply to its result. */
export type Activation = "none" | "relu" | { leakyRelu: number } | "sigmoid" | "tanh";

export function activationOf(activation: Activation = "none"): Unary {
  if (typeof activation === "object") return leakyRelu(activation.leakyRelu);
  return { none: scale(1), relu, sigmoid, tanh }[activation];
}
