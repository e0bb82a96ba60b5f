/** The losses of runs as people read them, whichever a run has. */
import { CODE_LOSSES, isPictureLoss, LOSS_NAMES, type LossName, type PictureLoss } from "../faceswap/lossSlots.js";
import type { StepLine } from "../storage/metrics.js";
import type { RunConfig } from "../storage/runConfig.js";

/** What training makes smaller, or one of its parts. */
export type Loss = LossName | "loss";

/** Heading of a loss's chart, and a word for it in a table. */
export const LOSS_TITLES: Record<LossName, string> = {
  l1: "L1 of the reconstructions",
  mse: "Mean squared error of the reconstructions",
  ssim: "1 − SSIM of the reconstructions",
  "ms-ssim": "1 − MS-SSIM of the reconstructions",
  dssim: "DSSIM of the reconstructions",
  "gradient-difference": "Gradient difference of the reconstructions",
  "lpips-alex": "LPIPS (AlexNet) of the reconstructions",
  "lpips-vgg": "LPIPS (VGG16) of the reconstructions",
  "lpips-squeeze": "LPIPS (SqueezeNet) of the reconstructions",
  "random-features": "Random-feature loss (not LPIPS) of the reconstructions",
  latent: "Latent loss",
  coral: "CORAL of the codes",
  mmd: "MMD of the codes",
  vib: "KL divergence of the sampled code",
  adversary: "Cross-entropy of the identity classifier",
  consistency: "Change of the code through the swap",
};

const HINTS: Partial<Record<LossName, string>> = {
  latent: "How far apart the statistics of the two identities' codes are.",
  adversary: "Nats. ln 2 = 0.69 for two identities: the classifier knows nothing.",
  vib: "What the code may say of a picture: 0 is nothing.",
  consistency: "How far a code changes when its swap is encoded again, against the codes' own variance.",
};

export const hintOf = (name: LossName): string =>
  HINTS[name] ??
  (isPictureLoss(name)
    ? "Falls while the network learns to reconstruct; not a word on the swap."
    : "How far apart the identities' codes are.");

/** The slots that a run logs, in their fixed order. */
export const slotsOf = ({ lossWeights }: Pick<RunConfig, "lossWeights">): LossName[] =>
  LOSS_NAMES.filter((name) => lossWeights[name] !== undefined);

/** The names under which a loss is logged: one an identity, or one. */
export const keysOf = (name: Loss, { identities }: Pick<RunConfig, "identities">): string[] =>
  name !== "loss" && isPictureLoss(name) ? identities.map((identity) => `${name}.${identity}`) : [name];

/** A loss of a step: of pictures, the mean over identities. NaN where it was not logged. */
export function lossOf(name: Loss, config: Pick<RunConfig, "identities">): (line: StepLine) => number {
  const keys = keysOf(name, config);
  return (line) => keys.reduce((sum, key) => sum + (line[key] ?? Number.NaN), 0) / keys.length;
}

export const isCodeLoss = (name: Loss): boolean => (CODE_LOSSES as readonly string[]).includes(name);

/** The loss of pictures that says most of how a run reconstructs: the first in the fixed order that all of them log. */
export function sharedPictureLoss(configs: readonly Pick<RunConfig, "lossWeights">[]): PictureLoss | undefined {
  const [first, ...others] = configs.map(slotsOf);
  return first?.filter(isPictureLoss).find((name) => others.every((slots) => slots.includes(name)));
}
