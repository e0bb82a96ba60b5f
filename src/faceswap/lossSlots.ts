/** The losses that a run may weigh, by the names under which they are logged. */
import type { Architecture } from "./architecture.js";
import type { LatentStatistics } from "./losses.js";
import type { PerceptualKind } from "./perceptual/trunks.js";

/** Of each identity's reconstruction against its picture; logged as "l1.src". */
export const PICTURE_LOSSES = [
  "l1",
  "mse",
  "ssim",
  "ms-ssim",
  "dssim",
  "gradient-difference",
  "lpips-alex",
  "lpips-vgg",
  "lpips-squeeze",
  "random-features",
] as const;
export type PictureLoss = (typeof PICTURE_LOSSES)[number];

/** Of the identities' codes together. */
export const CODE_LOSSES = ["latent", "coral", "mmd", "vib", "adversary", "consistency"] as const;
export type CodeLoss = (typeof CODE_LOSSES)[number];

export type LossName = PictureLoss | CodeLoss;
export const LOSS_NAMES: readonly LossName[] = [...PICTURE_LOSSES, ...CODE_LOSSES];

/**
 * Weight of each loss of a run. A loss of weight 0 is computed and logged, and trains nothing; one of pictures then looks
 * at the first picture of each identity's batch only.
 */
export type LossWeights = Partial<Record<LossName, number>>;

/** Those that the region weight applies to. */
export const REGIONAL: readonly PictureLoss[] = ["l1", "mse", "dssim", "gradient-difference"];

/** The trunks of LPIPS, by loss. */
export const LPIPS_KINDS = { "lpips-alex": "alex", "lpips-vgg": "vgg", "lpips-squeeze": "squeeze" } as const;

/** The trunk whose weights a run needs, if it needs any. A run has one at most. */
export function lpipsKindOf(weights: LossWeights): PerceptualKind | undefined {
  const name = (Object.keys(LPIPS_KINDS) as (keyof typeof LPIPS_KINDS)[]).find((each) => weights[each] !== undefined);
  return name && LPIPS_KINDS[name];
}

const PICTURE_TEXTS: Record<PictureLoss, string> = {
  l1: "L1",
  mse: "mean squared error",
  ssim: "1 − SSIM (11-pixel Gaussian windows)",
  "ms-ssim": "1 − MS-SSIM (5 scales)",
  dssim: "DSSIM (6-pixel windows, stride 3)",
  "gradient-difference": "gradient difference",
  "lpips-alex": "LPIPS (AlexNet)",
  "lpips-vgg": "LPIPS (VGG16)",
  "lpips-squeeze": "LPIPS (SqueezeNet 1.1)",
  "random-features": "random-feature loss (seed 0; not LPIPS)",
};

const CODE_TEXTS: Record<CodeLoss, string> = {
  latent: "statistical latent L2",
  coral: "CORAL of the codes",
  mmd: "MMD of the codes",
  vib: "KL divergence of the sampled code from N(0, 1), per number",
  adversary: "cross-entropy of the identity read from the code, gradient reversed",
  consistency: "relative squared change of the code through the swap",
};

interface Described {
  readonly architecture: Architecture;
  readonly identities: readonly string[];
  readonly lossWeights: LossWeights;
  readonly latentStatistics: LatentStatistics;
  readonly regionWeight: number;
}

/** Losses in their fixed order. */
export const slotsOf = (weights: LossWeights): LossName[] => LOSS_NAMES.filter((name) => weights[name] !== undefined);

export const isPictureLoss = (name: LossName): name is PictureLoss =>
  (PICTURE_LOSSES as readonly string[]).includes(name);

/**
 * The formulas of the losses that a training step logs, by name: only losses of one formula can be compared.
 * @param lpipsPrint tells LPIPS weights apart, such as the first digits of their hash
 */
export function lossFormulas(config: Described, lpipsPrint?: string): Record<string, string> {
  const { identities, lossWeights, latentStatistics, regionWeight } = config;
  const textOf = (name: LossName): string => {
    if (!isPictureLoss(name))
      return name === "latent" ? `${CODE_TEXTS.latent} per ${latentStatistics}` : CODE_TEXTS[name];
    const print = name in LPIPS_KINDS && lpipsPrint ? `, weights ${lpipsPrint}` : "";
    const region =
      regionWeight && REGIONAL.includes(name) ? `, weighed 1 + ${regionWeight} · mask of eyes, brows and mouth` : "";
    return `${PICTURE_TEXTS[name]}${print}${region}`;
  };
  const slots = slotsOf(lossWeights);
  const weigh = (name: LossName, text: string) => (lossWeights[name] === 1 ? text : `${lossWeights[name]} · ${text}`);
  const total = slots
    .filter((name) => lossWeights[name])
    .map((name) => weigh(name, isPictureLoss(name) ? `${textOf(name)} of ${identities.join(" + ")}` : textOf(name)));
  const formulas: Record<string, string> = { loss: total.join(" + ") };
  for (const name of slots) {
    if (!isPictureLoss(name)) formulas[name] = textOf(name);
    else
      for (const identity of identities)
        formulas[`${name}.${identity}`] = `${textOf(name)} of ${identity}'s reconstruction`;
  }
  return formulas;
}
