/** What an adapter can do at most, measured: arithmetic, memory, launching. */
import copySource from "../../shaders/roof_copy.wgsl";
import emptySource from "../../shaders/roof_empty.wgsl";
import fmaSource from "../../shaders/roof_fma.wgsl";
import { GpuError } from "../engine/errors.js";
import { type Gpu, STORAGE } from "../engine/gpu.js";
import type { Launches } from "../engine/launch.js";
import { folded, kernel } from "../engine/lower.js";
import { Stopwatch } from "../engine/stopwatch.js";
import { makeLaunch } from "./launch.js";
import { readings } from "./readings.js";
import type { Roof } from "./roofline.js";
import { type Figure, figureOf } from "./statistics.js";

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** One way to reach a roof, and how far it came. */
export interface Attempt {
  readonly name: string;
  /** FLOP or bytes per second. */
  readonly rate: Figure;
  /** Of the bandwidth: bytes of the memory that is read, and of that which is written. */
  readonly bytes?: number;
}

/** The roofs of an adapter, with all that was tried. */
export interface Roofs {
  /** Whose clock measured. */
  readonly clock: Stopwatch["clock"];
  /** Multiply-adds on registers, FLOP per second: the best kernel, and all of them. */
  readonly peak: Attempt;
  readonly peaks: readonly Attempt[];
  /** Copies, bytes per second read and written, of more than caches hold. */
  readonly bandwidth: Attempt;
  readonly bandwidths: readonly Attempt[];
  /** The same of small memory, which caches hold. */
  readonly cache: Attempt;
  readonly caches: readonly Attempt[];
  /** Seconds of a dispatch that does nothing, in a run of many. */
  readonly launch: Figure;
  /** Seconds that a compute pass takes beyond its dispatches, as the stopwatch reads it. */
  readonly pass: Figure;
  /** Seconds of the host for a dispatch: pipeline, bind group, dispatch. */
  readonly encode: Figure;
}

export interface RoofOptions {
  /** Readings of each attempt. Default 7. */
  readonly rounds?: number;
  /** Seconds that one reading of the peak takes. Default 0.02. */
  readonly seconds?: number;
  /**
   * Memory to be copied that no cache holds, in bytes; the adapter's limit may lower it. Default 128 MiB, on GPUs, which
   * take less time for it, 512 MiB.
   */
  readonly copyBytes?: number;
}

/**
 * The numbers of the roofline model: the best readings, as STREAM reports them (McCalpin, 1995), since what else a machine
 * does can only lower them.
 */
export function roofOf({ peak, bandwidth, cache, launch }: Roofs): Roof {
  return {
    peak: peak.rate.most,
    bandwidth: bandwidth.rate.most,
    cacheBandwidth: cache.rate.most,
    launch: launch.least,
  };
}

/** Coarser readings, in less time. */
export const quickRoofs = ({ kind }: Gpu): RoofOptions => ({
  ...{ rounds: 3, seconds: 0.005 },
  ...(kind !== "hardware" && { copyBytes: 64 * MIB }),
});

/** @throws GpuError if a kernel does not compute what it should: then its time says nothing */
export async function measureRoofs(gpu: Gpu, options: RoofOptions = {}): Promise<Roofs> {
  const stopwatch = new Stopwatch(gpu, 16);
  const { launch, pass, encode } = await measureLaunching(gpu, stopwatch, options);
  const peaks = await measurePeaks(gpu, stopwatch, options);
  const { bandwidths, caches } = await measureCopies(gpu, stopwatch, options);
  const { clock } = stopwatch;
  stopwatch.destroy();
  return {
    clock,
    ...{ peak: best(peaks), peaks },
    ...{ bandwidth: best(bandwidths), bandwidths, cache: best([...caches, ...bandwidths]), caches },
    ...{ launch, pass, encode },
  };
}

const best = (attempts: readonly Attempt[]): Attempt => attempts.reduce((a, b) => (b.rate.most > a.rate.most ? b : a));

// --- launching -------------------------------------------------------------------------------------------------------

