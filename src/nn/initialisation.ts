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
