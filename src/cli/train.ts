import { Command, Option } from "commander";
import { UserError } from "../engine/errors.js";
import { PAIRS, type PairName } from "../faceswap/identities.js";
import { LATENT_STATISTICS, type LatentStatistics } from "../faceswap/losses.js";
import { POSE_KINDS, type PoseKind } from "../faceswap/poses.js";
import { PRESETS } from "../faceswap/presets.js";
import { adapterOption, numberFromZero, positiveNumber, wholeNumber } from "./options.js";
import { resumeRun } from "./resumeRun.js";
import { startRun } from "./startRun.js";

/** What `shibori train` was told. */
export interface TrainOptions {
  preset: string;
  src?: string;
  dst?: string;
  out?: string;
  resume?: string;
  overwrite: boolean;
  steps?: number;
  batch?: number;
  lr?: number;
  seed?: number;
  pair?: PairName;
  poses?: PoseKind;
  latent?: LatentStatistics;
  latentWeight?: number;
  saveEvery?: number;
  tensorboard: boolean;
  adapter?: string;
}

/** What a run to be continued has decided already. */
const DECIDED = ["preset", "out", "overwrite", "steps", "batch", "lr", "seed", "pair", "poses", "latent"];

const presetList = Object.entries(PRESETS).map(([name, { description }]) => `  ${name.padEnd(18)} ${description}`);

export function trainCommand(): Command {
  return new Command("train")
    .description("Trains a shared encoder and a decoder per identity, and measures whether the swap works.")
    .addOption(new Option("--preset <name>", "recipe, see below").default("avatar-64"))
    .option("--src <dir>", "folder of PNGs of the source identity (with --dst; else avatars are drawn)")
    .option("--dst <dir>", "folder of PNGs of the target identity")
    .option("--out <dir>", "folder for the run's results")
    .option("--overwrite", "replace the run that the folder holds", false)
    .addOption(
      new Option("--resume <dir>", "go on with the run in this folder, from its last checkpoint").conflicts([
        ...DECIDED,
        "latentWeight",
        "saveEvery",
      ]),
    )
    .option("--steps <n>", "training steps", wholeNumber(1))
    .option("--batch <n>", "pictures per identity and step, at least 2", wholeNumber(1))
    .option("--lr <rate>", "learning rate after warm-up", positiveNumber)
    .option("--seed <n>", "initial weights and poses", wholeNumber(0))
    .addOption(new Option("--pair <name>", "which two avatars").choices(Object.keys(PAIRS)))
    .addOption(new Option("--poses <kind>", "how the avatars turn, look and smile").choices(POSE_KINDS))
    .addOption(new Option("--latent <kind>", "statistics of the latent loss").choices(LATENT_STATISTICS))
    .option("--latent-weight <n>", "weight of the latent loss", numberFromZero)
    .option("--save-every <n>", "steps between previews, each with a checkpoint (default: a tenth)", wholeNumber(1))
    .option("--tensorboard", "also write event files for TensorBoard, to the run's folder tensorboard", false)
    .addOption(adapterOption())
    .addHelpText(
      "after",
      `\nPresets, which decide what is not given:\n${presetList.join("\n")}\n\nExamples:\n  shibori train --preset avatar-64 --out runs/demo` +
        "\n  shibori train --preset avatar-64-naive --out runs/trap\n" +
        "  shibori train --src faces/src --dst faces/dst --out runs/mine\n" +
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
  if (options.resume !== undefined) return resumeRun(options.resume, options);
  if (options.out === undefined) throw new UserError("give --out DIR for a new run, or --resume DIR to go on with one");
  return startRun(options.out, options);
}
