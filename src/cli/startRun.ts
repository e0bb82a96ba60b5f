import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import { checkCast, checkConfig, checkFolders, type TrainingConfig } from "../faceswap/config.js";
import { lossFormulas } from "../faceswap/lossSlots.js";
import { modelOf } from "../faceswap/model.js";
import { compileTraining } from "../faceswap/training.js";
import type { RunConfig } from "../storage/runConfig.js";
import { RunFolder } from "../storage/runFolder.js";
import { chosenConfig } from "./chosen.js";
import { judgeOf, loadFaces } from "./judge.js";
import { loadNetworks, printOf } from "./lpipsFiles.js";
import { machineOf } from "./machine.js";
import { networkFacts, networkLine } from "./network.js";
import { foldersOf, sourceOf } from "./runData.js";
import { openAdapter, Session } from "./session.js";
import { Signals } from "./signals.js";
import type { TrainOptions } from "./train.js";
import { Tuning } from "./tune.js";

/**
 * Trains a new run into a folder.
 * @param opened the adapter, where the caller has opened it and said which
 * @throws UserError, DivergedError, GpuError
 */
export async function startRun(out: string, options: TrainOptions, opened?: Gpu): Promise<void> {
  const { preset, overrides, config: chosen } = chosenConfig(options);
  const folders = foldersOf(options);
  if (folders && ["pair", "poses", "identities"].some((field) => Object.hasOwn(overrides, field))) {
    throw new UserError("--pair and --poses choose avatars; with --src and --dst the pictures decide");
  }
  if (folders) checkFolders(chosen);
  const faces = folders && loadFaces(folders, chosen.architecture.size);
  const about = faces?.about;
  const shown = {
    ...(about && { pair: about.pair, poses: about.poses }),
    ...(folders && { identities: Object.keys(folders) }),
  };
  const config: TrainingConfig = { ...chosen, ...shown };
  checkConfig(config);
  if (!folders) checkCast(config);
  const { networks, lpips } = loadNetworks(config, options);
  RunFolder.check(out, options);

  const signals = new Signals();
  const gpu = opened ?? (await openAdapter(options.adapter));
  console.log("compiling kernels …");
  const begin = performance.now();
  const model = modelOf(config);
  const tuning = new Tuning(gpu, options.tune);
  const program = await compileTraining(gpu, model, config, faces?.training, { networks, tuner: tuning.tuner });
  tuning.report();
  const judge = await judgeOf(gpu, model, config, faces);
  // About ten previews, fewer in short runs: a look costs as much as ten steps.
  const previews = Math.min(10, Math.max(1, Math.floor(config.steps / 20)));
  const runConfig: RunConfig = {
    preset,
    overrides: { ...overrides, ...shown },
    ...config,
    saveEvery: options.saveEvery ?? Math.ceil(config.steps / previews),
    data: sourceOf(config, faces, folders),
    losses: lossFormulas(config, printOf(lpips)),
    ...(lpips && { lpips }),
    network: networkFacts(model, program),
    ...machineOf(gpu, program),
  };
  // Only now: whatever was refused so far has cost no earlier run.
  const folder = RunFolder.create(out, runConfig, options);
  console.log(networkLine(runConfig, (performance.now() - begin) / 1e3 - tuning.seconds));
  const kernels = program.choices;
  const replay = () => compileTraining(gpu, model, config, faces?.training, { networks, keepAll: true, kernels });
  const { tensorboard } = options;
  await new Session({ gpu, folder, config: runConfig, model, program, judge, replay, tensorboard, signals }).run();
}
