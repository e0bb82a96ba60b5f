/** An opponent that reads the identity from a code, and an encoder that is trained against it. */
import source from "../../../shaders/ramp.wgsl";
import { UserError } from "../../engine/errors.js";
import { makeNode, type Node, type Op, refuse } from "../../engine/graph.js";
import { kernel } from "../../engine/lower.js";
import { reverseGradient } from "../../engine/ops/gradientFlow.js";
import { constant } from "../../engine/ops/leaf.js";
import { logSoftmax } from "../../engine/ops/logSoftmax.js";
import { mul, scale } from "../../engine/ops/pointwise.js";
import { concat } from "../../engine/ops/region.js";
import { sum } from "../../engine/ops/sum.js";
import type { Parameters } from "../../engine/parameters.js";
import { elements, sameShape } from "../../engine/shape.js";
import { denseLayer, type Layer } from "../../nn/layers.js";
import { type Architecture, codeLength } from "../architecture.js";
import { flatten } from "./pairs.js";

const HIDDEN = 64;
const ALPHA = 0.1;

/** Reads identities from codes of `inputs` numbers. */
export interface IdentityClassifier {
  readonly inputs: number;
  readonly identities: number;
  /** Rows [N, inputs] to logits [N, identities]. */
  readonly logits: Layer;
}

/** What a classifier needs to know of a network: its codes, its identities, and the parameters to join. */
export interface Classified {
  readonly parameters: Parameters;
  readonly architecture: Architecture;
  /** One decoder an identity. */
  readonly decode: Readonly<Record<string, Layer>>;
}

/**
 * A small network, code → 64 (leaky ReLU of slope 0.1) → one logit an identity, with He weights from the seed, as
 * "classifier.0" and "classifier.1" among the parameters of the network that it judges: one optimiser trains both.
 * Identities are numbered in the order of the decoders.
 * @throws UserError if the parameters hold a classifier already, or if a program was compiled with them
 */
export function identityClassifier({ parameters, architecture, decode }: Classified, seed: number): IdentityClassifier {
  const inputs = codeLength(architecture);
  const identities = Object.keys(decode).length;
  const options = { parameters, seed };
  const hidden = denseLayer({ ...options, name: "classifier.0", activation: { leakyRelu: ALPHA } }, inputs, HIDDEN);
  const last = denseLayer({ ...options, name: "classifier.1", activation: "none" }, HIDDEN, identities);
  return { inputs, identities, logits: (rows) => last(hidden(rows)) };
}

/**
 * The cross-entropy in nats of the identity that the classifier reads from each code, mean over all codes; behind the
 * classifier the gradient is turned round. To make it smaller trains the classifier to tell identities apart and the
 * encoder to keep them from it (Ganin & Lempitsky, "Unsupervised domain adaptation by backpropagation", 2015).
 * A classifier that knows nothing stands at ln K.
 * @param codes one [N, …] an identity, in the order of the classifier's identities
 * @param factor how much of the gradient reaches the encoder, turned round: a number or a scalar, such as `ramp`
 * @returns a scalar
 * @throws ShapeError unless there is one code an identity, all of one shape, of as many numbers as the classifier reads
 */
export function adversary(codes: readonly Node[], classifier: IdentityClassifier, factor: Node | number): Node {
  const { inputs, identities, logits } = classifier;
  const shapes = codes.map(({ shape }) => shape);
  const wrong = shapes.some((shape) => !sameShape(shape, shapes[0]) || elements(shape.slice(1)) !== inputs);
  if (codes.length !== identities || wrong) {
    refuse("adversary", shapes, `needs ${identities} codes of one shape [N, …] of ${inputs} numbers, one an identity`);
  }
  const [n] = shapes[0];
  const total = n * identities;
  const rows = reverseGradient(concat(codes.map(flatten)), factor);
  const truth = Float32Array.from({ length: total * identities }, (_, at) =>
    at % identities === Math.floor(at / (identities * n)) ? 1 : 0,
  );
  return scale(sum(mul(logSoftmax(logits(rows)), constant(truth, [total, identities]))), -1 / total);
}

// --- the strength of the adversary over a run -----------------------------------------------------------------------

export interface RampOptions {
  /** The step at which the ramp is at its end, about 0.9999. */
  readonly steps: number;
  /** Where it begins, as a fraction of `steps`: 0 until then. Default 0. */
  readonly from?: number;
}

const rampOp: Op<Required<RampOptions>> = {
  name: "ramp",
  shape: () => [],
  lower: (node) => [
    {
      kernel: kernel("ramp", source),
      bind: { clock: "clock", y: node },
      uniform: { start: node.attrs.from * node.attrs.steps, total: node.attrs.steps },
      groups: [1, 1, 1],
    },
  ],
};

/**
 * A scalar that rises from 0 to 1 with the step: 2 / (1 + exp(−10 q)) − 1, q from 0 to 1 between `from` · steps and
 * steps (Ganin & Lempitsky, 2015, section 5). Early, while the classifier knows nothing, its gradient is noise.
 * @throws UserError on fewer than 1 step, or a `from` that is no fraction from 0 to below 1
 */
export function ramp({ steps, from = 0 }: RampOptions): Node {
  if (!(steps >= 1 && Number.isFinite(steps))) throw new UserError(`ramp over ${steps} steps must be at least 1`);
  if (!(from >= 0 && from < 1)) throw new UserError(`ramp from ${from} must be a fraction from 0 to below 1`);
  return makeNode(rampOp, [], { steps, from });
}
