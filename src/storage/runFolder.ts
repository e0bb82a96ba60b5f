/** The folder of one training run: what is in it, and how it stays whole. Node only. */
import fs from "node:fs";
import { join } from "node:path";
import { UserError } from "../engine/errors.js";
import type { Shape } from "../engine/shape.js";
import { type Checkpoint, DamagedCheckpoint, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.js";
import {
  appendText,
  checkFolderPath,
  ensureDir,
  fileError,
  removeTemporaries,
  syncFile,
  syncFolder,
  writeFileAtomic,
} from "./files.js";
import { lockFolder, refuseIfHeld } from "./lock.js";
import {
  type FaultLine,
  type FinalLine,
  type Line,
  type MeasureLine,
  type Metrics,
  parseLines,
  type StepLine,
  sortLines,
  type TimeLine,
} from "./metrics.js";
import { parseRunConfig, type RunConfig } from "./runConfig.js";
import { removeEvents } from "./tensorboard.js";

/** Names inside a run folder. */
export const RUN_FILES = {
  /** A RunConfig. Written first and removed last: what has none is no run. */
  config: "config.json",
  /** A JSON object a line: StepLine, MeasureLine, FinalLine or FaultLine. A pure function of the configuration and the machine. */
  metrics: "metrics.jsonl",
  /** TimeLine: what differs between two runs with the same bits. */
  times: "times.jsonl",
  /** `000240.safetensors`, the last two. */
  checkpoints: "checkpoints",
  /** `000240.png` */
  previews: "previews",
  report: "report.html",
  /** What an experiment read of the codes. */
  code: "code.json",
  tensorboard: "tensorboard",
} as const;

const FOLDERS: ReadonlySet<string> = new Set(["checkpoints", "previews", "tensorboard"]);
const KEPT_CHECKPOINTS = 2;
const nameOf = (step: number, ending: string) => `${String(step).padStart(6, "0")}.${ending}`;

export class RunFolder {
  #release: (() => void) | undefined;

  private constructor(readonly path: string) {}

  /** Refuses a folder that `create` would refuse. Writes nothing. @throws UserError */
  static check(path: string, options: { overwrite: boolean }): void {
    checkFolderPath(path);
    const folder = new RunFolder(path);
    const taken = Object.values(RUN_FILES).filter((name) => fs.existsSync(folder.file(name)));
    if (taken.length && !folder.#isRun()) {
      throw new UserError(`${path} is not the folder of a run, but holds ${taken.join(", ")}: give another --out`);
    }
    if (taken.length && !options.overwrite) {
      throw new UserError(
        `${path} holds a run already (${taken.join(", ")}): give another --out, or --overwrite, or --resume ${path}`,
      );
    }
    folder.#checkKinds();
    refuseIfHeld(path);
  }

  /**
   * Makes a folder for a new run, and locks it.
   * @throws UserError if it holds a run and `overwrite` is not set, is in use, or cannot be written
   */
  static create(path: string, config: RunConfig, options: { overwrite: boolean }): RunFolder {
    RunFolder.check(path, options);
    ensureDir(path);
    const folder = new RunFolder(path);
    folder.#lock();
    folder.#clear();
    folder.writeConfig(config);
    return folder;
  }

  /** Whether a config.json is there that a run of some version wrote. */
  #isRun(): boolean {
    if (!fs.existsSync(this.file(RUN_FILES.config))) return false;
    try {
      const config = JSON.parse(readText(this.file(RUN_FILES.config)));
      return typeof config?.preset === "string" && typeof config?.architecture === "object";
    } catch (error) {
      if (error instanceof SyntaxError) return false;
      throw error;
    }
  }

  /** What could stop a run later must stop it before anything is changed. @throws UserError */
  #checkKinds(): void {
    for (const [part, name] of Object.entries(RUN_FILES)) {
      const stat = fs.statSync(this.file(name), { throwIfNoEntry: false });
      if (!stat) continue;
      const folder = FOLDERS.has(part);
      if (stat.isDirectory() !== folder) {
        throw new UserError(`${this.file(name)} is a ${folder ? "file" : "folder"}, which no run makes: move it away`);
      }
      if (folder) checkFolderPath(this.file(name));
    }
  }

  /**
   * Removes an earlier run: its files by their names, and folders if nothing else is in them. Its checkpoints go first:
   * without them nobody goes on with what is left. Its config.json stays, until another takes its place: it tells that
   * the folder is a run's.
   */
  #clear(): void {
    const { metrics, times, report, code, checkpoints, previews, tensorboard } = RUN_FILES;
    for (const { name } of [...this.checkpoints(), ...this.previews()]) this.#remove(name);
    for (const name of [metrics, times, report, code]) if (fs.existsSync(this.file(name))) this.#remove(name);
    for (const path of [checkpoints, previews, tensorboard].map((name) => this.file(name))) {
      if (!fs.existsSync(path)) continue;
      if (path === this.file(tensorboard)) removeEvents(path);
      if (fs.readdirSync(path).length === 0) fs.rmdirSync(path);
    }
  }

  /** Opens the folder of an earlier run to read. @throws UserError if it is not one */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path);
    if (!fs.existsSync(folder.file(RUN_FILES.config))) {
      throw new UserError(`${path} is not the folder of a run: it has no ${RUN_FILES.config}`);
    }
    return folder;
  }

  /** Opens and locks the folder of an earlier run to go on with it. @throws UserError if it is not one, or is in use */
  static resume(path: string): RunFolder {
    const folder = RunFolder.open(path);
    checkFolderPath(path);
    folder.#checkKinds();
    folder.#lock();
    return folder;
  }

  #lock(): void {
    this.#release = lockFolder(this.path);
    // What a killed process was about to rename.
    for (const part of ["", RUN_FILES.checkpoints, RUN_FILES.previews]) removeTemporaries(this.file(part));
  }

  /** Lets other processes write to the folder. */
  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  #remove(...name: string[]): void {
    const path = this.file(...name);
    try {
      fs.unlinkSync(path);
    } catch (error) {
      throw fileError("remove", path, error);
    }
  }

  file(...name: string[]): string {
    return join(this.path, ...name);
  }

  // --- what the run is ------------------------------------------------------------------------------------------------

  writeConfig(config: RunConfig): void {
    writeFileAtomic(this.file(RUN_FILES.config), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** @throws UserError naming the first field that is not as a run's must be */
  readConfig(): RunConfig {
    const path = this.file(RUN_FILES.config);
    return parseRunConfig(readText(path), path);
  }

  // --- what it measured -----------------------------------------------------------------------------------------------

  /** Adds lines to the metrics. */
  appendMetrics(lines: readonly (StepLine | MeasureLine | FinalLine | FaultLine)[]): void {
    this.#append(RUN_FILES.metrics, lines);
  }

  appendTime(line: TimeLine): void {
    this.#append(RUN_FILES.times, [line]);
  }

  #append(name: string, lines: readonly object[]): void {
    if (lines.length) appendText(this.file(name), lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  }

  /** @throws UserError naming the line at fault */
  readMetrics(): Metrics {
    return sortLines(this.#lines(RUN_FILES.metrics));
  }

  readTimes(): TimeLine[] {
    return this.#lines(RUN_FILES.times) as unknown as TimeLine[];
  }

  #lines(name: string): Line[] {
    const path = this.file(name);
    return fs.existsSync(path) ? parseLines(readText(path), path) : [];
  }

  writePreview(step: number, png: Uint8Array): void {
    ensureDir(this.file(RUN_FILES.previews));
    writeFileAtomic(this.file(RUN_FILES.previews, nameOf(step, "png")), png);
  }

  /** Previews in order of their steps. `name` is relative to the folder, with forward slashes. */
  previews(): { step: number; name: string; path: string }[] {
    return this.#numbered(RUN_FILES.previews, "png");
  }

  #numbered(part: string, ending: string) {
    const folder = this.file(part);
    return namesIn(folder)
      .filter((name) => new RegExp(`^\\d{6,}\\.${ending}$`).test(name))
      .map((name) => ({ step: Number.parseInt(name, 10), name: `${part}/${name}`, path: join(folder, name) }))
      .filter(({ path }) => fs.statSync(path, { throwIfNoEntry: false })?.isFile())
      .sort((a, b) => a.step - b.step);
  }

  // --- checkpoints ----------------------------------------------------------------------------------------------------

  /** Writes a checkpoint, then removes all but the last two. What was measured before it is on the disk before it is. */
  writeCheckpoint(checkpoint: Checkpoint): string {
    ensureDir(this.file(RUN_FILES.checkpoints));
    for (const name of [RUN_FILES.metrics, RUN_FILES.times]) syncFile(this.file(name));
    syncFolder(this.path);
    const name = `${RUN_FILES.checkpoints}/${nameOf(checkpoint.step, "safetensors")}`;
    writeFileAtomic(this.file(name), encodeCheckpoint(checkpoint));
    const older = this.checkpoints().filter(({ step }) => step < checkpoint.step);
    for (const { name } of older.slice(0, Math.max(0, older.length - (KEPT_CHECKPOINTS - 1)))) this.#remove(name);
    return name;
  }

  /** Checkpoints in order of their steps. */
  checkpoints(): { step: number; name: string; path: string }[] {
    return this.#numbered(RUN_FILES.checkpoints, "safetensors");
  }

  /**
   * The newest checkpoint that is whole.
   * @param config what the run is now: it must not have changed
   * @param states that are needed, see decodeCheckpoint
   * @returns undefined if there is none yet; `damaged` has a line for every newer one that had to be passed over
   * @throws UserError if all are damaged, or of another configuration
   */
  readCheckpoint(
    config: RunConfig,
    shapes: ReadonlyMap<string, Shape>,
    states: readonly string[],
  ): { checkpoint: Checkpoint; name: string; damaged: string[] } | undefined {
    const damaged: string[] = [];
    for (const { name, path, step } of this.checkpoints().reverse()) {
      try {
        const checkpoint = decodeCheckpoint(readBytes(path), config, shapes, states, path);
        if (checkpoint.step !== step) throw new DamagedCheckpoint(`${path}: it was written at step ${checkpoint.step}`);
        return { checkpoint, name, damaged };
      } catch (error) {
        if (!(error instanceof DamagedCheckpoint)) throw error;
        damaged.push(error.message);
      }
    }
    if (damaged.length) {
      throw new UserError(
        `no checkpoint of ${this.path} can be used (${damaged.join("; ")}): bring one back, or train anew`,
      );
    }
    return undefined;
  }

  /**
   * Takes back everything that was written after a step, to go on from there.
   * @returns the number of steps up to there whose losses are not in the metrics any more
   */
  trim(step: number): number {
    const files = [RUN_FILES.metrics, RUN_FILES.times].map((name) => ({
      path: this.file(name),
      lines: this.#lines(name).filter((line) => line.step <= step),
    }));
    const steps = new Set(files[0].lines.filter((line) => "loss" in line).map((line) => line.step));
    for (const { path, lines } of files) {
      if (fs.existsSync(path)) writeFileAtomic(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    }
    for (const later of [...this.previews(), ...this.checkpoints()]) if (later.step > step) this.#remove(later.name);
    return step - steps.size;
  }
}

/** What is in a folder; nothing where it does not stand yet. */
function namesIn(folder: string): string[] {
  try {
    return fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  } catch (error) {
    throw fileError("read the folder", folder, error);
  }
}

function readBytes(path: string): Uint8Array {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

const readText = (path: string): string => new TextDecoder().decode(readBytes(path));
