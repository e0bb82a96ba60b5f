import { UserError } from "../engine/errors.js";
import { autoencoder } from "../faceswap/architecture.js";
import { checkConfig, type PresetName, presetNamed, type TrainingConfig } from "../faceswap/presets.js";
import { compileTraining, lossFormulas } from "../faceswap/training.js";
import type { RunConfig } from "../storage/runConfig.js";
import { RunFolder } from "../storage/runFolder.js";
import { judgeOf, loadFaces } from "./judge.js";
import { machineOf } from "./machine.js";
import { networkFacts, networkLine } from "./network.js";
import { sourceOf } from "./runData.js";
import { openAdapter, Session } from "./session.js";
import { Signals } from "./signals.js";
import type { TrainOptions } from "./train.js";

function configOf(options: TrainOptions): { preset: TrainingConfig; overrides: Partial<TrainingConfig> } {
  const { description: _, ...preset } = presetNamed(options.preset);
  const { steps, batch, lr: rate, seed, pair, poses, latent: latentStatistics, latentWeight } = options;
  const given = { steps, batch, rate, seed, pair, poses, latentStatistics, latentWeight };
  const overrides = Object.fromEntries(Object.entries(given).filter(([, v]) => v !== undefined));
  checkConfig({ ...preset, ...overrides });
  return { preset, overrides };
}

/** Trains a new run into a folder. @throws UserError, DivergedError, GpuError */
export async function startRun(out: string, options: TrainOptions): Promise<void> {
  const { preset, overrides } = configOf(options);
  if (options.src !== undefined && (options.pair || options.poses)) {
    throw new UserError("--pair and --poses choose avatars; with --src and --dst the pictures decide");
  }
  const chosen = { ...preset, ...overrides };
  const { src, dst } = options;
  const faces = src !== undefined && dst !== undefined ? loadFaces(src, dst, chosen.architecture.size) : undefined;
  const shown = faces?.about ? { pair: faces.about.pair, poses: faces.about.poses } : {};
  const config: TrainingConfig = { ...chosen, ...shown };
  RunFolder.check(out, options);

  const signals = new Signals();
  const gpu = await openAdapter(options.adapter);
  const begin = performance.now();
  const model = autoencoder(config.architecture, config.seed);
  const program = await compileTraining(gpu, model, config, faces?.training);
  const judge = await judgeOf(gpu, model, config, faces);
  // About ten previews, fewer in short runs: a look costs as much as ten steps.
  const previews = Math.min(10, Math.max(1, Math.floor(config.steps / 20)));
  const runConfig: RunConfig = {
    preset: options.preset as PresetName,
    overrides: { ...overrides, ...shown },
    ...config,
    saveEvery: options.saveEvery ?? Math.ceil(config.steps / previews),
    data: sourceOf(config, faces, options),
    losses: lossFormulas(config),
    network: networkFacts(model, program),
    ...machineOf(gpu, program),
  };
  // Only now: whatever was refused so far has cost no earlier run.
  const folder = RunFolder.create(out, runConfig, options);
  console.log(networkLine(runConfig, (performance.now() - begin) / 1e3));
  const replay = () => compileTraining(gpu, model, config, faces?.training, { keepAll: true });
  const { tensorboard } = options;
  await new Session({ gpu, folder, config: runConfig, model, program, judge, replay, tensorboard, signals }).run();
}
