import { Command, InvalidArgumentError, Option } from "commander";
import { UserError } from "../engine/errors.js";
import { addConfigOptions, CONFIG_OPTIONS, type ConfigOptions, PRESET_HELP } from "./chosen.js";
import type { LpipsOptions } from "./lpipsFiles.js";
import { adapterOption, wholeNumber } from "./options.js";
import { resumeRun } from "./resumeRun.js";
import { startRun } from "./startRun.js";
import { type TuneWhen, tuneOption } from "./tune.js";

/** What `shibori train` was told. */
export interface TrainOptions extends ConfigOptions, LpipsOptions {
  src?: string;
  dst?: string;
  identity?: Record<string, string>;
  out?: string;
  resume?: string;
  overwrite: boolean;
  saveEvery?: number;
  tensorboard: boolean;
  adapter?: string;
  tune: TuneWhen;
}

/** NAME=DIR, repeated. */
function identityFolder(text: string, earlier: Record<string, string> = {}): Record<string, string> {
  const [, name, dir] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (!name) throw new InvalidArgumentError("It must be NAME=DIR, such as third=faces/third.");
  if (Object.hasOwn(earlier, name)) throw new InvalidArgumentError(`"${name}" is given twice.`);
  return { ...earlier, [name]: dir };
}

export function trainCommand(): Command {
  const command = new Command("train")
    .description("Trains a shared encoder and a decoder per identity, and measures whether the swap works.")
    .option("--src <dir>", "folder of PNGs of the source identity (with --dst; else avatars are drawn)")
    .option("--dst <dir>", "folder of PNGs of the target identity")
    .option(
      "--identity <name=dir>",
      "folder of PNGs of one more identity, swapped with each (repeatable)",
      identityFolder,
    )
    .option("--out <dir>", "folder for the run's results")
    .option("--overwrite", "replace the run that the folder holds", false)
    .addOption(
      new Option("--resume <dir>", "go on with the run in this folder, from its last checkpoint").conflicts([
        ...CONFIG_OPTIONS,
        ...["out", "overwrite", "saveEvery"],
      ]),
    );
  return addConfigOptions(command)
    .option("--lpips-trunk <file>", "torchvision's weights of the LPIPS trunk (.pth or .safetensors)")
    .option("--lpips-lin <file>", "the linear weights of LPIPS for that trunk (.pth or .safetensors)")
    .option("--save-every <n>", "steps between previews, each with a checkpoint (default: a tenth)", wholeNumber(1))
    .option("--tensorboard", "also write event files for TensorBoard, to the run's folder tensorboard", false)
    .addOption(adapterOption())
    .addOption(tuneOption())
    .addHelpText(
      "after",
      `\n${PRESET_HELP}\n\nExamples:\n  shibori train --preset avatar-64 --out runs/demo` +
        "\n  shibori train --preset avatar-64-naive --out runs/trap\n" +
        "  shibori train --src faces/src --dst faces/dst --out runs/mine\n" +
        "  shibori train --preset avatar-128 --set architecture.upsampling=sub-pixel --loss l1=2 --out runs/mine\n" +
        "  shibori train --resume runs/demo\n\n" +
        "Ctrl-C (SIGINT, SIGTERM) saves a checkpoint and stops; a killed run loses at most what came after its last\n" +
        "checkpoint, which is written with every preview and every minute. Open report.html in the run's folder.",
    )
    .action(train);
}

async function train(options: TrainOptions): Promise<void> {
  for (const name of ["out", "resume", "src", "dst"] as const) {
    if (options[name] === "") throw new UserError(`--${name} is empty: give a folder`);
  }
  if ((options.src === undefined) !== (options.dst === undefined))
    throw new UserError("give both --src and --dst, or neither");
  if (options.identity && options.src === undefined && options.resume === undefined) {
    throw new UserError("--identity adds to --src and --dst: give these too");
  }
  if (options.resume !== undefined) return resumeRun(options.resume, options);
  if (options.out === undefined) throw new UserError("give --out DIR for a new run, or --resume DIR to go on with one");
  return startRun(options.out, options);
}
