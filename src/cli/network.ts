import type { Program } from "../engine/program.js";
import { type Autoencoder, codeLength, mapSizes } from "../faceswap/architecture.js";
import type { RunConfig } from "../storage/runConfig.js";

/** What a run's config.json says of the network and of a training step. */
export function networkFacts({ architecture, parameters }: Autoencoder, program: Program): RunConfig["network"] {
  const { dense, code } = architecture;
  const grid = mapSizes(architecture).at(-1);
  return {
    parameters: parameters.count,
    code: dense ? String(dense) : `${grid}×${grid}×${code}`,
    codeLength: codeLength(architecture),
    flopsPerStep: program.flops,
    dispatchesPerStep: program.dispatches,
  };
}

/** The network and what a step of it costs, on one line. `seconds`: of compiling. */
export function networkLine({ network, architecture: { size } }: RunConfig, seconds: number): string {
  const { code, codeLength: numbers, parameters, flopsPerStep, dispatchesPerStep } = network;
  return (
    `network: ${size}×${size}×3 → code ${code} (${numbers} numbers), ${parameters.toLocaleString("en")} parameters; ` +
    `${(flopsPerStep / 1e9).toFixed(3)} GFLOP and ${dispatchesPerStep} dispatches a step; compiled in ${seconds.toFixed(1)} s`
  );
}
