import { gradients } from "../engine/autograd.js";
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Node } from "../engine/graph.js";
import { constant } from "../engine/ops/leaf.js";
import { add, scale } from "../engine/ops/pointwise.js";
import { normal } from "../engine/ops/random.js";
import { concat, split } from "../engine/ops/region.js";
import { sum } from "../engine/ops/sum.js";
import { WARP_POINTS, warp } from "../engine/ops/warp.js";
import { type CompileOptions, compile, type Program } from "../engine/program.js";
import { adam, learningRate } from "../nn/optimisers.js";
import { drawAvatars, poses } from "./avatars.js";
import { ramp } from "./code/adversary.js";
import { sampleCode } from "./code/vib.js";
import { checkCast, checkFolders, type TrainingConfig, trainedPoses } from "./config.js";
import { castNamed } from "./identities.js";
import { isPictureLoss, type PictureLoss, slotsOf } from "./lossSlots.js";
import type { Model } from "./model.js";
import { type PictureSet, pickPictures } from "./pictures.js";
import { codeLoss, type LossNetworks, lossNetworks, pictureLoss } from "./slotLosses.js";

/** Where training pictures come from: avatars drawn anew every step, or sets of pictures by identity. */
export type TrainingData = "avatars" | Readonly<Record<string, PictureSet>>;

/** Pictures of one identity [batch, size, size, 3], and how much each pixel weighs [batch, size, size, 1]. */
interface Batch {
  readonly pictures: Node;
  readonly weights?: Node;
}

/** A batch of one identity, other pictures every step. */
function batchOf(identity: string, config: TrainingConfig, data: TrainingData): Batch {
  const { batch, architecture, pair, regionWeight } = config;
  if (data !== "avatars") {
    const { size } = data[identity];
    // A fully convolutional network would take them, with another code.
    if (size !== architecture.size) {
      throw new UserError(
        `pictures of ${identity}: ${size} pixels do not fit a network for ${architecture.size} pixels`,
      );
    }
    checkFolders(config);
    return { pictures: pickPictures(data[identity], { batch }) };
  }
  const who = castNamed(pair)[identity];
  const drawn = poses(trainedPoses(config, identity), { batch });
  const pictures = drawAvatars(who, drawn, architecture.size);
  if (!regionWeight) return { pictures };
  const mask = drawAvatars(who, drawn, architecture.size, "features");
  return { pictures, weights: add(scale(mask, regionWeight), constant([1], [])) };
}

/** Pictures [N, size, size, 3] as the encoder is to see them: each bent in its own way, another one every step, or as they are. */
function bent(pictures: Node, { warp: deviation }: TrainingConfig): Node {
  if (!deviation) return pictures;
  const [count, size] = pictures.shape;
  return warp(pictures, scale(normal([count, WARP_POINTS, WARP_POINTS, 2]), deviation * size));
}

/**
 * The graph of a training step, to be traced: data, forward, backward, update. Its outputs are the scalars `loss` (what
 * training makes smaller), `rate`, and every loss of the configuration by name, unweighted: "l1.src" for a loss of
 * pictures, "latent" for one of codes.
 * @param networks that losses look through; without them only shapes, work and memory mean something
 * @throws UserError if the pictures have another size than the network
 */
export function trainingGraph(
  model: Model,
  config: TrainingConfig,
  data: TrainingData = "avatars",
  networks: LossNetworks = lossNetworks(config.lossWeights),
): Record<string, Node> {
  const { steps, rate, identities, lossWeights } = config;
  if (data === "avatars") checkCast(config);
  const batches = identities.map((identity) => batchOf(identity, config, data));
  const together = concat(batches.map(({ pictures }) => pictures));
  const seen = bent(together, config);
  const { mean, logVariance } = model.encodeDistribution
    ? model.encodeDistribution(seen)
    : { mean: model.encode(seen), logVariance: undefined };
  const apart = (z: Node): Node[] => split(z, identities.length);
  const codes = apart(mean);
  const shown = logVariance ? apart(sampleCode(mean, logVariance)) : codes;
  const drawn = identities.map((identity, i) => model.decode[identity](shown[i]));

  const losses: Record<string, Node> = {};
  const terms: Node[] = [];
  const weigh = (value: Node, weight: number) => {
    if (weight) terms.push(weight === 1 ? value : scale(value, weight));
  };
  // What is only logged may cost more than the training (random features at 128 pixels: three times): one picture will do.
  const ofPicture = (name: PictureLoss, i: number) => {
    const looked = (x: Node) => (lossWeights[name] ? x : split(x, x.shape[0])[0]);
    const { pictures, weights } = batches[i];
    return pictureLoss(name, looked(drawn[i]), looked(pictures), networks, weights && looked(weights));
  };
  const swapped = () => {
    const ways = identities
      .flatMap((_, from) => identities.map((to, i) => ({ from, to, i })))
      .filter((w) => w.from !== w.i);
    const again = model.encode(concat(ways.map(({ from, to }) => model.decode[to](shown[from]))));
    return { codes: concat(ways.map(({ from }) => codes[from])), again };
  };
  for (const name of slotsOf(lossWeights)) {
    const weight = lossWeights[name] as number;
    if (isPictureLoss(name)) {
      identities.forEach((identity, i) => {
        losses[`${name}.${identity}`] = ofPicture(name, i);
        weigh(losses[`${name}.${identity}`], weight);
      });
    } else {
      const reversal = () => ramp({ steps });
      const { classifier } = model;
      const of = { codes, mean, logVariance, classifier, reversal, swapped, statistics: config.latentStatistics };
      losses[name] = codeLoss(name, of);
      weigh(losses[name], weight);
    }
  }
  const loss = sum(terms);
  const lr = learningRate({ rate, warmup: 50, decay: { shape: "linear", steps, from: 0.7, floor: 0.05 } });
  const update = adam(model.parameters, gradients(loss, model.parameters), { rate: lr, loss });
  return { loss, ...losses, rate: lr, update };
}

/** A training step as a program. @throws UserError, ShapeError, GpuError; see `trainingGraph` */
export function compileTraining(
  gpu: Gpu,
  model: Model,
  config: TrainingConfig,
  data: TrainingData = "avatars",
  { networks, ...options }: CompileOptions & { networks?: LossNetworks } = {},
): Promise<Program> {
  return compile(gpu, () => trainingGraph(model, config, data, networks), { seed: config.seed, ...options });
}
