import { existsSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Command } from "commander";
import { UserError } from "../engine/errors.js";
import type { Autoencoder } from "../faceswap/architecture.js";
import { torchTensors } from "../faceswap/torch.js";
import { checkFilePath, writeFileAtomic } from "../storage/files.js";
import { RUN_FILES } from "../storage/runFolder.js";
import { encodeSafetensors } from "../storage/safetensors.js";
import { openTrained } from "./trained.js";

interface Options {
  run: string;
  out: string;
}

export function exportCommand(): Command {
  return new Command("export")
    .description("Writes a trained network's weights for PyTorch: torch.nn's names and layouts, see docs/export.md.")
    .requiredOption("--run <dir>", "folder of the run")
    .requiredOption("-o, --out <file>", "the file to write (FILE.safetensors)")
    .addHelpText(
      "after",
      "\nExamples:\n  shibori export --run runs/demo -o weights.safetensors" +
        "\n  shibori export --run runs/demo -o runs/demo/weights.safetensors",
    )
    .action(exportWeights);
}

/** Refuses what could be no export, or would cost a run its checkpoint. @throws UserError */
function checkOut(out: string): void {
  if (!/\.safetensors$/i.test(out)) throw new UserError(`--out ${out}: give a file whose name ends in .safetensors`);
  checkFilePath(out);
  const folder = realpathSync.native(dirname(out));
  if (basename(folder) === RUN_FILES.checkpoints && existsSync(join(dirname(folder), RUN_FILES.config))) {
    throw new UserError(`${out} would stand among the checkpoints of a run: give another --out`);
  }
}

/**
 * The safetensors file of a trained network for PyTorch. The same network gives the same bytes. What is needed to build
 * the module is in the metadata, which are texts.
 * @param values numbers by parameter name, in the engine's layouts
 */
export function encodeExport(
  model: Autoencoder,
  values: ReadonlyMap<string, Float32Array>,
  { preset, step }: { preset: string; step: number },
): Uint8Array {
  const tensors = torchTensors(model, values).map(({ name, shape, data }) => [name, { shape, data }] as const);
  return encodeSafetensors(Object.fromEntries(tensors), {
    format: "pt", // whose layouts these are: some loaders ask for it
    preset,
    step: String(step),
    architecture: JSON.stringify(model.architecture),
  });
}

function exportWeights({ run, out }: Options): void {
  checkOut(out);
  const { config, model, values, step } = openTrained(run);
  writeFileAtomic(out, encodeExport(model, values, { preset: config.preset, step }));
  const tensors = torchTensors(model, values);
  const count = tensors.reduce((sum, { data }) => sum + data.length, 0);
  console.log(
    `exported step ${step}, ${tensors.length} tensors with ${count.toLocaleString("en-US")} numbers: ${out} ` +
      "(docs/export.md has the PyTorch module that loads it)",
  );
}
