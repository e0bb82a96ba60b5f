import adamSource from "../../shaders/adam.wgsl";
import ratesSource from "../../shaders/adam_rates.wgsl";
import rateSource from "../../shaders/learning_rate.wgsl";
import watchSource from "../../shaders/watch.wgsl";
import { UserError } from "../engine/errors.js";
import { type Dispatch, makeNode, type Node, type Op, refuse, Scratch } from "../engine/graph.js";
import { kernel, linear } from "../engine/lower.js";
import { constant } from "../engine/ops/leaf.js";
import { type PackAttrs, pack, sumSquares, windows } from "../engine/ops/pack.js";
import { add, clamp, div, sqrt } from "../engine/ops/pointwise.js";
import type { Parameters } from "../engine/parameters.js";

// --- learning rate --------------------------------------------------------------------------------------------------

export interface Schedule {
  /** The learning rate after warm-up. */
  readonly rate: number;
  /** Steps of linear warm-up. Default 0. */
  readonly warmup?: number;
  /** How the rate falls from step `from` (a fraction of `steps`, default 0) to `floor` (a fraction of the rate, default 0). */
  readonly decay?: {
    readonly shape: "linear" | "cosine";
    readonly steps: number;
    readonly from?: number;
    readonly floor?: number;
  };
}

/** Far beyond what is of use, and far enough from the end of float32 that no update of a finite gradient gets there. */
export const MAX_RATE = 1e30;

const SHAPES = { linear: 1, cosine: 2 };

const learningRateOp: Op<Schedule> = {
  name: "learningRate",
  shape: () => [],
  lower(node) {
    const { rate, warmup = 0, decay } = node.attrs;
    const total = decay?.steps ?? 1;
    const uniform = {
      ...{ peak: rate, warmup: Math.max(warmup, 1), total, floor: decay?.floor ?? 0 },
      ...{ decayFrom: decay ? total * (decay.from ?? 0) : 0, shape: decay ? SHAPES[decay.shape] : 0 },
    };
    return [
      {
        kernel: kernel("learning_rate", rateSource),
        bind: { clock: "clock", y: node },
        uniform,
        groups: [1, 1, 1],
      },
    ];
  },
};

/** The learning rate of the current step, computed on the GPU. @throws UserError on a rate or fraction out of range */
export function learningRate(schedule: Schedule): Node {
  const { rate, warmup = 0, decay } = schedule;
  if (!(rate > 0 && rate <= MAX_RATE))
    throw new UserError(`learning rate ${rate} must be a positive number up to 1e30`);
  if (!(warmup >= 0)) throw new UserError(`warm-up of ${warmup} steps must be at least 0`);
  if (decay && !(decay.steps >= 1)) throw new UserError(`decay over ${decay.steps} steps must be at least 1`);
  for (const [name, value] of Object.entries({ from: decay?.from ?? 0, floor: decay?.floor ?? 0 })) {
    if (!(value >= 0 && value < 1)) throw new UserError(`decay ${name} ${value} must be a fraction from 0 to below 1`);
  }
  return makeNode(learningRateOp, [], schedule);
}

// --- Adam -----------------------------------------------------------------------------------------------------------

export interface AdamOptions {
  /** A number, a schedule, or a scalar node. */
  readonly rate: number | Schedule | Node;
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  /** AdamW's decoupled decay. Default 0, which is Adam. */
  readonly weightDecay?: number;
  /** Scales all gradients down together where their norm exceeds this. */
  readonly maxNorm?: number;
  /** A scalar to be watched with the gradients: a loss may overflow while its gradients stay finite. */
  readonly loss?: Node;
}

