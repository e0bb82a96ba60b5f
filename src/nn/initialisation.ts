import { normal, uniform } from "../engine/philox.js";
import { elements, type Shape } from "../engine/shape.js";

/** Where initial numbers come from: drawn on the CPU, since `log` and `cos` differ between adapters. */
export interface Draw {
  readonly seed: number;
  /** One stream per parameter. */
  readonly stream: number;
}

/** Normal numbers with a standard deviation. */
const scaledNormal = (shape: Shape, deviation: number, { seed, stream }: Draw): Float32Array =>
  normal(elements(shape), { seed, step: 0, stream }).map((n) => n * deviation);

/**
 * He initialisation (He et al., 2015) for a leaky ReLU of slope alpha: deviation √(2 / ((1 + alpha²) · fanIn)).
 * @param fanIn values that each output sums: kh·kw·Ci for conv2d; kh·kw·Ci / stride² for convTranspose2d
 */
export const he = (shape: Shape, fanIn: number, draw: Draw, alpha = 0): Float32Array =>
  scaledNormal(shape, Math.sqrt(2 / ((1 + alpha * alpha) * fanIn)), draw);

/** Glorot initialisation (Glorot & Bengio, 2010), uniform in ±√(6 / (fanIn + fanOut)). */
export const glorot = (shape: Shape, fanIn: number, fanOut: number, { seed, stream }: Draw): Float32Array => {
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return uniform(elements(shape), { seed, step: 0, stream }).map((u) => (2 * u - 1) * limit);
};

/**
 * Initialisation for a convolution whose channels are shuffled to pixels: the r² filters that make one channel of the
 * larger picture start equal, so that it starts as one resized by nearest neighbours, without a pattern (Aitken et al.,
 * "Checkerboard artifact free sub-pixel convolution", 2017).
 * @param shape of the weights [kh, kw, in, C·r²], channels in the order of `pixelShuffle`
 * @param drawn gives the numbers of a shape: those of [kh, kw, in, C] are repeated
 */
export const icnr = (shape: Shape, r: number, drawn: (shape: Shape) => Float32Array): Float32Array => {
  const once = drawn([...shape.slice(0, -1), shape[shape.length - 1] / r ** 2]);
  return Float32Array.from({ length: elements(shape) }, (_, i) => once[Math.floor(i / r ** 2)]);
};
