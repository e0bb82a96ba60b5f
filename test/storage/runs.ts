import { autoencoder } from "../../src/faceswap/architecture.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import type { Checkpoint } from "../../src/storage/checkpoint.js";
import { identityOf, type RunConfig } from "../../src/storage/runConfig.js";

/** The configuration of a run as `train` would write it, of a small network. */
export function runConfig(change: Partial<RunConfig> = {}): RunConfig {
  const { description: _, ...config } = PRESETS["avatar-64"];
  const architecture = { size: 32, stages: [4], mid: 4, code: 4 };
  return {
    preset: "avatar-64",
    overrides: {},
    ...config,
    architecture,
    saveEvery: 240,
    data: { kind: "avatars", fingerprint: "f".repeat(64) },
    losses: { loss: "sum", "l1.src": "L1", "l1.dst": "L1", latent: "L2" },
    network: { parameters: 1, code: "3×3×64", codeLength: 576, flopsPerStep: 1e8, dispatchesPerStep: 170 },
    adapter: { kind: "software", name: "test", driver: "none", subgroupSize: 8, options: "" },
    kernels: { choices: {}, program: "0".repeat(64) },
    versions: { shibori: "0", node: "0", dawn: "0" },
    ...change,
  };
}

/** A checkpoint of a preset's network with made-up numbers. */
export function checkpoint(step: number, config: RunConfig = runConfig()): Checkpoint {
  const { nodes } = autoencoder(config.architecture, 0).parameters;
  const shapes = new Map(nodes.map(({ attrs, shape }) => [attrs.name, shape]));
  const numbers = (shift: number) =>
    new Map(
      nodes.map(({ attrs, shape }, i) => {
        const count = shape.reduce((a, b) => a * b);
        return [attrs.name, new Float32Array(count).map((_, k) => Math.sin(step + shift + i + k))] as const;
      }),
    );
  const states = new Map([
    ["values", numbers(0)],
    ["m", numbers(1)],
    ["v", numbers(2)],
  ]);
  return { step, config: identityOf(config), shapes, states };
}
