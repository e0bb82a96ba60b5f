import type { Gpu } from "../../src/engine/gpu.js";
import { lastBlocks, type Shape, unpack } from "../../src/engine/shape.js";
import { worstError } from "../../test/reference/bounds.js";
import type { Reference } from "./ladder.js";
import type { ProblemMemory, Ready } from "./problemMemory.js";

/** As the ops' own tests: see expectWithin in test/gpu.ts. */
const C = 2;

/** What a check found: the worst error as a fraction of what rounding explains, and in words what is wrong, if so. */
export interface Verdict {
  readonly margin: number;
  readonly fault?: string;
}

/** Compares a result as it lies in memory with the reference: every element, and every padding lane. */
export function judge(storage: Float32Array, shape: Shape, { value, bound }: Reference): Verdict {
  const last = shape.at(-1) ?? 1;
  const row = lastBlocks(shape) * 4;
  const margin = worstError(unpack(storage, shape), value, bound) / C;
  const dirty = storage.findIndex((v, i) => i % row >= last && v !== 0);
  if (dirty >= 0) return { margin, fault: `padding lane ${dirty} holds ${storage[dirty]}, not 0` };
  if (!(margin <= 1)) {
    const how = Number.isFinite(margin)
      ? `${margin.toPrecision(3)} times what rounding explains`
      : "NaN or unexplained";
    return { margin, fault: `the worst error is ${how}` };
  }
  return { margin };
}

/** Runs a rung once, in memory full of NaN, and judges its result. */
export async function check(
  gpu: Gpu,
  memory: ProblemMemory,
  ready: Ready,
  shape: Shape,
  reference: Reference,
): Promise<Verdict> {
  ready.spoil();
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  ready.launches.encode(pass);
  pass.end();
  gpu.device.queue.submit([encoder.finish()]);
  return judge(await memory.read(), shape, reference);
}
