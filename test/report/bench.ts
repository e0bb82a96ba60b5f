import type { KernelTime } from "../../src/bench/profile.js";
import type { BenchRecord, MeasuredCase, MeasuredKernel, MeasuredStep } from "../../src/bench/record.js";
import { standingOf } from "../../src/bench/roofline.js";
import type { Attempt, Roofs } from "../../src/bench/roofs.js";
import { roofOf } from "../../src/bench/roofs.js";
import { type Figure, figureOf } from "../../src/bench/statistics.js";

/** A figure around a value. */
const around = (value: number): Figure => figureOf([0.9, 0.98, 1, 1.03, 1.2].map((part) => part * value));

const attempt = (name: string, rate: number, bytes?: number): Attempt => ({ name, rate: around(rate), bytes });

const PEAKS = [attempt("1 chain of vec4s, 64 lanes", 4e10), attempt("4 chains of vec4s, 64 lanes", 8e10)];
const BANDWIDTHS = [attempt("kernel", 6e9, 2 ** 27), attempt("buffer to buffer", 1e10, 2 ** 27)];
const CACHES = [attempt("buffer to buffer", 5e10, 2 ** 20)];

export const ROOFS: Roofs = {
  clock: "device",
  ...{
    peak: PEAKS[1],
    peaks: PEAKS,
    bandwidth: BANDWIDTHS[1],
    bandwidths: BANDWIDTHS,
    cache: CACHES[0],
    caches: CACHES,
  },
  ...{ launch: around(12e-6), pass: around(90e-6), encode: around(3e-6) },
};

/** A kernel of these rates, used by presets in these shares. */
export function kernel(change: Partial<KernelTime> & { micros?: number }): MeasuredKernel {
  const { micros = 800, ...fields } = change;
  const time: KernelTime = {
    ...{ op: "conv2d", kernel: "conv2d_subgroup", choice: "subgroup", repeats: 3, flops: 1e7, bytes: 5e5 },
    ...{ inputs: [[2, 16, 16, 32], [3, 3, 32, 64], [64]], output: [2, 16, 16, 64], seconds: around(micros * 1e-6) },
    uses: [{ name: "avatar-64", calls: 2, total: 2e-6 * micros, share: 0.4 }],
    ...fields,
  };
  return { ...time, ...standingOf(time, time.seconds.median, roofOf(ROOFS)) };
}

const step = (preset: string, change: Partial<MeasuredStep> = {}): MeasuredStep => ({
  ...{ preset, description: "a recipe", batch: 2, flops: 1.64e8, dispatches: 108, kernels: 0.031, stepsPerSecond: 25 },
  times: {
    ...{ wall: around(0.04), host: around(0.002), cpu: around(0.05), gpu: around(0.03), gap: around(0.01), steps: 20 },
  },
  ...{ flopRate: 4.1e9, hostPerDispatch: 2e-5 },
  compile: { plan: 0.05, tuning: 0, program: 1.2, firstStep: 0.3 },
  memory: { slots: 34, planned: 3_000_000, lowerBound: 2_900_000, total: 6_000_000 },
  ...change,
});

const swept = (op: string, channels: number, size: number): MeasuredCase => {
  const uses = [{ name: `${op}, ${channels} channels, ${size} px`, calls: 1, total: 1e-3, share: 1 }];
  const one = kernel({ op, uses, flops: op === "sum" ? 1e4 : 1e6 * channels });
  const { flops, bytes, seconds } = one;
  const standing = standingOf(one, seconds.median, roofOf(ROOFS));
  return { op, channels, size, flops, bytes, seconds: seconds.median, ...standing, kernels: [one] };
};

/** What a bench might have measured. */
export const benchRecord = (change: Partial<BenchRecord> = {}): BenchRecord => ({
  what: "shibori bench",
  command: "shibori bench --preset avatar-64",
  date: "2026-11-26T03:00:00.000Z",
  seconds: 40,
  machine: {
    adapter: { kind: "software", name: "llvmpipe", driver: "Mesa 25", subgroupSize: 8 },
    ...{ dawnOptions: "", versions: { shibori: "0.1.0", node: "20", dawn: "0.6" }, system: "Linux", load: [0.5, 1.5] },
    processor: { model: "a processor", count: 2 },
  },
  rounds: 5,
  roofs: ROOFS,
  steps: [step("avatar-64"), step("avatar-128", { times: { wall: around(0.1), host: around(0.002), steps: 9 } })],
  kernels: [
    kernel({
      uses: [
        { name: "avatar-64", calls: 2, total: 1.6e-3, share: 0.4 },
        { name: "avatar-128", calls: 1, total: 0.8e-3, share: 0.1 },
      ],
    }),
    kernel({ op: "adam", kernel: "adam", choice: undefined, inputs: [[9, 4], []], output: [], flops: 0, bytes: 4e6 }),
    kernel({ op: "sum", kernel: "reduce:<sub>&abs", choice: undefined, flops: 1e5, bytes: 4e5, micros: 20 }),
    kernel({ op: "clock", kernel: "advance", choice: undefined, inputs: [], output: [], flops: 0, bytes: 32 }),
  ],
  sweep: {
    batch: 8,
    cases: ["conv2d", "sum"].flatMap((op) => [3, 64].map((channels) => swept(op, channels, 8))),
    leftOut: ["conv2d, 256 channels, 128 px"],
  },
  ...change,
});
