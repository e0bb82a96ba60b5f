import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Node } from "../engine/graph.js";
import { constant, input } from "../engine/ops/leaf.js";
import { add, mul } from "../engine/ops/pointwise.js";
import { compile, type Program } from "../engine/program.js";
import type { Autoencoder } from "./architecture.js";
import { drawAvatars, poses } from "./avatars.js";
import type { TrainingConfig } from "./config.js";
import { gridEnergy } from "./gridEnergy.js";
import { castNamed } from "./identities.js";
import { countOf, type Measures, meanAbsolute, measure, medianPicture, type Outputs, type Stack } from "./measures.js";
import type { PictureSet } from "./pictures.js";
import { POSE_COUNT, POSE_NAMES } from "./poses.js";
import { type Change, FEATURES, type Feature, RESPONSES, type Responses, response } from "./responses.js";

/** Poses that no training run sees: a seed of their own, far from any that a person types. */
const HELD_OUT_SEED = 2 ** 52 + 1;
const BATCH = 16;
/** Poses in which single features are changed. */
const CHANGED = 32;

/** Something of each identity. */
export type ByIdentity<T> = Readonly<Record<string, T>>;

const byIdentity = <T>(names: readonly string[], of: (name: string) => T): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, of(name)]));

const stack = (parts: Float32Array[], count: number): Stack => {
  const length = parts[0].length / BATCH;
  const data = new Float32Array(length * count);
  parts.forEach((part, i) => {
    data.set(part.subarray(0, Math.min(part.length, data.length - i * BATCH * length)), i * BATCH * length);
  });
  return { data, length };
};

/** Compiles what draws held-out poses, runs it `count / BATCH` times and gathers its outputs. */
async function gather(gpu: Gpu, build: () => Record<string, Node>, count: number): Promise<ByIdentity<Stack>> {
  const program = await compile(gpu, build, { seed: HELD_OUT_SEED });
  const names = [...program.outputs.keys()];
  const parts = byIdentity(names, () => [] as Float32Array[]);
  for (let at = 0; at < count; at += BATCH) {
    await program.run();
    for (const name of names) parts[name].push(await program.read(name));
  }
  program.destroy();
  return byIdentity(names, (name) => stack(parts[name], count));
}

/** What training is judged by on avatars: everyone in the same held-out poses, and their constant pictures. */
export interface HeldOut {
  readonly size: number;
  readonly pictures: ByIdentity<Stack>;
  /** Where eyes and brows, and the mouth, are: one number a pixel. */
  readonly eyes: ByIdentity<Stack>;
  readonly mouth: ByIdentity<Stack>;
  readonly median: ByIdentity<Float32Array>;
}

/** Draws held-out poses of a run's avatars on the GPU, and the medians of as many others. */
export async function drawHeldOut(gpu: Gpu, config: TrainingConfig, count = 128): Promise<HeldOut> {
  const { architecture, identities } = config;
  const { size } = architecture;
  const cast = castNamed(config.pair);
  const build = () => {
    const held = poses(config.poses, { batch: BATCH });
    const other = poses(config.poses, { batch: BATCH });
    return Object.fromEntries(
      identities.flatMap((name) => [
        [`picture ${name}`, drawAvatars(cast[name], held, size)],
        [`eyes ${name}`, drawAvatars(cast[name], held, size, "eyes")],
        [`mouth ${name}`, drawAvatars(cast[name], held, size, "mouth")],
        [`other ${name}`, drawAvatars(cast[name], other, size)],
      ]),
    );
  };
  const drawn = await gather(gpu, build, count);
  const all = (what: string) => byIdentity(identities, (name) => drawn[`${what} ${name}`]);
  const median = byIdentity(identities, (name) => medianPicture(drawn[`other ${name}`]));
  return { size, pictures: all("picture"), eyes: all("eyes"), mouth: all("mouth"), median };
}

/** Draws everyone in the first held-out poses, with one feature low and high. */
export async function drawChange(gpu: Gpu, config: TrainingConfig, feature: Feature): Promise<ByIdentity<Change>> {
  const { architecture, identities } = config;
  const cast = castNamed(config.pair);
  const build = () => {
    // The stream of the held-out poses: it is the first of their program too.
    const held = poses(config.poses, { batch: BATCH });
    return Object.fromEntries(
      (["low", "high"] as const).flatMap((end) => {
        const changed = withFeature(held, feature, end);
        return identities.map((name) => [`${end} ${name}`, drawAvatars(cast[name], changed, architecture.size)]);
      }),
    );
  };
  const drawn = await gather(gpu, build, CHANGED);
  return byIdentity(identities, (name) => ({ low: drawn[`low ${name}`], high: drawn[`high ${name}`] }));
}

/** Poses with one parameter replaced. */
function withFeature(held: Node, feature: Feature, end: "low" | "high"): Node {
  const { pose, [end]: value } = RESPONSES[feature];
  const at = POSE_NAMES.indexOf(pose);
  const keep = Float32Array.from({ length: POSE_COUNT }, (_, i) => (i === at ? 0 : 1));
  const put = Float32Array.from({ length: POSE_COUNT }, (_, i) => (i === at ? value : 0));
  return add(mul(held, constant(keep, [POSE_COUNT])), constant(put, [POSE_COUNT]));
}

/** Pictures of each identity by each decoder: `made[from][to]`. */
export type Made = ByIdentity<ByIdentity<Stack>>;

/** A network made ready to be looked at: pictures in, reconstructions and swaps out. */
export class Viewer {
  private constructor(
    private readonly program: Program,
    readonly size: number,
    readonly identities: readonly string[],
  ) {}

