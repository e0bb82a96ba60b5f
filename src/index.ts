/** The engine: tensors, autograd, programs, layers and optimisers. Open a device with `shibori/node` or `shibori/browser`. */
export { gradients } from "./engine/autograd.js";
export { GpuError, ShapeError, UserError } from "./engine/errors.js";
export { type AdapterKind, Gpu } from "./engine/gpu.js";
export type { Node } from "./engine/graph.js";
export type { History } from "./engine/history.js";
export { type ConvOptions, conv2d, type Padding } from "./engine/ops/conv2d.js";
export { type ConvTransposeOptions, convTranspose2d } from "./engine/ops/convTranspose2d.js";
export { dense } from "./engine/ops/dense.js";
export { constant, input } from "./engine/ops/leaf.js";
export {
  type Activation,
  abs,
  add,
  broadcastTo,
  clamp,
  div,
  exp,
  leakyRelu,
  log,
  mul,
  neg,
  relu,
  scale,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
} from "./engine/ops/pointwise.js";
export { random } from "./engine/ops/random.js";
export { concat, slice, split } from "./engine/ops/region.js";
export { reshape } from "./engine/ops/reshape.js";
export { mean, type ReduceOptions, sum, variance } from "./engine/ops/sum.js";
export { Parameters } from "./engine/parameters.js";
export { type CompileOptions, compile, type Program } from "./engine/program.js";
export type { Shape } from "./engine/shape.js";
export { glorot, he } from "./nn/initialisation.js";
export { l1, mse } from "./nn/losses.js";
export { type AdamOptions, adam, gradientNorm, learningRate, type Schedule } from "./nn/optimisers.js";