async function measureLaunching(gpu: Gpu, stopwatch: Stopwatch, { rounds = 7 }: RoofOptions) {
  const MANY = 500;
  const count = Math.max(rounds, 15);
  const y = gpu.createBuffer("roof", 16, STORAGE);
  // Two pipelines, so that each dispatch sets one.
  const empty = await Promise.all(
    ["", "//\n"].map((text) =>
      makeLaunch(gpu, kernel("roof_empty", text + emptySource), { y }, { write: 0 }, [1, 1, 1]),
    ),
  );
  const [one, many] = await readings(
    stopwatch,
    [
      { launches: empty[0], repeats: 1 },
      { launches: empty[0], repeats: MANY },
    ],
    count,
  );
  const launch = figureOf(many);
  const pass = figureOf(one.map((seconds) => Math.max(0, seconds - launch.least)));
  const encode: number[] = [];
  for (let round = 0; round < count; round++) {
    const begin = performance.now();
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    for (let i = 0; i < MANY; i++) for (const launches of empty) launches.encode(pass);
    pass.end();
    encoder.finish();
    encode.push((performance.now() - begin) / 1e3 / (2 * MANY));
  }
  gpu.check();
  release(y, ...empty);
  return { launch, pass, encode: figureOf(encode) };
}

const release = (...used: readonly { destroy(): void }[]): void => {
  for (const one of used) one.destroy();
};

// --- arithmetic ------------------------------------------------------------------------------------------------------

/**
 * Different kernels keep different processors busy: more chains hide a longer latency, fewer need fewer registers, and a
 * longer loop body tests its end less often but may not be scheduled as well. (On lavapipe 3 chains of 4 steps reach twice
 * what 4 of 8 do.)
 */
const SHAPES = (cpu: boolean) =>
  cpu
    ? [1, 2, 3, 4, 8].flatMap((CHAINS) => [4, 8].map((REPEATS) => ({ LANES: 64, CHAINS, REPEATS })))
    : [64, 256].flatMap((LANES) => [1, 2, 4, 8].map((CHAINS) => ({ LANES, CHAINS, REPEATS: 8 })));

async function measurePeaks(gpu: Gpu, stopwatch: Stopwatch, options: RoofOptions): Promise<Attempt[]> {
  const { rounds = 7, seconds = 0.02 } = options;
  const cpu = gpu.kind !== "hardware";
  const invocations = cpu ? 2 ** 12 : 2 ** 20;
  const y = gpu.createBuffer("roof", invocations * 16, STORAGE);
  const attempts: { name: string; flops: number; launches: Launches }[] = [];
  for (const shape of SHAPES(cpu)) {
    const { LANES, CHAINS, REPEATS } = shape;
    const fma = kernel("roof_fma", fmaSource, shape);
    const make = (turns: number) =>
      makeLaunch(gpu, fma, { y }, { rounds: turns, a: 1, b: 1 }, [invocations / LANES, 1, 1]);
    // As many turns of the loop as the time needs, told from fewer; at most what float32 counts exactly.
    const most = Math.floor((2 ** 24 / CHAINS - 128) / REPEATS);
    let turns = Math.min(64, most);
    let launches = await make(turns);
    for (;;) {
      const [[took]] = await readings(stopwatch, [{ launches, repeats: 1 }], 1);
      if (took > seconds / 2 || turns === most) break;
      turns = Math.min(most, Math.ceil(turns * Math.min(64, Math.max(2, (0.8 * seconds) / took))));
      launches.destroy();
      launches = await make(turns);
    }
    await checkChains(gpu, y, invocations, CHAINS, turns * REPEATS);
    attempts.push({
      name: `${CHAINS} ${CHAINS === 1 ? "chain" : "chains"} of vec4s, ${REPEATS} steps a turn, ${LANES} lanes`,
      flops: 2 * 4 * CHAINS * REPEATS * turns * invocations,
      launches,
    });
  }
  const timed = attempts.map(({ launches }) => ({ launches, repeats: 1 }));
  const times = await readings(stopwatch, timed, rounds);
  release(y, ...attempts.map(({ launches }) => launches));
  return attempts.map(({ name, flops }, i) => ({ name, rate: figureOf(times[i].map((t) => flops / t)) }));
}

/** Σ over chains c of (i mod 64 + c + steps), for every i. @throws GpuError */
async function checkChains(gpu: Gpu, y: GPUBuffer, invocations: number, chains: number, steps: number): Promise<void> {
  const made = new Float32Array(await gpu.read(y, 0, invocations * 16));
  for (let i = 0; i < invocations; i++) {
    const expected = chains * ((i % 64) + steps) + (chains * (chains - 1)) / 2;
    if (made[4 * i] !== expected || made[4 * i + 3] !== expected) {
      throw new GpuError(`adapter "${gpu.name}" computes ${made[4 * i]} where roof_fma.wgsl gives ${expected}`);
    }
  }
}

// --- memory ----------------------------------------------------------------------------------------------------------

