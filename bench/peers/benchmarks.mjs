// The benchmarks with their checks: what every library must give before it is timed.
import { firstParameters, parameterCount, stepFlops, TORCH_LOSSES, tolerance } from "./autoencoder.mjs";
import { compareSums, relativeDistance } from "./compare.mjs";
import { CONVOLUTIONS, dataOf, flopsOf, lengthOf, reference } from "./convolutions.mjs";

/**
 * @typedef {object} Benchmark
 * @property {string} id
 * @property {string} what
 * @property {number} flops of one repetition
 * @property {() => Prepared} prepare draws the data
 *
 * @typedef {object} Prepared
 * @property {(library: object) => Promise<object[]>} make the library's works
 * @property {(ours: any) => { worst: number, deviation: object }} checkOurs right if `worst` is at most 1
 * @property {(theirs: any, ours: any) => { worst: number, deviation: object }} checkPeer
 */

/** @returns {Benchmark[]} */
export function benchmarks() {
  return [...CONVOLUTIONS.map(convolution), step];
}

function convolution(c) {
  const { id, what, map, geometry } = c;
  function prepare() {
    const data = dataOf(geometry);
    const { values, magnitudes } = reference(geometry, map, data);
    const length = lengthOf(geometry, map);
    const judged = (worst) => ({ worst, deviation: { overBound: worst } });
    return {
      make: (library) => library.convolution(c, data),
      /** Ours against float64. */
      checkOurs: (ours) => judged(compareSums(ours, values, magnitudes, length, 1)),
      checkPeer: (theirs, ours) => judged(compareSums(theirs, ours, magnitudes, length)),
    };
  }
  return { id, what, flops: flopsOf(geometry), prepare };
}

/** @type {Benchmark} */
const step = {
  id: "training step",
  what:
    `the reference autoencoder, batch 8, 64×64×3: ${parameterCount().toLocaleString("en")} parameters, ` +
    `${(stepFlops() / 1e9).toFixed(2)} GFLOP a step (forward, gradients, Adam)`,
  flops: stepFlops(),
  prepare: () => ({
    make: (library) => library.step(),
    checkOurs: ({ losses }) => {
      const loss = relativeLosses(losses, TORCH_LOSSES);
      return { worst: finite(loss / tolerance()), deviation: { loss } };
    },
    checkPeer: compareSteps,
  }),
};

/**
 * Losses of the first steps, each tensor's gradient in the first (Adam's first moment is then 1 − β₁ times it), and the weights
 * after the last. Where a gradient is within its error of zero, the sign of Adam's first updates is left to rounding:
 * for gradients that agree to ε these are about a fraction ε of the weights, which then move the other way.
 */
export function compareSteps(theirs, ours, limit = tolerance()) {
  const loss = relativeLosses(theirs.losses, ours.losses);
  const gradients = Math.max(
    ...[...ours.moments].map(([name, m]) => relativeDistance(only(theirs.moments, name), new Map([[name, m]]))),
  );
  const change = relativeDistance(changes(theirs.weights), changes(ours.weights));
  const worst = finite(Math.max(loss / limit, gradients / limit, change / (2 * Math.sqrt(limit))));
  return { worst, deviation: { loss, gradients, change } };
}

const only = (tensors, name) => new Map([...tensors].filter(([each]) => each === name));

const relativeLosses = (losses, wanted) =>
  Math.max(...wanted.map((value, step) => Math.abs(losses[step] - value) / value));

const finite = (worst) => (Number.isNaN(worst) ? Number.POSITIVE_INFINITY : worst);

let first;

/** What training added to the first weights. */
function changes(weights) {
  first ??= firstParameters();
  return new Map([...weights].map(([name, w]) => [name, w.map((value, i) => value - first.get(name).values[i])]));
}
