import { UserError } from "../engine/errors.js";
import { MAX_RATE } from "../nn/optimisers.js";
import type { Architecture } from "./architecture.js";
import type { PairName } from "./identities.js";
import type { LatentStatistics } from "./losses.js";
import type { PoseKind } from "./poses.js";

/** Everything that decides a training run, apart from the adapter. */
export interface TrainingConfig {
  readonly architecture: Architecture;
  /** Pictures per identity and step; at least 2, for the variance in the latent loss. */
  readonly batch: number;
  readonly steps: number;
  /** Adam's learning rate after 50 steps of warm-up; falls linearly over the last 30 % of the steps. */
  readonly rate: number;
  readonly seed: number;
  /** Weight of the statistical latent L2, and its definition. */
  readonly latentWeight: number;
  readonly latentStatistics: LatentStatistics;
  /** The avatars to train on and to be measured with. */
  readonly pair: PairName;
  readonly poses: PoseKind;
}

export interface Preset extends TrainingConfig {
  readonly description: string;
}

const COMMON = {
  seed: 0,
  latentWeight: 5,
  latentStatistics: "element",
  pair: "mild",
  poses: "demo",
} as const;

const at128 = { ...COMMON, batch: 4, steps: 1200, rate: 2e-3 };
const naive: Architecture = { size: 128, stages: [16, 32], mid: 64, code: 64 };

/** Recipes: what swaps, and what only reconstructs. Measured in docs/results. */
export const PRESETS = {
  "avatar-64": {
    ...COMMON,
    description: "the demo: 64 px, code 3×3×64; swaps",
    architecture: { size: 64, stages: [16, 32], mid: 64, code: 64 },
    ...{ batch: 2, steps: 2400, rate: 2.5e-3 },
  },
  "avatar-64-naive": {
    ...COMMON,
    description: "the trap in miniature, one stage fewer: code 7×7×64; reconstructs better and does not swap",
    architecture: { size: 64, stages: [16], mid: 64, code: 64 },
    ...{ batch: 2, steps: 2400, rate: 2.5e-3 },
  },
  "avatar-128-naive": {
    ...at128,
    description: "the demo's network at 128 px, nothing else changed: code 7×7×64; does not swap",
    architecture: naive,
  },
  "avatar-128-stage": {
    ...at128,
    description: "128 px with one more stage: code 3×3×64 again; nearly swaps",
    architecture: { size: 128, stages: [16, 32, 32], mid: 64, code: 64 },
  },
  "avatar-128-dense": {
    ...at128,
    description: "the naive 128 px network with a dense code of 64 numbers; swaps",
    architecture: { ...naive, dense: 64 },
  },
} as const satisfies Record<string, Preset>;

export type PresetName = keyof typeof PRESETS;

/** @throws UserError that lists the presets */
export function presetNamed(name: string): Preset {
  if (!Object.hasOwn(PRESETS, name)) {
    throw new UserError(`there is no preset "${name}"; choose one of ${Object.keys(PRESETS).join(", ")}`);
  }
  return PRESETS[name as PresetName];
}

/** @throws UserError naming the value that is out of range */
export function checkConfig(config: TrainingConfig): void {
  const whole = (name: string, n: number, least: number) => {
    if (!Number.isSafeInteger(n) || n < least) throw new UserError(`${name} ${n} must be a whole number from ${least}`);
  };
  if (config.batch === 1) {
    throw new UserError("batch 1: the latent loss needs a variance, so at least 2 pictures per identity");
  }
  whole("batch", config.batch, 2);
  whole("steps", config.steps, 1);
  whole("seed", config.seed, 0);
  if (!(config.rate > 0 && config.rate <= MAX_RATE)) {
    throw new UserError(`learning rate ${config.rate} must be a positive number up to 1e30`);
  }
  if (!(config.latentWeight >= 0 && Number.isFinite(config.latentWeight))) {
    throw new UserError(`latent weight ${config.latentWeight} must be a number from 0`);
  }
}