interface AdamAttrs {
  readonly parameters: Parameters;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

const adamOp: Op<AdamAttrs> = {
  name: "adam",
  kind: "effect",
  shape: () => [],
  lower(node, target) {
    const [flat, rate, scale] = node.inputs as [Node<PackAttrs>, Node, Node];
    const { parameters, beta1, beta2, epsilon, weightDecay: decay } = node.attrs;
    const rates = new Scratch(16);
    const first: Dispatch = {
      kernel: kernel("adam_rates", ratesSource),
      bind: { clock: "clock", rate, rates },
      uniform: { logBeta1: Math.log(beta1), logBeta2: Math.log(beta2), decay },
      groups: [1, 1, 1],
    };
    const updates = windows(flat.attrs.bytes, target.maxBindingBytes).map(({ offset, bytes }): Dispatch => {
      const window = (state: string) => parameters.window(state, offset, bytes);
      const g = { node: flat, offset, bytes };
      const count = bytes / 16;
      return {
        kernel: kernel("adam", adamSource),
        bind: { clock: "clock", rates, scale, g, w: window("values"), m: window("m"), v: window("v") },
        uniform: { count, beta1, beta2, rest1: 1 - beta1, rest2: 1 - beta2, epsilon },
        groups: linear(count),
      };
    });
    return [first, ...updates];
  },
};

/** Vec4s of gradients that one invocation of watch.wgsl looks at. */
const WATCHED = 8;

/**
 * Notes in the clock if a number that an update is made of is not finite. It is an input of the update, so that the
 * watches of all updates of a program run before the first of them.
 */
const watchOp: Op<Record<string, never>> = {
  name: "watch",
  kind: "effect",
  shape: () => [],
  lower(node, target) {
    const [flat, loss, rate, scale] = node.inputs as [Node<PackAttrs>, Node, Node, Node];
    return windows(flat.attrs.bytes, target.maxBindingBytes).map(({ offset, bytes }) => ({
      kernel: kernel("watch", watchSource, { EACH: WATCHED }),
      bind: { clock: "clock", g: { node: flat, offset, bytes }, loss, rate, scale },
      uniform: { count: bytes / 16 },
      groups: linear(Math.ceil(bytes / 16 / WATCHED)),
    }));
  },
};

/** The L2 norm of all gradients together. */
export const gradientNorm = (gradients: readonly Node[]): Node => sqrt(sumSquares(pack(gradients)));

/**
 * One step of Adam or AdamW on all parameters, as torch.optim defines them: bias correction, moments "m" and "v" kept
 * with the parameters. Runs after everything else of the step.
 *
 * A step whose gradients (or `loss`) hold an infinity or a NaN changes nothing, and neither does any later one:
 * `program.history()` names it. The same goes for a gradient beyond 2⁶³, whose square would overflow the second moment.
 * @param gradients one per parameter, in the parameters' order
 */
export function adam(parameters: Parameters, gradients: readonly Node[], options: AdamOptions): Node {
  const {
    rate,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weightDecay = 0,
    maxNorm,
    loss = constant([0], []),
  } = options;
  if (gradients.length !== parameters.nodes.length) {
    throw new UserError(`adam: ${gradients.length} gradients for ${parameters.nodes.length} parameters`);
  }
  for (const [name, beta] of Object.entries({ beta1, beta2 })) {
    if (!(beta > 0 && beta < 1)) throw new UserError(`adam: ${name} ${beta} must lie between 0 and 1`);
  }
  if (loss.shape.length) refuse("adam", [loss.shape], "the loss to watch must be a scalar");
  if (maxNorm !== undefined && !(maxNorm > 0)) throw new UserError(`adam: maxNorm ${maxNorm} must be positive`);
  const lr = typeof rate === "number" ? constant([rate], []) : "op" in rate ? rate : learningRate(rate);
  // As torch.nn.utils.clip_grad_norm_: min(1, maxNorm / (norm + 1e-6)).
  const scale = maxNorm
    ? clamp(div(constant([maxNorm], []), add(gradientNorm(gradients), constant([1e-6], []))), 0, 1)
    : constant([1], []);
  const attrs = { parameters, beta1, beta2, epsilon, weightDecay };
  const flat = pack(gradients);
  return makeNode(adamOp, [flat, lr, scale, makeNode(watchOp, [flat, loss, lr, scale], {})], attrs);
}
