/** A checkpoint: all that a run needs to go on, in one safetensors file with a hash of its own content. Node only. */
import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { UserError } from "../engine/errors.js";
import { format, type Shape, sameShape } from "../engine/shape.js";
import { type Identity, identityOf } from "./runConfig.js";
import { decodeSafetensors, encodeSafetensors, type TensorIn } from "./safetensors.js";

/** The names of the flat states in a checkpoint: a tensor is `encoder.0.weight`, its moments `m/…` and `v/…`. */
const key = (state: string, name: string) => (state === "values" ? name : `${state}/${name}`);

export interface Checkpoint {
  /** Steps done. */
  readonly step: number;
  /** What the run was then. The random streams have no other state than its seed, the step and the stream. */
  readonly config: Identity;
  /** Shapes by parameter name, as the engine lays them out. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** Numbers by state ("values", "m", "v") and parameter name. */
  readonly states: ReadonlyMap<string, ReadonlyMap<string, Float32Array>>;
}

/** A file that is not what was written: an earlier checkpoint may help. */
export class DamagedCheckpoint extends UserError {}

const HASH = "sha256";
/** Stands where the hash will be, while the file is hashed. */
const BLANK = "0".repeat(64);
const GENERATOR = "philox4x32-10";

/** The same content gives the same bytes. */
export function encodeCheckpoint({ step, config, shapes, states }: Checkpoint): Uint8Array {
  const tensors: Record<string, TensorIn> = {};
  for (const [state, values] of states) {
    for (const [name, data] of values) tensors[key(state, name)] = { shape: shapes.get(name) as Shape, data };
  }
  const about = { [HASH]: BLANK, step: String(step), generator: GENERATOR, config: JSON.stringify(identityOf(config)) };
  const file = encodeSafetensors(tensors, about);
  const hash = createHash("sha256").update(file).digest("hex");
  // The metadata are the first thing in the file.
  file.set(Buffer.from(hash), Buffer.from(file.buffer).indexOf(BLANK));
  return file;
}

/**
 * Reads and verifies a checkpoint.
 * @param config what the run is now
 * @param shapes of the network's parameters
 * @param states that are needed: "values" for a look, also "m" and "v" to go on training
 * @param name how error lines call the file
 * @throws DamagedCheckpoint if the content is not what was written; UserError if it is of another configuration
 */
export function decodeCheckpoint(
  bytes: Uint8Array,
  config: Identity,
  shapes: ReadonlyMap<string, Shape>,
  states: readonly string[],
  name: string,
): Checkpoint {
  const { tensors, metadata } = verified(bytes, name);
  const then = JSON.parse(metadata.config) as Identity;
  refuseChange(then, identityOf(config), name);
  const found = states.map((state) => {
    const values = new Map<string, Float32Array>();
    for (const [parameter, shape] of shapes) {
      const own = key(state, parameter);
      const tensor = Object.hasOwn(tensors, own) ? tensors[own] : undefined;
      if (!tensor) throw new UserError(`${name}: tensor "${own}" is missing; the file belongs to another network`);
      if (!(tensor.data instanceof Float32Array) || !sameShape(tensor.shape, shape)) {
        throw new UserError(
          `${name}: tensor "${own}" is ${format(tensor.shape)}, but the run's network has ${format(shape)}`,
        );
      }
      values.set(parameter, tensor.data);
    }
    return [state, values] as const;
  });
  return { step: Number(metadata.step), config: then, shapes, states: new Map(found) };
}

/** Numbers of two configurations must not be mixed. @throws UserError naming the field that was changed */
function refuseChange(then: Identity, now: Identity, name: string): void {
  const fields = Object.keys({ ...then, ...now }) as (keyof Identity)[];
  // JSON knows no undefined.
  const plain = (value: unknown) => (value === undefined ? value : JSON.parse(JSON.stringify(value)));
  const changed = fields.find((field) => !isDeepStrictEqual(plain(now[field]), then[field]));
  if (!changed) return;
  const [before, after] = [then, now].map((config) => JSON.stringify(config[changed]));
  throw new UserError(
    `${name} was written when the run's ${changed} was ${before}, but config.json says ${after}: change it back, or train anew`,
  );
}

function verified(bytes: Uint8Array, name: string): ReturnType<typeof decodeSafetensors> {
  let decoded: ReturnType<typeof decodeSafetensors>;
  try {
    decoded = decodeSafetensors(bytes, name);
  } catch (error) {
    throw error instanceof UserError ? new DamagedCheckpoint(error.message) : error;
  }
  const { metadata } = decoded;
  const hash = metadata[HASH] ?? "";
  if (hash.length !== BLANK.length) throw new DamagedCheckpoint(`${name}: it holds no hash of its content`);
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf(hash);
  const pieces = [bytes.subarray(0, at), BLANK, bytes.subarray(at + BLANK.length)];
  const actual = pieces.reduce((sum, piece) => sum.update(piece), createHash("sha256")).digest("hex");
  if (actual !== hash) throw new DamagedCheckpoint(`${name}: damaged (its content does not match its hash)`);
  if (!/^\d+$/.test(metadata.step ?? "") || !metadata.config || metadata.generator !== GENERATOR) {
    throw new UserError(`${name}: a checkpoint of another version of shibori; train anew`);
  }
  return decoded;
}
