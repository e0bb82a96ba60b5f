import type { Program } from "../engine/program.js";
import { type Architecture, type Autoencoder, codeLength, inputSize, mapSizes } from "../faceswap/architecture.js";
import type { RunConfig } from "../storage/runConfig.js";

/** What a code is, in words: "3×3×64", or its count of numbers where it is dense. */
export function codeText(architecture: Architecture): string {
  const { dense, code } = architecture;
  const grid = mapSizes(architecture).at(-1);
  return dense ? String(dense) : `${grid}×${grid}×${code}`;
}

/** What the encoder is given, in words: "64×64×3". */
export function inputText(architecture: Architecture): string {
  const { size } = architecture;
  const seen = inputSize(architecture);
  return `${size}×${size}×3${seen === size ? "" : `, averaged to ${seen}×${seen}`}`;
}

/** What a run's config.json says of the network and of a training step. */
export function networkFacts({ architecture, parameters }: Autoencoder, program: Program): RunConfig["network"] {
  return {
    parameters: parameters.count,
    code: codeText(architecture),
    codeLength: codeLength(architecture),
    flopsPerStep: program.flops,
    dispatchesPerStep: program.dispatches,
  };
}

/** The network and what a step of it costs, on one line. `seconds`: of compiling. */
export function networkLine({ network, architecture }: RunConfig, seconds: number): string {
  const { code, codeLength: numbers, parameters, flopsPerStep, dispatchesPerStep } = network;
  return (
    `network: ${inputText(architecture)} → code ${code} (${numbers} numbers), ${parameters.toLocaleString("en")} parameters; ` +
    `${(flopsPerStep / 1e9).toFixed(3)} GFLOP and ${dispatchesPerStep} dispatches a step; compiled in ${seconds.toFixed(1)} s`
  );
}
