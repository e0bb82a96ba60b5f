import { gradients } from "../engine/autograd.js";
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Node } from "../engine/graph.js";
import { scale } from "../engine/ops/pointwise.js";
import { concat, split } from "../engine/ops/region.js";
import { sum } from "../engine/ops/sum.js";
import { type CompileOptions, compile, type Program } from "../engine/program.js";
import { l1 } from "../nn/losses.js";
import { adam, learningRate } from "../nn/optimisers.js";
import type { Autoencoder, Side } from "./architecture.js";
import { avatars } from "./avatars.js";
import { pairNamed } from "./identities.js";
import { latentStatistics } from "./losses.js";
import { type PictureSet, pickPictures } from "./pictures.js";
import type { TrainingConfig } from "./presets.js";

/** Where training pictures come from: avatars drawn anew every step, or sets of pictures. */
export type TrainingData = "avatars" | Record<Side, PictureSet>;

/** A batch of one identity, other pictures every step: [batch, size, size, 3]. */
function batchOf(side: Side, config: TrainingConfig, data: TrainingData): Node {
  const { batch, architecture, pair, poses } = config;
  if (data !== "avatars") {
    const { size } = data[side];
    // A fully convolutional network would take them, with another code.
    if (size !== architecture.size) {
      throw new UserError(`pictures of ${side}: ${size} pixels do not fit a network for ${architecture.size} pixels`);
    }
    return pickPictures(data[side], { batch });
  }
  return avatars(pairNamed(pair)[side], { batch, size: architecture.size, poses });
}

/** The formulas of the losses that a training step logs, by name: only losses of one formula can be compared. */
export function lossFormulas({ latentWeight, latentStatistics }: TrainingConfig): Record<string, string> {
  const latent = `statistical latent L2 per ${latentStatistics}`;
  return {
    loss: `L1 of src + L1 of dst + ${latentWeight} · ${latent}`,
    src: "L1 of src's reconstruction",
    dst: "L1 of dst's reconstruction",
    latent,
  };
}

/**
 * The whole training step as a program: data, forward, backward, update. Its outputs are the scalars `loss`, `src` and
 * `dst` (L1 of each identity's reconstruction), `latent` (the statistical latent L2, unweighted) and `rate`.
 * @throws UserError if the pictures have another size than the network
 */
export function compileTraining(
  gpu: Gpu,
  model: Autoencoder,
  config: TrainingConfig,
  data: TrainingData = "avatars",
  options: CompileOptions = {},
): Promise<Program> {
  const { steps, rate, seed, latentWeight } = config;
  const build = () => {
    const pictures = { src: batchOf("src", config, data), dst: batchOf("dst", config, data) };
    const [zs, zd] = split(model.encode(concat([pictures.src, pictures.dst])));
    const src = l1(model.decode.src(zs), pictures.src);
    const dst = l1(model.decode.dst(zd), pictures.dst);
    const latent = latentStatistics(zs, zd, config.latentStatistics);
    const loss = sum([src, dst, scale(latent, latentWeight)]);
    const lr = learningRate({ rate, warmup: 50, decay: { shape: "linear", steps, from: 0.7, floor: 0.05 } });
    const update = adam(model.parameters, gradients(loss, model.parameters), { rate: lr, loss });
    return { loss, src, dst, latent, rate: lr, update };
  };
  return compile(gpu, build, { seed, ...options });
}
