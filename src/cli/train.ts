import { Command, Option } from "commander";
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Program } from "../engine/program.js";
import { type Autoencoder, autoencoder, codeLength, mapSizes } from "../faceswap/architecture.js";
import { PAIRS, type PairName } from "../faceswap/identities.js";
import { LATENT_STATISTICS, type LatentStatistics } from "../faceswap/losses.js";
import { POSE_KINDS, type PoseKind } from "../faceswap/poses.js";
import { checkConfig, PRESETS, presetNamed, type TrainingConfig } from "../faceswap/presets.js";
import { compileTraining } from "../faceswap/training.js";
import { adapterLine, openGpu } from "../platform/node.js";
import { RUN_FILES, RunFolder } from "../storage/runFolder.js";
import { type Judge, judgeOf, loadFaces } from "./judge.js";
import { adapterOption, numberFromZero, positiveNumber, wholeNumber } from "./options.js";
import { Progress } from "./progress.js";

interface Options {
  preset: string;
  src?: string;
  dst?: string;
  out: string;
  overwrite: boolean;
  steps?: number;
  batch?: number;
  lr?: number;
  seed?: number;
  pair?: PairName;
  poses?: PoseKind;
  latent?: LatentStatistics;
  latentWeight?: number;
  adapter?: string;
}

const presetList = Object.entries(PRESETS).map(([name, { description }]) => `  ${name.padEnd(18)} ${description}`);

export function trainCommand(): Command {
  return new Command("train")
    .description("Trains a shared encoder and a decoder per identity, and measures whether the swap works.")
    .addOption(new Option("--preset <name>", "recipe, see below").default("avatar-64"))
    .option("--src <dir>", "folder of PNGs of the source identity (with --dst; else avatars are drawn)")
    .option("--dst <dir>", "folder of PNGs of the target identity")
    .requiredOption("--out <dir>", "folder for the run's results")
    .option("--overwrite", "replace the run that the folder holds", false)
    .option("--steps <n>", "training steps", wholeNumber(1))
    .option("--batch <n>", "pictures per identity and step, at least 2", wholeNumber(1))
    .option("--lr <rate>", "learning rate after warm-up", positiveNumber)
    .option("--seed <n>", "initial weights and poses", wholeNumber(0))
    .addOption(new Option("--pair <name>", "which two avatars").choices(Object.keys(PAIRS)))
    .addOption(new Option("--poses <kind>", "how the avatars turn, look and smile").choices(POSE_KINDS))
    .addOption(new Option("--latent <kind>", "statistics of the latent loss").choices(LATENT_STATISTICS))
    .option("--latent-weight <n>", "weight of the latent loss", numberFromZero)
    .addOption(adapterOption())
    .addHelpText(
      "after",
      `\nPresets, which decide what is not given:\n${presetList.join("\n")}\n\nExamples:\n  shibori train --preset avatar-64 --out runs/demo` +
        "\n  shibori train --preset avatar-64-naive --out runs/trap\n" +
        "  shibori train --src faces/src --dst faces/dst --out runs/mine",
    )
    .action(train);
}

function configOf(options: Options): TrainingConfig {
  const { description: _, ...preset } = presetNamed(options.preset);
  const { steps, batch, lr: rate, seed, pair, poses, latent: latentStatistics, latentWeight } = options;
  const given = { steps, batch, rate, seed, pair, poses, latentStatistics, latentWeight };
  const config = { ...preset, ...Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined)) };
  checkConfig(config);
  return config;
}

