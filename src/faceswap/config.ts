import { UserError } from "../engine/errors.js";
import { MAX_RATE } from "../nn/optimisers.js";
import { type Architecture, checkArchitecture, checkIdentities } from "./architecture.js";
import { SIZES } from "./avatars.js";
import { type CastName, castNamed } from "./identities.js";
import type { LatentStatistics } from "./losses.js";
import { isPictureLoss, type LossName, type LossWeights, LPIPS_KINDS, REGIONAL, slotsOf } from "./lossSlots.js";
import { leastSize } from "./perceptual/trunks.js";
import type { PoseKind } from "./poses.js";

/** Everything that decides a training run, apart from the adapter. */
export interface TrainingConfig {
  readonly architecture: Architecture;
  /** Names of those who are swapped: each has a decoder. */
  readonly identities: readonly string[];
  /** Pictures per identity and step; at least 2 where a loss looks at how codes vary. */
  readonly batch: number;
  readonly steps: number;
  /** Adam's learning rate after 50 steps of warm-up; falls linearly over the last 30 % of the steps. */
  readonly rate: number;
  readonly seed: number;
  /** Weight of each loss; one of weight 0 is only logged. */
  readonly lossWeights: LossWeights;
  /** What the latent loss is taken over. */
  readonly latentStatistics: LatentStatistics;
  /** How much more eyes, brows and mouth weigh in the losses of pixels: a pixel there counts 1 + this. */
  readonly regionWeight: number;
  /** The avatars to train on and to be measured with. */
  readonly pair: CastName;
  readonly poses: PoseKind;
  /**
   * Whether the first identity is trained on "hardleft" poses and the others on "hardright" ones, which never overlap.
   * Everyone is judged on `poses` all the same. Of avatars only.
   */
  readonly apart?: boolean;
  /**
   * How far the pictures that the encoder is trained on are bent (see `warp`), anew for each picture and step: the
   * standard deviation of a control point's displacement down, and across, as a part of the picture's width, from 0 (the
   * default, not at all) to 0.2. The losses compare with the pictures as they were; nothing is bent in judging.
   */
  readonly warp?: number;
}

/** The kind of poses that an identity is trained on. */
export const trainedPoses = ({ identities, poses, apart }: TrainingConfig, identity: string): PoseKind =>
  apart ? (identity === identities[0] ? "hardleft" : "hardright") : poses;

/** More would only leave the range of float32. */
const MAX_WEIGHT = 1e6;
/** More would leave nothing of a face: control points are a quarter of the picture apart. */
const MAX_WARP = 0.2;

/** Losses that look at how codes vary within a batch. */
const VARYING = ["latent", "coral", "mmd", "consistency"] as const;

/** @throws UserError naming the value that is out of range, or does not fit another */
export function checkConfig(config: TrainingConfig): void {
  const whole = (name: string, n: number, least: number) => {
    if (!Number.isSafeInteger(n) || n < least) throw new UserError(`${name} ${n} must be a whole number from ${least}`);
  };
  const varying = VARYING.find((name) => config.lossWeights[name] !== undefined);
  if (config.batch === 1 && varying) {
    throw new UserError(`batch 1: the ${varying} loss needs a variance, so at least 2 pictures per identity`);
  }
  whole("batch", config.batch, varying ? 2 : 1);
  whole("steps", config.steps, 1);
  whole("seed", config.seed, 0);
  if (!(config.rate > 0 && config.rate <= MAX_RATE)) {
    throw new UserError(`learning rate ${config.rate} must be a positive number up to 1e30`);
  }
  if (!(config.regionWeight >= 0 && config.regionWeight <= MAX_WEIGHT)) {
    throw new UserError(`regionWeight ${config.regionWeight} must be a number from 0 to 1e6`);
  }
  if (config.apart !== undefined && typeof config.apart !== "boolean") {
    throw new UserError(`apart ${config.apart} must be true or false`);
  }
  const { warp } = config;
  if (warp !== undefined && !(typeof warp === "number" && warp >= 0 && warp <= MAX_WARP)) {
    throw new UserError(`warp ${warp} must be a number from 0 to ${MAX_WARP}`);
  }
  checkIdentities(config.identities);
  checkArchitecture(config.architecture);
  checkLosses(config);
}

/** Whether the avatars are those that the identities name. @throws UserError */
export function checkCast({ identities, pair, architecture: { size } }: TrainingConfig): void {
  if (size < SIZES.least || size > SIZES.most) {
    throw new UserError(`architecture.size ${size}: avatars are drawn from ${SIZES.least} to ${SIZES.most} pixels`);
  }
  const cast = Object.keys(castNamed(pair));
  if (cast.join() !== identities.join()) {
    throw new UserError(
      `the avatars "${pair}" are ${cast.join(", ")}, but the identities are ${identities.join(", ")}`,
    );
  }
}

/** Whether pictures of folders will do: they cannot, where something is asked that is known of avatars only. @throws UserError */
export function checkFolders({ regionWeight, apart }: TrainingConfig): void {
  if (regionWeight) {
    throw new UserError(
      `regionWeight ${regionWeight}: where eyes and mouth are is known of avatars only; set it to 0 (--set regionWeight=0)`,
    );
  }
  if (apart) {
    throw new UserError(
      "apart true: only avatars can be drawn in chosen poses, of folders the pictures decide; remove it (--set apart=false)",
    );
  }
}

/** The least picture that a loss can look at: its windows or its network's strides must fit. */
function leastSizeOf(name: LossName): number {
  if (name in LPIPS_KINDS) return leastSize(LPIPS_KINDS[name as keyof typeof LPIPS_KINDS]);
  return { ssim: 11, "ms-ssim": 161, dssim: 6 }[name as string] ?? 1;
}

function checkLosses({ lossWeights, architecture, regionWeight }: TrainingConfig): void {
  const slots = slotsOf(lossWeights);
  for (const name of slots) {
    const weight = lossWeights[name] as number;
    if (!(weight >= 0 && weight <= MAX_WEIGHT)) {
      throw new UserError(`loss ${name}: weight ${weight} must be a number from 0 to 1e6`);
    }
    const least = leastSizeOf(name);
    if (architecture.size < least) {
      throw new UserError(`loss ${name} needs pictures of at least ${least} pixels, not ${architecture.size}`);
    }
  }
  const trained = slots.filter((name) => lossWeights[name]);
  if (!trained.some(isPictureLoss)) {
    throw new UserError("no loss of pictures has a weight: give one, such as l1 (--loss l1=1)");
  }
  const lpips = slots.filter((name) => name in LPIPS_KINDS);
  if (lpips.length > 1) throw new UserError(`losses ${lpips.join(" and ")}: one trunk of LPIPS a run`);
  if (lossWeights.adversary === 0)
    throw new UserError("loss adversary: its classifier learns by it, so its weight must be positive");
  const sampled = architecture.sampled ?? false;
  if (sampled && !lossWeights.vib) {
    throw new UserError(
      "architecture.sampled: a sampled code needs the loss vib with a positive weight (--loss vib=0.001)",
    );
  }
  if (!sampled && lossWeights.vib !== undefined) {
    throw new UserError("loss vib is of a sampled code: set architecture.sampled (--set architecture.sampled=true)");
  }
  if (regionWeight && !trained.some((name) => (REGIONAL as readonly LossName[]).includes(name))) {
    throw new UserError(`regionWeight ${regionWeight} weighs only ${REGIONAL.join(", ")}, and none of them is trained`);
  }
}
