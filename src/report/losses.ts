/** The losses of runs as people read them, whichever a run has. */
import {
  CODE_LOSSES,
  isPictureLoss,
  LOSS_NAMES,
  type LossName,
  type PictureLoss,
  REGIONAL,
  slotsOf,
} from "../faceswap/lossSlots.js";
import type { StepLine } from "../storage/metrics.js";
import type { RunConfig } from "../storage/runConfig.js";

/** What training makes smaller, or one of its parts. */
export type Loss = LossName | "loss";

export interface LossText {
  /** Heading of its chart. */
  readonly title: string;
  /** In a sentence or a table. */
  readonly word: string;
  /** Label of its axis: quantity, unit, range. */
  readonly axis: string;
  readonly hint: string;
}

const OF_PICTURES = "Falls while the network learns to reconstruct; not a word on the swap.";

const picture = (word: string, axis: string, title = word, hint = OF_PICTURES): LossText => ({
  title,
  word,
  axis,
  hint,
});
const lpips = (trunk: string) => picture(`LPIPS (${trunk})`, "LPIPS distance: 0 is the same picture");

export const LOSS_TEXTS: Readonly<Record<LossName, LossText>> = {
  l1: picture("L1", "L1: mean absolute difference, 0 to 1", "L1 of the reconstructions"),
  mse: picture("squared error", "mean squared difference, 0 to 1", "Mean squared error of the reconstructions"),
  ssim: picture("1 − SSIM", "1 − SSIM: 0 is the same picture", "SSIM loss"),
  "ms-ssim": picture("1 − MS-SSIM", "1 − MS-SSIM: 0 is the same picture", "MS-SSIM loss"),
  dssim: picture("DSSIM", "DSSIM: (1 − SSIM) ÷ 2, 0 to 1"),
  "gradient-difference": picture("gradient difference", "difference of edges: 0 is the same", "Gradient difference"),
  "lpips-alex": lpips("AlexNet"),
  "lpips-vgg": lpips("VGG16"),
  "lpips-squeeze": lpips("SqueezeNet"),
  "random-features": picture(
    "random-feature loss",
    "distance in random features: 0 is the same picture",
    "Random-feature loss (not LPIPS)",
    `${OF_PICTURES} A network of random weights sees: its numbers have nothing to do with those of LPIPS.`,
  ),
  latent: {
    title: "Statistical latent L2",
    word: "latent",
    axis: "squared difference of the codes' statistics",
    hint: "How far apart mean and variance of the identities' codes are.",
  },
  coral: {
    title: "CORAL of the codes",
    word: "CORAL",
    axis: "squared difference of the codes' covariances",
    hint: "How far apart the covariances of the identities' codes are; it does not see their means.",
  },
  mmd: {
    title: "MMD of the codes",
    word: "MMD",
    axis: "squared maximum mean discrepancy",
    hint: "How far apart the distributions of the identities' codes are.",
  },
  vib: {
    title: "Information in the sampled code",
    word: "KL divergence",
    axis: "KL divergence, nats for each number of the code",
    hint: "The most that the code may say of a picture; at 0 it says nothing.",
  },
  adversary: {
    title: "Identity adversary",
    word: "adversary",
    axis: "cross-entropy, nats",
    hint: "How badly a classifier reads the identity from the code. At the dashed line it guesses: the code hides it.",
  },
  consistency: {
    title: "Change of the code through the swap",
    word: "code consistency",
    axis: "squared change ÷ the codes' own variance",
    hint: "How far a code changes when its swap is encoded again.",
  },
};

/** How a loss of a run is read: a pixel's weight makes another quantity of it. */
export function textOf(name: LossName, { regionWeight }: Pick<RunConfig, "regionWeight">): LossText {
  const text = LOSS_TEXTS[name];
  if (!regionWeight || !(REGIONAL as readonly LossName[]).includes(name)) return text;
  const axis = `${text.axis.replace(/, 0 to 1$/, "")}; eyes, brows and mouth count ${1 + regionWeight} times`;
  return { ...text, axis };
}

/** The slots that any of the runs logs, in their fixed order. */
export const slotsOfAny = (configs: readonly Pick<RunConfig, "lossWeights">[]): LossName[] =>
  LOSS_NAMES.filter((name) => configs.some((config) => config.lossWeights[name] !== undefined));

/** Whether a run logs a loss; the total it always does. */
export const logs = (name: Loss, { lossWeights }: Pick<RunConfig, "lossWeights">): boolean =>
  name === "loss" || lossWeights[name] !== undefined;

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
  const [first, ...others] = configs.map(({ lossWeights }) => slotsOf(lossWeights));
  return first?.filter(isPictureLoss).find((name) => others.every((slots) => slots.includes(name)));
}

/** The two of most runs have words of their own. */
export const whoIs = (identity: string): string => ({ src: "source", dst: "target" })[identity] ?? identity;