async function measureCopies(gpu: Gpu, stopwatch: Stopwatch, options: RoofOptions) {
  const { rounds = 7, copyBytes = (gpu.kind === "hardware" ? 512 : 128) * MIB } = options;
  const size = Math.min(copyBytes, gpu.maxBindingBytes, gpu.device.limits.maxBufferSize);
  const small = [64 * KIB, 256 * KIB, MIB, 4 * MIB].filter((bytes) => bytes < size);
  const bandwidths = await copiesOf(gpu, stopwatch, size, rounds);
  const caches: Attempt[] = [];
  for (const bytes of small) caches.push(...(await copiesOf(gpu, stopwatch, bytes, rounds)));
  return { bandwidths, caches };
}

/** Kernels, and the copy that the driver has for buffers. */
async function copiesOf(gpu: Gpu, stopwatch: Stopwatch, bytes: number, rounds: number): Promise<Attempt[]> {
  const x = gpu.createBuffer("roof source", bytes, STORAGE);
  const y = gpu.createBuffer("roof target", bytes, STORAGE);
  // Memory that was never written may be one page of zeros, which lies in a cache.
  const pattern = Float32Array.from({ length: Math.min(bytes, 4 * MIB) / 4 }, (_, i) => (i * 7919) % 65_521);
  for (let at = 0; at < bytes; at += pattern.byteLength) {
    gpu.write(x, at + pattern.byteLength > bytes ? pattern.subarray(0, (bytes - at) / 4) : pattern, at);
  }
  const count = bytes / 16;
  // What is short is repeated, so that launching and the pass do not count.
  const repeats = Math.max(1, Math.round((32 * MIB) / bytes));
  const attempts: Attempt[] = [];
  const took = (name: string, times: readonly number[]) =>
    attempts.push({ name, rate: figureOf(times.map((t) => (2 * bytes) / t)), bytes });
  const shapes = [1, 4].flatMap((UNITS) => [64, 256].map((LANES) => ({ UNITS, LANES })));
  const launches: Launches[] = [];
  for (const constants of shapes) {
    const groups = Math.ceil(count / (constants.LANES * constants.UNITS));
    const copy = kernel("roof_copy", copySource, constants);
    launches.push(await makeLaunch(gpu, copy, { x, y }, { count }, [...folded(groups), 1]));
  }
  const times = await readings(
    stopwatch,
    launches.map((one) => ({ launches: one, repeats })),
    rounds,
  );
  shapes.forEach(({ UNITS, LANES }, i) => {
    took(`kernel, ${UNITS} vec4${UNITS > 1 ? "s" : ""} each, ${LANES} lanes`, times[i]);
  });
  await checkCopy(gpu, y, bytes, pattern);
  took("buffer to buffer", await bufferCopies(gpu, x, y, bytes, repeats, rounds));
  release(x, y, ...launches);
  return attempts;
}

/** No pass, so no timestamps: submitted and waited for, `repeats` at once. Seconds of one copy. */
async function bufferCopies(gpu: Gpu, x: GPUBuffer, y: GPUBuffer, bytes: number, repeats: number, rounds: number) {
  const { queue } = gpu.device;
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const encoder = gpu.device.createCommandEncoder();
    for (let i = 0; i < repeats; i++) encoder.copyBufferToBuffer(x, 0, y, 0, bytes);
    const commands = encoder.finish();
    await queue.onSubmittedWorkDone();
    const begin = performance.now();
    queue.submit([commands]);
    // While the promise is pending, Dawn's node binding polls, which takes a core from a CPU adapter: see doze.ts.
    const expected = round ? Math.min(...times) * repeats * 1e3 : 0;
    if (expected > 5) await new Promise((resolve) => setTimeout(resolve, 0.8 * expected));
    await queue.onSubmittedWorkDone();
    times.push((performance.now() - begin) / 1e3 / repeats);
  }
  gpu.check();
  return times.slice(1);
}

/** The first and the last 64 KiB. @throws GpuError */
async function checkCopy(gpu: Gpu, y: GPUBuffer, bytes: number, pattern: Float32Array): Promise<void> {
  const part = Math.min(bytes, 64 * KIB);
  for (const from of [0, bytes - part]) {
    const made = new Float32Array(await gpu.read(y, from, part));
    const wrong = made.findIndex((value, i) => value !== pattern[(from / 4 + i) % pattern.length]);
    if (wrong >= 0) throw new GpuError(`adapter "${gpu.name}" copies wrongly at byte ${from + 4 * wrong}`);
  }
}
