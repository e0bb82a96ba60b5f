import { GpuError } from "../../src/engine/errors.js";
import type { Gpu } from "../../src/engine/gpu.js";
import { type Dispatch, type Node, Scratch } from "../../src/engine/graph.js";
import { kernel, linear } from "../../src/engine/lower.js";
import { input } from "../../src/index.js";
import { dispatchOf } from "./ladder.js";
import { ProblemMemory, type Ready } from "./problemMemory.js";
import copySource from "./roofs/copy.wgsl";
import fmaSource from "./roofs/fma.wgsl";
import { Timer } from "./timing.js";

/** A kernel that does nothing but reach a limit of the adapter. */
export interface Roof {
  readonly ready: Ready;
  /** FLOPs, or bytes read and written, of one run. */
  readonly work: number;
  /** ms of one run, roughly. */
  readonly expected: number;
  readonly destroy: () => void;
}

const FEW_STEPS = 256;
const K = 1 - 2 ** -10;
const ADD = 0.25;

/**
 * FMAs in registers: the best of a few counts of independent chains. A run takes about `ms`.
 * @throws GpuError if the kernel computes something else
 */
export async function fmaRoof(gpu: Gpu, ms: number): Promise<Roof & { chains: number }> {
  const invocations = gpu.kind === "hardware" ? 2 ** 17 : 2 ** 11;
  const y = input("y", [invocations, 4]);
  const memory = new ProblemMemory(gpu, y);
  const timer = new Timer(gpu);
  const tries: { chains: number; ready: Ready; ms: number }[] = [];
  for (const chains of [2, 4, 8, 16]) {
    const ready = await memory.prepare([fma(y, chains, FEW_STEPS)]);
    await timer.read(ready); // compiles
    checkFma(await memory.read(), chains);
    tries.push({ chains, ready, ms: Number.POSITIVE_INFINITY });
  }
  for (let round = 0; round < 8; round++) {
    for (const each of tries) each.ms = Math.min(each.ms, (await timer.read(each.ready, 4)).wall);
  }
  for (const each of tries) each.ready.destroy();
  const [best] = tries.sort((a, b) => b.chains / b.ms - a.chains / a.ms);
  const { chains } = best;
  const steps = Math.max(FEW_STEPS, Math.min(2 ** 20, Math.round((FEW_STEPS * ms) / best.ms)));
  const ready = await memory.prepare([fma(y, chains, steps)]);
  const destroy = () => {
    ready.destroy();
    memory.destroy();
    timer.destroy();
  };
  return {
    ready,
    work: 2 * 4 * chains * steps * invocations,
    expected: (await timer.read(ready)).wall,
    destroy,
    chains,
  };
}

const fma = (y: Node, chains: number, steps: number): Dispatch => {
  const offer = { bind: { y }, uniform: { steps, k: K, c: ADD } };
  return dispatchOf(kernel("fma", fmaSource, { CHAINS: chains }), offer, linear(y.shape[0]));
};

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

/** A copy that moves so many bytes, half of them read: as few as an op moves may stay in a cache, as the op's would. */
export async function copyRoof(gpu: Gpu, moved: number): Promise<Roof> {
  const size = Math.min(Math.ceil(moved / 32) * 16, gpu.maxBindingBytes);
  const memory = new ProblemMemory(gpu, input("unused", [1]));
  const timer = new Timer(gpu);
  const offer = { bind: { x: new Scratch(size), y: new Scratch(size) }, uniform: { count: size / 16 } };
  const ready = await memory.prepare([dispatchOf(kernel("copy", copySource), offer, linear(size / 16))]);
  ready.spoil(); // a system may give memory that was never written no place of its own
  await timer.read(ready); // compiles
  const destroy = () => {
    ready.destroy();
    memory.destroy();
    timer.destroy();
  };
  return { ready, work: 2 * size, expected: (await timer.read(ready)).wall, destroy };
}
