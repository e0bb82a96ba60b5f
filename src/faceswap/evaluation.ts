import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Node } from "../engine/graph.js";
import { input } from "../engine/ops/leaf.js";
import { compile, type Program } from "../engine/program.js";
import { type Autoencoder, SIDES, type Side } from "./architecture.js";
import { drawAvatars, poses } from "./avatars.js";
import { pairNamed } from "./identities.js";
import {
  type Measures,
  meanAbsolute,
  measure,
  medianPicture,
  type Outputs,
  type Stack,
  type Truth,
} from "./measures.js";
import type { PictureSet } from "./pictures.js";
import type { TrainingConfig } from "./presets.js";

/** Poses that no training run sees: a seed of their own, far from any that a person types. */
const HELD_OUT_SEED = 2 ** 52 + 1;
const BATCH = 16;

const stack = (parts: Float32Array[], count: number): Stack => {
  const length = parts[0].length / BATCH;
  const data = new Float32Array(length * count);
  parts.forEach((part, i) => {
    data.set(part.subarray(0, Math.min(part.length, data.length - i * BATCH * length)), i * BATCH * length);
  });
  return { data, length };
};

/** Runs a program `count / BATCH` times and gathers its outputs. */
async function gather<K extends string>(program: Program, names: readonly K[], count: number) {
  const parts = Object.fromEntries(names.map((name) => [name, [] as Float32Array[]])) as Record<K, Float32Array[]>;
  for (let at = 0; at < count; at += BATCH) {
    await program.run();
    for (const name of names) parts[name].push(await program.read(name));
  }
  return Object.fromEntries(names.map((name) => [name, stack(parts[name], count)])) as Record<K, Stack>;
}

/** What training is judged by on avatars: held-out poses with the true swap, and the constant pictures. */
export interface HeldOut {
  readonly size: number;
  readonly truth: Truth;
  readonly median: Record<Side, Float32Array>;
}

/** Draws held-out poses of a run's pair on the GPU, and the medians of as many others. */
export async function drawHeldOut(gpu: Gpu, config: TrainingConfig, count = 128): Promise<HeldOut> {
  const { size } = config.architecture;
  const pair = pairNamed(config.pair);
  const build = () => {
    const held = poses(config.poses, { batch: BATCH });
    const other = poses(config.poses, { batch: BATCH });
    return {
      src: drawAvatars(pair.src, held, size),
      dst: drawAvatars(pair.dst, held, size),
      eyes: drawAvatars(pair.dst, held, size, "eyes"),
      mouth: drawAvatars(pair.dst, held, size, "mouth"),
      medianSrc: drawAvatars(pair.src, other, size),
      medianDst: drawAvatars(pair.dst, other, size),
    };
  };
  const program = await compile(gpu, build, { seed: HELD_OUT_SEED });
  const drawn = await gather(program, ["src", "dst", "eyes", "mouth", "medianSrc", "medianDst"], count);
  program.destroy();
  const { medianSrc, medianDst, ...truth } = drawn;
  return { size, truth, median: { src: medianPicture(medianSrc), dst: medianPicture(medianDst) } };
}

/** A network made ready to be looked at: pictures in, reconstructions and swaps out. */
export class Viewer {
  private constructor(
    private readonly program: Program,
    readonly size: number,
  ) {}

  static async open(gpu: Gpu, model: Autoencoder): Promise<Viewer> {
    const { size } = model.architecture;
    const build = (): Record<string, Node> => {
      const code = {
        src: model.encode(input("src", [BATCH, size, size, 3])),
        dst: model.encode(input("dst", [BATCH, size, size, 3])),
      };
      return {
        srcReconstruction: model.decode.src(code.src),
        dstReconstruction: model.decode.dst(code.dst),
        swap: model.decode.dst(code.src),
        reverse: model.decode.src(code.dst),
      };
    };
    return new Viewer(await compile(gpu, build), size);
  }

  /** Pictures [count, size, size, 3] of both identities, as many of each, through the network. */
  async view(src: Stack, dst: Stack): Promise<Outputs & { reverse: Stack }> {
    const { length } = src;
    const count = src.data.length / length;
    if (length !== this.size * this.size * 3 || dst.data.length !== src.data.length) {
      throw new UserError(`pictures of ${length} numbers do not fit a network for ${this.size}×${this.size}×3`);
    }
    const names = ["srcReconstruction", "dstReconstruction", "swap", "reverse"] as const;
    const parts: Record<string, Float32Array[]> = Object.fromEntries(names.map((name) => [name, []]));
    for (let at = 0; at < count; at += BATCH) {
      for (const [name, { data }] of Object.entries({ src, dst })) {
        const batch = new Float32Array(BATCH * length);
        batch.set(data.subarray(at * length, (at + BATCH) * length));
        this.program.write(name, batch);
      }
      await this.program.run();
      for (const name of names) parts[name].push(await this.program.read(name));
    }
    return Object.fromEntries(names.map((name) => [name, stack(parts[name], count)])) as unknown as Outputs & {
      reverse: Stack;
    };
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

/** Measures a network on (the first `count` of) the held-out poses. */
export async function measureAvatars(viewer: Viewer, { truth, median }: HeldOut, count?: number): Promise<Measures> {
  const total = truth.src.data.length / truth.src.length;
  const some = (s: Stack) => firstOf(s, count ?? total);
  const seen = { src: some(truth.src), dst: some(truth.dst), eyes: some(truth.eyes), mouth: some(truth.mouth) };
  return measure(seen, await viewer.view(seen.src, seen.dst), median);
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
}

/** Measures reconstruction on pictures kept from training, against the median of those trained on. */
export async function measureFolders(
  viewer: Viewer,
  heldOut: Record<Side, Stack>,
  median: Record<Side, Float32Array>,
): Promise<FolderMeasures> {
  const made = await viewer.view(heldOut.src, heldOut.dst);
  const constant = (side: Side) => {
    const { data, length } = heldOut[side];
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += Math.abs(data[i] - median[side][i % length]);
    return sum / data.length;
  };
  return {
    reconstruction:
      (meanAbsolute(made.srcReconstruction, heldOut.src) + meanAbsolute(made.dstReconstruction, heldOut.dst)) / 2,
    constantReconstruction: SIDES.reduce((total, side) => total + constant(side) / 2, 0),
  };
}
