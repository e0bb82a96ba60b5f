import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../engine/errors.js";
import { elements, format, type Shape } from "../engine/shape.js";
import { checkFolderPath, ensureDir, fileError, writeFileAtomic } from "./files.js";
import { decodeSafetensors, encodeSafetensors, type TensorIn } from "./safetensors.js";

/** Names inside a run folder. */
export const RUN_FILES = {
  config: "config.json",
  metrics: "metrics.jsonl",
  checkpoint: "checkpoint.safetensors",
  previews: "previews",
} as const;

/** Named tensors with shapes, as a model's parameters come. */
export interface NamedTensors {
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Numbers by state ("values", "m", "v") and parameter name. */
  readonly states: ReadonlyMap<string, ReadonlyMap<string, Float32Array>>;
}

const key = (state: string, name: string) => (state === "values" ? name : `${state}/${name}`);

/** The folder of one training run. */
export class RunFolder {
  private constructor(readonly path: string) {}

  /** Refuses a folder that `create` would refuse. Writes nothing. @throws UserError */
  static check(path: string, options: { overwrite: boolean }): void {
    const taken = new RunFolder(path).#taken();
    if (taken.length && !options.overwrite) {
      throw new UserError(`${path} holds a run already (${taken.join(", ")}): give another --out, or --overwrite`);
    }
    checkFolderPath(path);
  }

  /** Makes a folder for a new run. @throws UserError if it holds a run and `overwrite` is not set, or cannot be written */
  static create(path: string, options: { overwrite: boolean }): RunFolder {
    RunFolder.check(path, options);
    const folder = new RunFolder(path);
    ensureDir(path);
    for (const name of folder.#taken()) rmSync(folder.file(name), { recursive: true });
    ensureDir(folder.file(RUN_FILES.previews));
    return folder;
  }

  #taken(): string[] {
    return Object.values(RUN_FILES).filter((name) => existsSync(this.file(name)));
  }

  /** Opens the folder of an earlier run. @throws UserError if it is not one */
  static open(path: string): RunFolder {
    const folder = new RunFolder(path);
    if (!existsSync(folder.file(RUN_FILES.config))) {
      throw new UserError(`${path} is not the folder of a run: it has no ${RUN_FILES.config}`);
    }
    return folder;
  }

  file(...name: string[]): string {
    return join(this.path, ...name);
  }

  writeConfig(config: object): void {
    writeFileAtomic(this.file(RUN_FILES.config), `${JSON.stringify(config, null, 2)}\n`);
  }

  /** @throws UserError if the file is not JSON */
  readConfig(): unknown {
    const path = this.file(RUN_FILES.config);
    try {
      return JSON.parse(readFileSync(path, "utf8"));
    } catch (error) {
      throw new UserError(`${path}: ${(error as Error).message}`);
    }
  }

  /** Adds lines to the metrics, one JSON object each. */
  appendMetrics(lines: readonly object[]): void {
    const path = this.file(RUN_FILES.metrics);
    try {
      appendFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    } catch (error) {
      throw fileError("write", path, error);
    }
  }

  /** Writes parameters and moments under a temporary name, then renames: an old checkpoint stays whole until then. */
  writeCheckpoint({ shapes, states }: NamedTensors, step: number): void {
    const tensors: Record<string, TensorIn> = {};
    for (const [state, values] of states) {
      for (const [name, data] of values) tensors[key(state, name)] = { shape: [...(shapes.get(name) as Shape)], data };
    }
    writeFileAtomic(this.file(RUN_FILES.checkpoint), encodeSafetensors(tensors, { step: String(step) }));
  }

  /**
   * The parameters of the checkpoint.
   * @throws UserError if it is missing or damaged, or a tensor is missing or has another shape
   */
  readCheckpoint(shapes: ReadonlyMap<string, Shape>): Map<string, Float32Array> {
    const path = this.file(RUN_FILES.checkpoint);
    if (!existsSync(path)) throw new UserError(`${path} does not exist: the run has not got to its first checkpoint`);
    let bytes: Uint8Array;
    try {
      bytes = readFileSync(path);
    } catch (error) {
      throw fileError("read", path, error);
    }
    const { tensors } = decodeSafetensors(bytes, path);
    const values = new Map<string, Float32Array>();
    for (const [name, shape] of shapes) {
      const tensor = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
      if (!tensor) throw new UserError(`${path}: tensor "${name}" is missing; the file belongs to another network`);
      if (!(tensor.data instanceof Float32Array) || tensor.data.length !== elements(shape)) {
        throw new UserError(
          `${path}: tensor "${name}" is ${format(tensor.shape)}, but the run's network has ${format(shape)}`,
        );
      }
      values.set(name, tensor.data);
    }
    return values;
  }
}
