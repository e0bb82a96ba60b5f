/** The engine: tensors, autograd, programs, layers and optimisers. Open a device with `shibori/node` or `shibori/browser`. */
export { gradients } from "./engine/autograd.js";
export { GpuError, ShapeError, UserError } from "./engine/errors.js";
export { type AdapterKind, Gpu } from "./engine/gpu.js";
export type { Activation, Node } from "./engine/graph.js";
export type { History } from "./engine/history.js";
export { type ConvOptions, conv2d, type Padding } from "./engine/ops/conv2d.js";
export { type ConvTransposeOptions, convTranspose2d } from "./engine/ops/convTranspose2d.js";
export { dense } from "./engine/ops/dense.js";
export { averagePool2d, type Filter2dOptions, filter2d } from "./engine/ops/filter2d.js";
export { reverseGradient, stopGradient } from "./engine/ops/gradientFlow.js";
export { constant, input } from "./engine/ops/leaf.js";
export { logSoftmax } from "./engine/ops/logSoftmax.js";
export { maxPool2d, type PoolOptions } from "./engine/ops/maxPool2d.js";
export { pixelShuffle, pixelUnshuffle } from "./engine/ops/pixelShuffle.js";
export {
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
export { normal, random } from "./engine/ops/random.js";
export { concat, slice, split } from "./engine/ops/region.js";
export { reshape } from "./engine/ops/reshape.js";
export { resizeNearest } from "./engine/ops/resize.js";
export { mean, type ReduceOptions, sum, variance } from "./engine/ops/sum.js";
export { transpose } from "./engine/ops/transpose.js";
export { unitNormalise } from "./engine/ops/unitNormalise.js";
export { warp } from "./engine/ops/warp.js";
export { Parameters } from "./engine/parameters.js";
export { type CompileOptions, compile, type Program } from "./engine/program.js";
export type { Shape } from "./engine/shape.js";
export { type Decision, type Timing, type TuneCache, Tuner, type TunerOptions } from "./engine/tuner.js";
export { glorot, he, icnr } from "./nn/initialisation.js";
export { gradientDifference, l1, mse, type PixelWeights } from "./nn/losses.js";
export { type AdamOptions, adam, gradientNorm, learningRate, type Schedule } from "./nn/optimisers.js";
export { dssim, msSsim, ssim, ssimLoss } from "./nn/ssim.js";
