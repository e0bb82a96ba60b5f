/** The heavy ops over a range of sizes, each compiled and timed by itself. */
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Node } from "../engine/graph.js";
import { conv2d } from "../engine/ops/conv2d.js";
import { conv2dWeightGrad } from "../engine/ops/conv2dWeightGrad.js";
import { convTranspose2d } from "../engine/ops/convTranspose2d.js";
import { dense } from "../engine/ops/dense.js";
import { add, leakyRelu } from "../engine/ops/pointwise.js";
import { random } from "../engine/ops/random.js";
import { sum } from "../engine/ops/sum.js";
import { compile, type Program } from "../engine/program.js";
import { type Source, timeLaunches } from "./profile.js";
import { leastSeconds, type Roof } from "./roofline.js";

const CHANNELS = [3, 8, 16, 32, 64, 128, 256];
const SIZES = [8, 16, 32, 64, 128];
/** Pictures; the avatar presets have 4 to 8. */
export const SWEEP_BATCH = 8;

export interface SweepCase {
  readonly op: string;
  readonly channels: number;
  /** Height and width of the larger map, in pixels. */
  readonly size: number;
  /** Of the op itself, to tell how long it may take. */
  readonly flops: number;
  readonly bytes: number;
  readonly build: () => Node;
}

/** 3×3 kernels; stride 1, but 2 for the transposed convolution. Dense layers take a row of the picture. */
export function sweepCases(): SweepCase[] {
  return SIZES.flatMap((size) =>
    CHANNELS.flatMap((channels) => {
      const [n, s, c] = [SWEEP_BATCH, size, channels];
      const x = (edge = s) => random([n, edge, edge, c]);
      const w = () => random([3, 3, c, c]);
      const map = 4 * n * s * s * Math.ceil(c / 4) * 4;
      const weights = 9 * 16 * c * Math.ceil(c / 4);
      const conv = 2 * n * s * s * 9 * c * c;
      const one = (op: string, flops: number, bytes: number, build: () => Node): SweepCase => ({
        ...{ op, channels, size, flops, bytes, build },
      });
      return [
        one("conv2d", conv, 2 * map + weights, () => conv2d(x(), w(), { padding: 1 })),
        one("convTranspose2d", conv / 4, 1.25 * map + weights, () =>
          convTranspose2d(x(s / 2), w(), { stride: 2, padding: 1, outputPadding: 1 }),
        ),
        one("conv2dWeightGrad", conv, 2 * map + weights, () =>
          conv2dWeightGrad(x(), x(), { stride: 1, padding: { top: 1, bottom: 1, left: 1, right: 1 } }, [3, 3, c, c]),
        ),
        one("dense", 2 * n * s * c * c, 4 * s * c * c, () => dense(random([n, s * c]), random([s * c, c]))),
        one("sum", map / 4, map, () => sum(x(), { axes: [0, 1, 2] })),
        one("pointwise", 0, 3 * map, () => leakyRelu(add(x(), x()))),
      ];
    }),
  );
}

/** A case, as it was timed. */
export interface TimedCase {
  readonly of: SweepCase;
  readonly source: Source;
}

export interface Sweep {
  readonly timed: readonly TimedCase[];
  /** Cases for which there was no time, or no room in one binding. */
  readonly leftOut: readonly string[];
}

export interface SweepOptions {
  /** Seconds for the whole sweep. */
  readonly budget: number;
  /** Readings of each dispatch. */
  readonly rounds: number;
  /** Seconds that a pass takes beyond its dispatches. */
  readonly pass: number;
  readonly roof: Roof;
  readonly cases?: readonly SweepCase[];
}

const caseName = ({ op, channels, size }: SweepCase): string => `${op}, ${channels} channels, ${size} px`;

/** Small cases first, so that the budget is spent on as many as it can be. @throws GpuError */
export async function runSweep(gpu: Gpu, options: SweepOptions): Promise<Sweep> {
  const { budget, rounds, pass, roof, cases = sweepCases() } = options;
  const begin = performance.now();
  const timed: TimedCase[] = [];
  const leftOut: string[] = [];
  const expected = (one: SweepCase) => leastSeconds(one, roof);
  for (const one of [...cases].sort((a, b) => expected(a) - expected(b))) {
    const left = budget - (performance.now() - begin) / 1e3;
    // Kernels reach a tenth of the roof or more; inputs are drawn, and the first step compiles.
    if (left <= 0 || 10 * expected(one) * (rounds + 3) > left) {
      leftOut.push(caseName(one));
      continue;
    }
    const program = await compileCase(gpu, one);
    if (!program) {
      leftOut.push(caseName(one));
      continue;
    }
    await program.run();
    await program.settle();
    // All but the clock and the random numbers that stand for the data.
    const launches = program.launches.filter(({ node }) => node !== undefined && node.op.name !== "random");
    const { dispatches } = await timeLaunches(gpu, launches, { rounds, pass });
    timed.push({ of: one, source: { name: caseName(one), dispatches, choices: program.choices } });
    program.destroy();
  }
  return { timed, leftOut };
}

/** Fused as in training; undefined where the adapter has no room for it, or would cut it along the batch. */
async function compileCase(gpu: Gpu, one: SweepCase): Promise<Program | undefined> {
  try {
    const program = await compile(gpu, () => ({ y: one.build() }));
    if (program.outputs.get("y")?.nodes.length === 1) return program;
    program.destroy();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  return undefined;
}
