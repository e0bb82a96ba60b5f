import { UserError } from "../engine/errors.js";
import type { Architecture } from "./architecture.js";
import type { TrainingConfig } from "./config.js";

export interface Preset extends TrainingConfig {
  readonly description: string;
}

const COMMON = {
  identities: ["src", "dst"],
  seed: 0,
  lossWeights: { l1: 1, latent: 5 },
  latentStatistics: "element",
  regionWeight: 0,
  pair: "mild",
  poses: "demo",
} as const;

const at128 = { ...COMMON, batch: 4, steps: 1200, rate: 2e-3 };
const naive: Architecture = { size: 128, stages: [16, 32], mid: 64, code: 64 };

const expressive = {
  ...COMMON,
  ...{ batch: 2, steps: 3600, rate: 2.5e-3 },
  lossWeights: { l1: 1, dssim: 1, latent: 3 },
  regionWeight: 8,
};

const article = {
  ...COMMON,
  ...{ batch: 4, steps: 20_000, rate: 2e-4 },
  lossWeights: { l1: 1, "lpips-alex": 1, latent: 1 },
};
const articleStages = [64, 128, 256, 512];
const article512: Architecture = { size: 512, stages: articleStages, mid: 1024, code: 1024 };

/** Recipes: what swaps, and what only reconstructs. Measured in docs/results, but for the article's. */
export const PRESETS = {
  "avatar-64": {
    ...COMMON,
    description: "64 px, code 3×3×64; swaps",
    architecture: { size: 64, stages: [16, 32], mid: 64, code: 64 },
    ...{ batch: 2, steps: 2400, rate: 2.5e-3 },
  },
  "avatar-64-naive": {
    ...COMMON,
    description: "the trap in miniature, one stage fewer: code 7×7×64; reconstructs better and does not swap",
    architecture: { size: 64, stages: [16], mid: 64, code: 64 },
    ...{ batch: 2, steps: 2400, rate: 2.5e-3 },
  },
  "avatar-128": {
    ...expressive,
    description: "128 px, dense code of 128, eyes and mouth weighed: swaps with its expression",
    architecture: { ...naive, dense: 128 },
  },
  "avatar-128-leak": {
    ...expressive,
    description: "the same without the dense code, 7×7×64: reconstructs better and does not swap",
    architecture: naive,
  },
  "avatar-128-naive": {
    ...at128,
    description: "avatar-64's network at 128 px, nothing else changed: code 7×7×64; does not swap",
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
  "article-256": {
    ...article,
    description: "the article's network at 256 px, L1 + LPIPS + latent L2: code 3×3×1024",
    architecture: { ...article512, size: 256 },
  },
  "article-512-naive": {
    ...article,
    description: "the same network at 512 px: code 7×7×1024",
    architecture: article512,
  },
  "article-512-stage": {
    ...article,
    description: "a way out: one more stage, code 3×3×1024 again",
    architecture: { ...article512, stages: [...articleStages, 512] },
  },
  "article-512-small-input": {
    ...article,
    description: "a way out: the encoder sees 256 px, the decoder draws 512",
    architecture: { ...article512, input: 256 },
  },
  "article-512-dense": {
    ...article,
    description: "a way out: a dense code of 512 numbers behind the 7×7 grid",
    architecture: { ...article512, dense: 512 },
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
