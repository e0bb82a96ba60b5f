import { UserError } from "../engine/errors.js";
import type { Shape } from "../engine/shape.js";
import type { Autoencoder } from "../faceswap/architecture.js";
import { modelOf } from "../faceswap/model.js";
import type { RunConfig } from "../storage/runConfig.js";
import { RunFolder } from "../storage/runFolder.js";

/** Shapes of a network's parameters by name, in the engine's layouts. */
export const shapesOf = ({ parameters }: Autoencoder): Map<string, Shape> =>
  new Map(parameters.nodes.map(({ attrs }) => [attrs.name, attrs.shape]));

/** A run that has come far enough to be used. */
export interface Trained {
  readonly folder: RunFolder;
  readonly config: RunConfig;
  readonly model: Autoencoder;
  /** The step of the checkpoint, and its numbers by parameter name, in the engine's layouts. */
  readonly step: number;
  readonly values: ReadonlyMap<string, Float32Array>;
}

/**
 * Opens a run and its newest whole checkpoint; says on stderr which damaged ones it passed over.
 * @throws UserError if the folder is none of a run, or has no usable checkpoint
 */
export function openTrained(path: string): Trained {
  const folder = RunFolder.open(path);
  const config = folder.readConfig();
  const model = modelOf(config);
  const found = folder.readCheckpoint(config, shapesOf(model), ["values"]);
  if (!found) throw new UserError(`${path} has no checkpoint yet: the run has not got to its first one`);
  for (const line of found.damaged) console.error(`${line}; using ${found.name} instead`);
  const { step, states } = found.checkpoint;
  return { folder, config, model, step, values: states.get("values") as ReadonlyMap<string, Float32Array> };
}
