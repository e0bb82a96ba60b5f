import { isDeepStrictEqual } from "node:util";
import { KernelError, UserError } from "../engine/errors.js";
import { modelOf } from "../faceswap/model.js";
import { compileTraining } from "../faceswap/training.js";
import { writeReport } from "../report/report.js";
import type { RunConfig } from "../storage/runConfig.js";
import { RUN_FILES, RunFolder } from "../storage/runFolder.js";
import { Board } from "./board.js";
import { judgeOf } from "./judge.js";
import { networksAgain } from "./lpipsFiles.js";
import { adapterOf, differences, machineOf, sameAdapter } from "./machine.js";
import { networkLine } from "./network.js";
import { facesAgain } from "./runData.js";
import { openAdapter, Session } from "./session.js";
import { Signals } from "./signals.js";
import type { TrainOptions } from "./train.js";
import { shapesOf } from "./trained.js";
import { Tuning } from "./tune.js";

/** Goes on with a run from its last whole checkpoint. @throws UserError, DivergedError, GpuError */
export async function resumeRun(path: string, options: TrainOptions): Promise<void> {
  const signals = new Signals();
  const folder = RunFolder.resume(path);
  const begun = folder.readConfig();
  const { final } = folder.readMetrics();
  folder.readTimes(); // whatever is damaged is refused before anything is changed
  const model = modelOf(begun);
  const found = folder.readCheckpoint(begun, shapesOf(model), ["values", "m", "v"]);
  for (const line of found?.damaged ?? []) console.error(`${line}; using ${found?.name} instead`);
  if (!found && folder.previews().length > 1) {
    // One preview may be there before the first checkpoint is.
    throw new UserError(`${path} has lost its checkpoints: bring one back, or train anew (--out ${path} --overwrite)`);
  }
  const step = found?.checkpoint.step ?? 0;
  const tensorboard = options.tensorboard || Board.exists(folder);
  if (step === begun.steps && final) {
    if (tensorboard) new Board(folder);
    writeReport(folder);
    folder.release();
    console.log(`${path} has finished its ${begun.steps} steps: nothing is left to do`);
    return;
  }
  const faces = facesAgain(begun, options);
  const networks = networksAgain(begun, options);

  const gpu = await openAdapter(options.adapter);
  console.log("compiling kernels …");
  const begin = performance.now();
  // What another machine did after this checkpoint is taken back.
  const earlier = (begun.continued ?? []).filter(({ after }) => after < step);
  const last = earlier.at(-1) ?? begun;
  // The kernels that this adapter was given once are what gives the same bits again; nothing is left to tune then.
  const recorded = sameAdapter(last.adapter, adapterOf(gpu)) ? last.kernels.choices : {};
  const tuning = new Tuning(gpu, options.tune);
  const compiling = { networks, kernels: recorded, tuner: tuning.tuner };
  const program = await compileTraining(gpu, model, begun, faces?.training, compiling).catch((error) => {
    if (!(error instanceof KernelError)) throw error;
    const field = `${last === begun ? "" : `continued.${earlier.length - 1}.`}kernels.choices`;
    throw new UserError(
      `${folder.file(RUN_FILES.config)}: ${field}: ${error.message}; delete what names "${error.kernel}" there, and ` +
        "another is chosen (the bits will differ)",
    );
  });
  tuning.report();
  const machine = machineOf(gpu, program);
  for (const [state, values] of found?.checkpoint.states ?? []) {
    for (const [name, data] of values) model.parameters.write(gpu, name, data, state);
  }
  program.setStep(step);
  const judge = await judgeOf(gpu, model, begun, faces);

  const lost = folder.trim(step);
  if (lost) console.error(`${folder.file(RUN_FILES.metrics)} lacks the losses of ${lost} of the ${step} steps so far`);
  const changed = differences(last, machine);
  const continued = changed.length ? [...earlier, { after: step, ...machine }] : earlier;
  const { continued: _, ...same } = begun;
  const config: RunConfig = continued.length ? { ...same, continued } : same;
  if (!isDeepStrictEqual(config, begun)) folder.writeConfig(config);
  if (changed.length) {
    console.log(`the bits will differ from those of an uninterrupted run: ${changed.join(", ")}`);
  }
  console.log(networkLine(config, (performance.now() - begin) / 1e3 - tuning.seconds));
  const from = found ? `, from ${folder.file(found.name)}` : ": there is no checkpoint yet";
  console.log(`going on after step ${step} of ${config.steps}${from}`);
  const kernels = program.choices;
  const replay = () => compileTraining(gpu, model, config, faces?.training, { networks, keepAll: true, kernels });
  await new Session({ gpu, folder, config, model, program, judge, replay, tensorboard, signals }).run();
}
