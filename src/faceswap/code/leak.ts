/** How much of an identity a code tells: distances between codes, and what a linear reader makes of them. */
import { UserError } from "../../engine/errors.js";
import type { Gpu } from "../../engine/gpu.js";
import { compile } from "../../engine/program.js";
import type { Autoencoder } from "../architecture.js";
import { drawAvatars, poses } from "../avatars.js";
import type { TrainingConfig } from "../config.js";
import { castNamed } from "../identities.js";
import { accuracyAndBits, fitReader } from "./reader.js";

/** Poses that are neither trained on nor judged by. */
const SEED = 2 ** 52 + 2;
const BATCH = 16;

/** Codes of two identities in the same poses: [count, cells, channels] each. */
export interface Codes {
  readonly count: number;
  /** Cells of the grid; 1 for a dense code. */
  readonly cells: number;
  readonly channels: number;
  readonly src: Float32Array;
  readonly dst: Float32Array;
}

/** What codes tell of the identity. */
export interface Leak {
  /** Poses of each identity. */
  readonly poses: number;
  /** Mean squared distance of the two identities' codes of one pose, as a part of that of one identity in two poses. */
  readonly gap: number;
  /** Squared distance of the identities' mean codes, as a part of the codes' variance. */
  readonly meanGap: number;
  /** Of a linear reader, on codes that it was not fitted to: the part that it names rightly, and bits of identity (at most 1). */
  readonly accuracy: number;
  readonly bits: number;
  /** The same of readers that see one cell each, in the order of the grid. */
  readonly cellAccuracy: readonly number[];
  readonly cellBits: readonly number[];
}

/**
 * The codes of a network's first two identities, drawn in the same `count` poses.
 * @param values what it was trained to, by parameter name, in the engine's layouts
 * @throws UserError
 */
export async function encodePaired(
  gpu: Gpu,
  model: Autoencoder,
  values: ReadonlyMap<string, Float32Array>,
  config: TrainingConfig,
  count: number,
): Promise<Codes> {
  if (count % BATCH) throw new UserError(`${count} poses: a multiple of ${BATCH} is needed`);
  const [a, b] = config.identities;
  const cast = castNamed(config.pair);
  const { size } = config.architecture;
  const build = () => {
    const held = poses(config.poses, { batch: BATCH });
    return { src: model.encode(drawAvatars(cast[a], held, size)), dst: model.encode(drawAvatars(cast[b], held, size)) };
  };
  const program = await compile(gpu, build, { seed: SEED });
  for (const [name, data] of values) model.parameters.write(gpu, name, data);
  const shape = program.outputs.get("src")!.shape;
  const channels = shape.at(-1) as number;
  const cells = shape.slice(1, -1).reduce((n, extent) => n * extent, 1);
  const length = cells * channels;
  const codes = { src: new Float32Array(count * length), dst: new Float32Array(count * length) };
  for (let at = 0; at < count; at += BATCH) {
    await program.run();
    for (const name of ["src", "dst"] as const) codes[name].set(await program.read(name), at * length);
  }
  program.destroy();
  return { count, cells, channels, ...codes };
}

const distance = (a: Float32Array, b: Float32Array, i: number, j: number, length: number): number => {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += (a[i * length + k] - b[j * length + k]) ** 2;
  return sum;
};

/** Mean and variance of each number of a code over the poses. */
function moments(x: Float32Array, count: number, length: number): { mean: Float64Array; variance: Float64Array } {
  const mean = new Float64Array(length);
  const variance = new Float64Array(length);
  for (let i = 0; i < x.length; i++) mean[i % length] += x[i] / count;
  for (let i = 0; i < x.length; i++) variance[i % length] += (x[i] - mean[i % length]) ** 2 / (count - 1);
  return { mean, variance };
}

function gaps({ count, cells, channels, src, dst }: Codes): { gap: number; meanGap: number } {
  const length = cells * channels;
  let between = 0;
  let within = 0;
  for (let i = 0; i < count; i++) {
    between += distance(src, dst, i, i, length);
    within += distance(src, src, i, (i + 1) % count, length);
  }
  const a = moments(src, count, length);
  const b = moments(dst, count, length);
  let apart = 0;
  let variance = 0;
  for (let k = 0; k < length; k++) {
    apart += (a.mean[k] - b.mean[k]) ** 2;
    variance += (a.variance[k] + b.variance[k]) / 2;
  }
  return { gap: between / within, meanGap: apart / variance };
}

/** Both identities' codes of the poses from … to, or what one cell has of them, in rows; src first. */
function rows(
  { cells, channels, src, dst }: Codes,
  from: number,
  to: number,
  cell?: number,
): { x: Float32Array[]; isDst: number[] } {
  const length = cells * channels;
  const pick = (data: Float32Array, i: number) =>
    cell === undefined
      ? data.subarray(i * length, (i + 1) * length)
      : data.subarray(i * length + cell * channels, i * length + (cell + 1) * channels);
  const x: Float32Array[] = [];
  const isDst: number[] = [];
  for (const [label, data] of [src, dst].entries()) {
    for (let i = from; i < to; i++) {
      x.push(pick(data, i));
      isDst.push(label);
    }
  }
  return { x, isDst };
}

/** Measures codes. Readers are fitted to three quarters of the poses and tried on the rest. */
export function leakOf(codes: Codes): Leak {
  const { count, cells } = codes;
  const split = Math.floor((3 * count) / 4);
  const read = (cell?: number) => {
    const fitted = rows(codes, 0, split, cell);
    const tried = rows(codes, split, count, cell);
    return accuracyAndBits(fitReader(fitted.x, fitted.isDst), tried.x, tried.isDst);
  };
  const whole = read();
  const each = cells > 1 ? Array.from({ length: cells }, (_, cell) => read(cell)) : [whole];
  return {
    poses: count,
    ...gaps(codes),
    ...whole,
    cellAccuracy: each.map(({ accuracy }) => accuracy),
    cellBits: each.map(({ bits }) => bits),
  };
}
