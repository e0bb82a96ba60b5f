import type { TrainingConfig } from "../../src/faceswap/config.js";

/** A small run of three identities, so that nothing rests on there being two. */
export const TRIO: TrainingConfig = {
  architecture: { size: 32, stages: [4], mid: 4, code: 4 },
  identities: ["src", "dst", "third"],
  ...{ batch: 2, steps: 1, rate: 1e-3, seed: 3, lossWeights: { l1: 1 }, regionWeight: 0 },
  ...{ latentStatistics: "element", pair: "trio", poses: "demo" },
};
