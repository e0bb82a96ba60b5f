import { DivergedError, GpuError, UserError } from "../engine/errors.js";
import { describeFault, findFault } from "../engine/fault.js";
import type { Gpu } from "../engine/gpu.js";
import type { Program } from "../engine/program.js";
import type { Autoencoder } from "../faceswap/architecture.js";
import { adapterLine, openGpu } from "../platform/node.js";
import { resumeCommand } from "../report/commands.js";
import { writeReport } from "../report/report.js";
import type { FinalLine, MeasureLine, StepLine } from "../storage/metrics.js";
import type { RunConfig } from "../storage/runConfig.js";
import { RUN_FILES, type RunFolder } from "../storage/runFolder.js";
import { Board } from "./board.js";
import type { Judge } from "./judge.js";
import { Progress } from "./progress.js";
import { exitCode, type Signals } from "./signals.js";
import { shapesOf } from "./trained.js";

/** Opens the adapter and says which. */
export async function openAdapter(adapter: string | undefined): Promise<Gpu> {
  const gpu = await openGpu({ adapter });
  console.log(adapterLine(gpu));
  return gpu;
}

/** At least so many seconds lie between two checkpoints that no preview comes with. */
const CHECKPOINT_SECONDS = 60;
/** Checkpoints take at most this part of the time. */
const CHECKPOINT_SHARE = 0.05;

export interface SessionParts {
  readonly gpu: Gpu;
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly model: Autoencoder;
  readonly program: Program;
  readonly judge: Judge;
  /** The training program once more, every value kept: to find where a number that is not finite came from. */
  readonly replay: () => Promise<Program>;
  readonly tensorboard: boolean;
  readonly signals: Signals;
}

/** One sitting of a run: from the program's step to the end, or until a signal stops it. */
export class Session {
  readonly #progress: Progress;
  readonly #board: Board | undefined;
  readonly #begin = performance.now();
  /** Seconds of earlier sittings. */
  readonly #before: number;
  #drained = this.#begin;
  #timed = this.#begin;
  #saved = this.#begin;
  #saveSeconds = 0;

  constructor(private readonly parts: SessionParts) {
    const { folder, config, program, tensorboard } = parts;
    this.#before = folder.readTimes().at(-1)?.seconds ?? 0;
    folder.appendTime({ step: program.steps, seconds: this.#before, at: new Date().toISOString() });
    this.#board = tensorboard ? new Board(folder) : undefined;
    this.#progress = new Progress(config.steps, program.steps, config.batch * config.identities.length);
    parts.signals.onFirst = () => this.#progress.say("stopping after this step: saving a checkpoint …");
    process.once("exit", () => this.#progress.stop()); // also a second signal leaves the terminal as it was
  }

  /**
   * Trains. What a file system refuses ends the sitting with its error; the last checkpoint stays.
   * Says what came of it, and sets the process's exit code if a signal stopped it before the last step.
   * @throws DivergedError, with the state before the step at fault saved
   */
  async run(): Promise<void> {
    const { config, program, folder, gpu, signals } = this.parts;
    try {
      let text: string | undefined;
      while (program.steps < config.steps && !text) {
        await program.run();
        await this.#afterStep();
        if (signals.caught && program.steps < config.steps) {
          text = await this.#stop(signals.caught);
          process.exitCode = exitCode(signals.caught);
        }
      }
      text ??= await this.#finish();
      this.#progress.stop();
      console.log(text);
    } finally {
      this.#progress.stop();
      signals.release();
      folder.release();
      gpu.destroy();
    }
  }

  async #afterStep(): Promise<void> {
    const { config, program, judge } = this.parts;
    const step = program.steps;
    const final = step === config.steps;
    const saves = step % config.saveEvery === 0;
    const looks = saves || step % Math.max(20, Math.round(config.steps / 20)) === 0;
    // Every second, for the progress bar, and before the ring of 256 steps is full.
    if (looks || final || step % 100 === 0 || performance.now() - this.#drained > 1000) await this.#drain();
    if (final) return;
    if (looks) {
      const { t, line } = await judge.glance();
      this.#progress.t = t;
      this.#record([{ step, measures: line }]);
    }
    if (saves) await this.#save();
    else if (this.#checkpointIsDue()) {
      await this.#drain();
      await this.#checkpoint();
    }
  }

  #checkpointIsDue(): boolean {
    const seconds = (performance.now() - this.#saved) / 1e3;
    return seconds > Math.max(CHECKPOINT_SECONDS, this.#saveSeconds / CHECKPOINT_SHARE);
  }

  #record(lines: readonly (StepLine | MeasureLine | FinalLine)[]): void {
    this.parts.folder.appendMetrics(lines);
    this.#board?.add(lines);
  }

  /** Brings the losses of the latest steps from the GPU to the metrics. */
  async #drain(): Promise<void> {
    this.#drained = performance.now();
    const { first, values, fault } = await this.parts.program.history();
    const lines = Array.from(values.loss, (_, i) => ({
      step: first + i,
      ...Object.fromEntries(Object.entries(values).map(([name, list]) => [name, list[i]])),
    })) as StepLine[];
    const sound = fault === undefined ? lines : lines.filter(({ step }) => step < fault);
    this.#record(sound);
    const last = sound.at(-1);
    if (last) this.#progress.report(last);
    if (fault !== undefined) await this.#diverge(fault);
    if (performance.now() - this.#timed > 5000) this.#time();
  }

  #time(step = this.parts.program.steps): void {
    this.#timed = performance.now();
    const seconds = this.#before + (this.#timed - this.#begin) / 1e3;
    this.parts.folder.appendTime({ step, seconds: Number(seconds.toFixed(3)) });
  }

  /** A preview, and a checkpoint from which the run could go on. */
  async #save(): Promise<void> {
    const { folder, judge, program } = this.parts;
    const png = await judge.preview(program.steps);
    folder.writePreview(program.steps, png);
    this.#board?.preview(program.steps, png);
    await this.#checkpoint();
    writeReport(folder);
  }

  async #checkpoint(step = this.parts.program.steps): Promise<string> {
    const { folder, gpu, model, config } = this.parts;
    const begin = performance.now();
    const states = new Map<string, Map<string, Float32Array>>();
    for (const state of ["values", "m", "v"]) states.set(state, await model.parameters.read(gpu, state));
    this.#time(step);
    const name = folder.writeCheckpoint({ step, config, shapes: shapesOf(model), states });
    this.#saved = performance.now();
    this.#saveSeconds = (this.#saved - begin) / 1e3;
    return name;
  }