async function train(options: Options): Promise<void> {
  let config = configOf(options);
  if (!options.src !== !options.dst) throw new UserError("give both --src and --dst, or neither");
  if (options.src && (options.pair || options.poses)) {
    throw new UserError("--pair and --poses choose avatars; with --src and --dst the pictures decide");
  }
  const faces = options.src && options.dst ? loadFaces(options.src, options.dst, config.architecture.size) : undefined;
  if (faces?.about) config = { ...config, pair: faces.about.pair, poses: faces.about.poses };
  RunFolder.check(options.out, options);
  const gpu = await openGpu({ adapter: options.adapter });
  console.log(adapterLine(gpu));
  console.log("compiling kernels …");
  const begin = performance.now();
  const model = autoencoder(config.architecture, config.seed);
  const program = await compileTraining(gpu, model, config, faces?.training);
  const judge = await judgeOf(gpu, model, config, faces);
  // Only now: whatever was refused so far has cost no earlier run.
  const folder = RunFolder.create(options.out, options);
  folder.writeConfig({
    preset: options.preset,
    ...config,
    ...(faces ? { src: options.src, dst: options.dst } : {}),
    adapter: { kind: gpu.kind, name: gpu.name, driver: gpu.adapter.info.description },
  });
  console.log(networkLine(model, program, (performance.now() - begin) / 1e3));

  const progress = new Progress(config.steps, config.batch * 2);
  // A look costs as much as ten steps: short runs have fewer.
  const count = Math.min(10, Math.max(1, Math.floor(config.steps / 20)));
  const saves = new Set(Array.from({ length: count }, (_, i) => Math.round(((i + 1) * config.steps) / count)));
  const glance = Math.max(20, Math.round(config.steps / 20));
  let drained = performance.now();
  const drain = async () => {
    drained = performance.now();
    const { first, values } = await program.history();
    const { loss } = values;
    const lines = Array.from(loss, (_, i) => ({
      step: first + i,
      ...Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list[i]])),
    }));
    folder.appendMetrics(lines);
    const last = lines.at(-1);
    if (last) progress.report(last as Parameters<Progress["report"]>[0]);
  };
  for (let step = 1; step <= config.steps; step++) {
    await program.run();
    const final = step === config.steps;
    const looks = step % glance === 0 || saves.has(step);
    // Every second, for the progress bar, and before the ring of 256 steps is full.
    if (looks || final || step % 100 === 0 || performance.now() - drained > 1000) await drain();
    if (looks && !final) {
      const { t, line } = await judge.glance();
      progress.t = t;
      folder.appendMetrics([{ step, measures: line }]);
    }
    if (saves.has(step) && !final) await save(folder, gpu, model, judge, step);
  }
  const verdict = await judge.verdict();
  progress.stop();
  folder.appendMetrics([{ step: config.steps, final: verdict.line }]);
  await save(folder, gpu, model, judge, config.steps);
  const seconds = (performance.now() - begin) / 1e3;
  console.log(
    `trained ${config.steps} steps in ${(seconds / 60).toFixed(1)} minutes; ` +
      `${RUN_FILES.previews}, ${RUN_FILES.metrics} and ${RUN_FILES.checkpoint} are in ${folder.path}`,
  );
  console.log(verdict.text);
  gpu.destroy();
}

/** The network and what a step of it costs. */
function networkLine({ architecture, parameters }: Autoencoder, program: Program, seconds: number): string {
  const { size, dense, code } = architecture;
  const grid = mapSizes(architecture).at(-1);
  return (
    `network: ${size}×${size}×3 → code ${dense ?? `${grid}×${grid}×${code}`} (${codeLength(architecture)} numbers), ` +
    `${parameters.count.toLocaleString("en")} parameters; ${(program.flops / 1e9).toFixed(3)} GFLOP and ` +
    `${program.dispatches} dispatches a step; compiled in ${seconds.toFixed(1)} s`
  );
}

async function save(folder: RunFolder, gpu: Gpu, model: Autoencoder, judge: Judge, step: number): Promise<void> {
  await judge.writePreview(folder.file(RUN_FILES.previews, `${String(step).padStart(6, "0")}.png`), step);
  const { parameters } = model;
  const shapes = new Map(parameters.nodes.map(({ attrs }) => [attrs.name, attrs.shape]));
  const states = new Map<string, Map<string, Float32Array>>();
  for (const state of ["values", "m", "v"]) states.set(state, await parameters.read(gpu, state));
  folder.writeCheckpoint({ shapes, states }, step);
}
