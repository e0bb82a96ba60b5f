// The reference autoencoder, whose whole training step is measured: layers, first weights, data, work and tolerance.
import { ROUNDING } from "./compare.mjs";
import { uniform } from "./random.mjs";

export const BATCH = 8;
export const SIZE = 64;
export const CHANNELS = 3;
export const ALPHA = 0.2;
export const ADAM = { rate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };
/** Steps whose losses are compared before anything is timed. */
export const CHECKED_STEPS = 5;

/** The losses of these steps in float64: `torch_step.py --reference --losses`. */
export const TORCH_LOSSES = [
  0.2675770275634372, 0.2527004718657511, 0.2508509964960101, 0.25011903767940286, 0.24969818890396736,
];

/**
 * @typedef {object} Layer
 * @property {string} name
 * @property {"conv" | "transposed"} kind
 * @property {number} ci @property {number} co @property {number} k
 * @property {[number, number]} padding before and after, both axes; stride is 2 everywhere
 * @property {number} from extent of the input in pixels  @property {number} to and of the output
 * @property {boolean} last sigmoid instead of leaky ReLU
 */

const layer = (kind, k, ci, co, padding, from, to) => ({ kind, k, ci, co, padding, from, to });

/** @type {Layer[]} */
export const LAYERS = [
  layer("conv", 5, 3, 32, [1, 2], 64, 32),
  layer("conv", 5, 32, 64, [1, 2], 32, 16),
  layer("conv", 3, 64, 128, [0, 0], 16, 7),
  layer("conv", 3, 128, 128, [0, 0], 7, 3),
  layer("transposed", 3, 128, 128, [0, 0], 3, 7),
  layer("transposed", 4, 128, 64, [0, 0], 7, 16),
  layer("transposed", 4, 64, 32, [1, 1], 16, 32),
  layer("transposed", 4, 32, 3, [1, 1], 32, 64),
].map((l, i, all) => ({ ...l, name: `layer${i + 1}`, last: i === all.length - 1 }));

/** In our layouts: [k, k, ci, co], and [k, k, co, ci] for a transposed layer. @param {Layer} l */
export const weightShape = ({ kind, k, ci, co }) => [k, k, ...(kind === "conv" ? [ci, co] : [co, ci])];

/** By name, in order: the weights (He's deviation, uniform) and the biases of each layer. */
export function firstParameters() {
  /** @type {Map<string, { shape: number[], values: Float32Array }>} */
  const parameters = new Map();
  LAYERS.forEach((l, i) => {
    const shape = weightShape(l);
    const fanIn = (l.k * l.k * l.ci) / (l.kind === "conv" ? 1 : 4);
    const bound = Math.sqrt(3) * Math.sqrt(2 / ((1 + ALPHA * ALPHA) * fanIn));
    const draw = (count, limit, seed) => uniform(count, seed).map((value) => limit * (2 * value - 1));
    parameters.set(`${l.name}.w`, { shape, values: draw(l.k * l.k * l.ci * l.co, bound, 100 + i) });
    parameters.set(`${l.name}.b`, { shape: [l.co], values: draw(l.co, 0.05, 200 + i) });
  });
  return parameters;
}

/** Pictures [8, 64, 64, 3] in [0, 1). */
export const pictures = () => uniform(BATCH * SIZE * SIZE * CHANNELS, 300);

export const parameterCount = () => LAYERS.reduce((sum, l) => sum + l.k * l.k * l.ci * l.co + l.co, 0);

const taps = (l) => BATCH * (l.kind === "conv" ? l.to : l.from) ** 2;

/** Of the convolutions of one step: forward, weight gradient, and input gradient except the first layer's. */
export const stepFlops = () =>
  LAYERS.reduce((sum, l, i) => sum + (i ? 3 : 2) * 2 * taps(l) * l.k * l.k * l.ci * l.co, 0);

/**
 * How far two right float32 gradients may be apart, relative to their norm: a sum of K products errs by at most
 * K·2⁻²⁴ of its terms, and the step is a chain of such sums, whose lengths add up.
 */
export function tolerance() {
  const up = (l, channels) => Math.ceil(l.k / 2) ** 2 * channels;
  const down = (l, channels) => l.k * l.k * channels;
  const lengths = LAYERS.flatMap((l) =>
    l.kind === "conv" ? [down(l, l.ci), up(l, l.co), taps(l)] : [up(l, l.ci), down(l, l.co), taps(l)],
  );
  return lengths.reduce((a, b) => a + b, 0) * ROUNDING;
}
