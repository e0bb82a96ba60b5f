import { GpuError } from "../../src/engine/errors.js";
import type { Gpu } from "../../src/engine/gpu.js";
import { Scratch } from "../../src/engine/graph.js";
import { kernel, linear } from "../../src/engine/lower.js";
import { input } from "../../src/index.js";
import { dispatchOf } from "./ladder.js";
import copySource from "./roofs/copy.wgsl";
import fmaSource from "./roofs/fma.wgsl";
import { median } from "./statistics.js";
import { type Ready, timed, Workbench } from "./workbench.js";

/** What the adapter can do at most, as measured. */
export interface Roofs {
  /** GFLOP/s of FMAs in registers, and how many independent chains of vec4s an invocation reached it with. */
  readonly fma: number;
  readonly chains: number;
  /** GB/s of a copy, read and written. */
  readonly copy: number;
}

const ROUNDS = 7;
const FEW_STEPS = 256;
const READING_MS = 20;
const K = 1 - 2 ** -10;
const ADD = 0.25;

/** Bytes moved that are beyond every cache. */
const FAR = 2 ** 27;

/** @throws GpuError if the FMA kernel computes something else */
export async function measureRoofs(gpu: Gpu): Promise<Roofs> {
  let best = { fma: 0, chains: 0 };
  for (const chains of [2, 4, 8, 16]) {
    const fma = await fmaRoof(gpu, chains);
    if (fma > best.fma) best = { fma, chains };
  }
  return { ...best, copy: await copyRoof(gpu, FAR) };
}

async function fmaRoof(gpu: Gpu, chains: number): Promise<number> {
  const invocations = gpu.kind === "hardware" ? 2 ** 17 : 2 ** 11;
  const y = input("y", [invocations, 4]);
  const bench = new Workbench(gpu, y, new Map());
  const prepare = (steps: number) => {
    const offer = { bind: { y }, uniform: { steps, k: K, c: ADD } };
    return bench.prepare([dispatchOf(kernel("fma", fmaSource, { CHAINS: chains }), offer, linear(invocations))]);
  };
  const few = await prepare(FEW_STEPS);
  await timed(gpu, few); // compiles
  checkFma(await bench.read(), chains);
  const ms = Math.min(await timed(gpu, few), await timed(gpu, few));
  few.destroy();
  const steps = Math.max(FEW_STEPS, Math.min(2 ** 20, Math.round((FEW_STEPS * READING_MS) / ms)));
  const many = await prepare(steps);
  const taken = await medianOf(gpu, many);
  many.destroy();
  bench.destroy();
  return (2 * 4 * chains * steps * invocations) / taken / 1e6;
}

/** a ← a·k + c runs to c / (1 − k): after s steps k^s of the distance is left. */
function checkFma(values: Float32Array, chains: number): void {
  const limit = ADD / (1 - K);
  const left = K ** FEW_STEPS;
  const wrong = values.findIndex((value, i) => {
    const first = (i % 4) + (Math.floor(i / 4) % 8);
    let sum = 0;
    for (let chain = 0; chain < chains; chain++) sum += limit + (first + chain - limit) * left;
    return !(Math.abs(value / sum - 1) < 1e-4);
  });
  if (wrong >= 0) throw new GpuError(`the FMA roof with ${chains} chains computed ${values[wrong]} at ${wrong}`);
}

/** GB/s of a copy that moves so many bytes, half of them read: fewer may stay in a cache, as an op's own would. */
export async function copyRoof(gpu: Gpu, moved: number): Promise<number> {
  const size = Math.min(Math.ceil(moved / 32) * 16, gpu.maxBindingBytes);
  const bench = new Workbench(gpu, input("none", [1]), new Map());
  const offer = { bind: { x: new Scratch(size), y: new Scratch(size) }, uniform: { count: size / 16 } };
  const copy = await bench.prepare([dispatchOf(kernel("copy", copySource), offer, linear(size / 16))]);
  const ms = await medianOf(gpu, copy);
  copy.destroy();
  bench.destroy();
  return (2 * size) / ms / 1e6;
}

async function medianOf(gpu: Gpu, ready: Ready): Promise<number> {
  await timed(gpu, ready); // compiles
  const times = [await timed(gpu, ready)];
  const repeats = Math.max(1, Math.min(200, Math.round(READING_MS / times[0])));
  while (times.length < ROUNDS) times.push(await timed(gpu, ready, repeats, Math.min(...times)));
  return median(times);
}