  static async open(gpu: Gpu, model: Autoencoder): Promise<Viewer> {
    const { size } = model.architecture;
    const identities = Object.keys(model.decode);
    const build = () =>
      Object.fromEntries(
        identities.flatMap((from) => {
          const code = model.encode(input(from, [BATCH, size, size, 3]));
          return identities.map((to) => [`${from} ${to}`, model.decode[to](code)]);
        }),
      );
    return new Viewer(await compile(gpu, build), size, identities);
  }

  /** Pictures [count, size, size, 3] of every identity, as many of each, through the network. @throws UserError */
  async view(pictures: ByIdentity<Stack>): Promise<Made> {
    const { size, identities, program } = this;
    const stacks = identities.map((name) => pictures[name]);
    const { length } = stacks[0];
    const total = countOf(stacks[0]);
    if (length !== size * size * 3 || stacks.some(({ data }) => data.length !== stacks[0].data.length)) {
      throw new UserError(`pictures of ${length} numbers do not fit a network for ${size}×${size}×3`);
    }
    const names = [...program.outputs.keys()];
    const parts = byIdentity(names, () => [] as Float32Array[]);
    for (let at = 0; at < total; at += BATCH) {
      identities.forEach((name, i) => {
        const batch = new Float32Array(BATCH * length);
        batch.set(stacks[i].data.subarray(at * length, (at + BATCH) * length));
        program.write(name, batch);
      });
      await program.run();
      for (const name of names) parts[name].push(await program.read(name));
    }
    return byIdentity(identities, (from) => byIdentity(identities, (to) => stack(parts[`${from} ${to}`], total)));
  }

  destroy(): void {
    this.program.destroy();
  }
}

/** The first pictures of each stack. */
export const firstOf = ({ data, length }: Stack, count: number): Stack => ({
  data: data.subarray(0, count * length),
  length,
});

/** What a swap from one identity to another is measured by, in the names of `measure`. */
export const outputsOf = (made: Made, from: string, to: string): Outputs => ({
  srcReconstruction: made[from][from],
  dstReconstruction: made[to][to],
  swap: made[from][to],
});

/** A direction between two identities, and its measures. */
export interface Direction {
  readonly from: string;
  readonly to: string;
  readonly measures: Measures;
}

/** Of two identities, from the first to the second; of more, every direction. */
export const directionsOf = (identities: readonly string[]): { from: string; to: string }[] =>
  identities.length === 2
    ? [{ from: identities[0], to: identities[1] }]
    : identities.flatMap((from) => identities.filter((to) => to !== from).map((to) => ({ from, to })));

/** Measures a network on (the first `count` of) the held-out poses, in every direction. */
export async function measureAvatars(
  viewer: Viewer,
  { pictures, eyes, mouth, median }: HeldOut,
  count = countOf(Object.values(pictures)[0]),
): Promise<Direction[]> {
  const { identities } = viewer;
  const seen = byIdentity(identities, (name) => firstOf(pictures[name], count));
  const made = await viewer.view(seen);
  return directionsOf(identities).map(({ from, to }) => {
    const truth = { src: seen[from], dst: seen[to], eyes: firstOf(eyes[to], count), mouth: firstOf(mouth[to], count) };
    const measures = measure(truth, outputsOf(made, from, to), { src: median[from], dst: median[to] });
    return { from, to, measures };
  });
}

/** Adds the responses to what was measured: each feature in turn is drawn low and high, and viewed. */
export async function withResponses(
  gpu: Gpu,
  config: TrainingConfig,
  viewer: Viewer,
  directions: readonly Direction[],
): Promise<Direction[]> {
  const found = directions.map(() => ({}) as Responses);
  for (const feature of FEATURES) {
    const truth = await drawChange(gpu, config, feature);
    const low = await viewer.view(byIdentity(viewer.identities, (name) => truth[name].low));
    const high = await viewer.view(byIdentity(viewer.identities, (name) => truth[name].high));
    const made = (from: string, to: string): Change => ({ low: low[from][to], high: high[from][to] });
    directions.forEach(({ from, to }, i) => {
      found[i][`response${feature}`] = response(made(from, to), truth[to]);
      found[i][`response${feature}Ceiling`] = response(made(to, to), truth[to]);
    });
  }
  return directions.map((each, i) => ({ ...each, measures: { ...each.measures, ...found[i] } }));
}

/** Sets of bytes to numbers in [0, 1]. */
export const toStack = ({ pictures, size }: PictureSet): Stack => ({
  data: Float32Array.from(pictures, (byte) => byte / 255),
  length: size * size * 3,
});

/** What can be said of pictures without a known true swap: reconstruction, beside the constant picture's. */
export interface FolderMeasures {
  reconstruction: number;
  constantReconstruction: number;
  /** Of the reconstructions, see `Measures`: the mean over identities whose pictures have flat regions. */
  gridEnergy: number;
}

/** Measures reconstruction on pictures kept from training, against the median of those trained on. */
export async function measureFolders(
  viewer: Viewer,
  heldOut: ByIdentity<Stack>,
  median: ByIdentity<Float32Array>,
): Promise<FolderMeasures> {
  const { identities } = viewer;
  const made = await viewer.view(heldOut);
  const constant = (name: string) => {
    const { data, length } = heldOut[name];
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += Math.abs(data[i] - median[name][i % length]);
    return sum / data.length;
  };
  const meanOf = (numbers: number[]) => numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
  const mean = (of: (name: string) => number) => meanOf(identities.map(of));
  const energies = identities.map((name) => gridEnergy(made[name][name], heldOut[name]));
  return {
    reconstruction: mean((name) => meanAbsolute(made[name][name], heldOut[name])),
    constantReconstruction: mean(constant),
    gridEnergy: meanOf(energies.filter((energy) => !Number.isNaN(energy))),
  };
}