  async #stop(signal: string): Promise<string> {
    const { folder, config, program } = this.parts;
    await this.#drain();
    const checkpoint = await this.#checkpoint();
    writeReport(folder);
    return (
      `stopped by ${signal} after step ${program.steps} of ${config.steps}; saved as ${folder.file(checkpoint)}\n` +
      `go on with: ${resumeCommand(folder.path)}`
    );
  }

  async #finish(): Promise<string> {
    const { folder, config, judge } = this.parts;
    const { text, line } = await judge.verdict();
    this.#record([{ step: config.steps, final: line }]);
    await this.#save();
    const seconds = folder.readTimes().at(-1)?.seconds ?? 0;
    return (
      `trained ${config.steps} steps in ${(seconds / 60).toFixed(1)} minutes; ` +
      `the report is ${folder.file(RUN_FILES.report)}, beside previews, metrics and checkpoints\n${text}`
    );
  }

  /** Saves what the step at fault began with, and says where the first non-finite number came from. */
  async #diverge(fault: number): Promise<never> {
    const { folder, program, config } = this.parts;
    // From that step on no update was applied: the parameters are still those before it.
    const checkpoint = await this.#checkpoint(fault - 1);
    program.destroy(); // makes room for the replay
    const reason = await this.#reason(fault);
    folder.appendMetrics([{ step: fault, fault: reason }]);
    writeReport(folder);
    throw new DivergedError(
      `step ${fault} of ${config.steps} was not applied: ${reason}; the state before it is saved as ` +
        `${folder.file(checkpoint)}. Train anew with a lower learning rate (it was ${config.rate})`,
    );
  }

  async #reason(fault: number): Promise<string> {
    try {
      const replay = await this.parts.replay();
      replay.setStep(fault - 1);
      await replay.run();
      const found = await findFault(replay);
      replay.destroy();
      return found
        ? describeFault(found)
        : "its loss or gradients were not finite, though they are when it is replayed";
    } catch (error) {
      if (!(error instanceof GpuError || error instanceof UserError)) throw error;
      return `its loss or gradients were not finite (it cannot be replayed to find where: ${error.message})`;
    }
  }
}
