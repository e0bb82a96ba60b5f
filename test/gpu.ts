import { afterAll, afterEach, expect } from "vitest";
import { Gpu } from "../src/engine/gpu.js";
import { makeNode, type Node } from "../src/engine/graph.js";
import type { PackAttrs } from "../src/engine/ops/pack.js";
import { runsSubgroupKernels } from "../src/engine/ops/subgroup.js";
import { bytes, lastBlocks, type Shape, unpack } from "../src/engine/shape.js";
import { type CompileOptions, compile, constant, gradients, mul, type Program, sum } from "../src/index.js";
import { openGpu } from "../src/platform/node.js";
import { type Bound, worstError } from "./reference/bounds.js";
import { type Tensor, zeros } from "./reference/tensor.js";

/** The one device of a test file (vitest runs each file in a process of its own); SHIBORI_ADAPTER chooses the adapter. */
// With Dawn's bounds checks, which the embedded adapter otherwise goes without: nothing may depend on them.
export const gpu = await openGpu({ robustness: true });

/** Every test file runs its convolutions with each kernel style of this adapter, forced by `kernels: { "*": style }`. */
export const STYLES = runsSubgroupKernels(gpu.subgroupSize) ? ["baseline", "subgroup", "tile"] : ["baseline", "tile"];

// Errors outside of a scope come late: wait for them, and let none pass.
afterEach(async () => {
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.check();
});

export type Build = () => Record<string, Node>;

/** A value read back from the GPU. */
export interface Value {
  shape: Shape;
  data: Float32Array;
}

/** Compiles a program, runs one step, and reads every output that has a value. */
export async function evaluate(build: Build, options: CompileOptions = {}): Promise<Record<string, Value>> {
  const program = await compileDirty(build, options);
  await step(program);
  const values = await readAll(program);
  program.destroy();
  return values;
}

/**
 * `compile` with NaN in all memory that the program computes into: an op that leaves a lane unwritten, or that uses one
 * which nobody wrote, shows. Only the gaps between the entries of packed buffers are zero by contract.
 */
export async function compileDirty(build: Build, options: CompileOptions = {}, device = gpu): Promise<Program> {
  const slots: GPUBuffer[] = [];
  device.createBuffer = (label, size, usage) => {
    const buffer = Gpu.prototype.createBuffer.call(device, label, size, usage);
    if (label.startsWith("slot ")) slots.push(buffer);
    return buffer;
  };
  try {
    const program = await compile(device, build, options);
    const { plan, valueOf: indices } = program.layout;
    const spoil = (slot: number, offset: number, size: number) =>
      device.write(slots[slot], new Float32Array(size / 4).fill(Number.NaN), offset);
    expect(slots.length).toBe(plan.slots.length);
    for (const [value, index] of indices) {
      const slot = plan.slotOf[index];
      if ("op" in value && value.op.kind === "pack") {
        const { offsets } = value.attrs as PackAttrs;
        value.inputs.forEach((x, i) => {
          spoil(slot, offsets[i], bytes(x.shape));
        });
      } else {
        spoil(slot, 0, plan.slots[slot]);
      }
    }
    return program;
  } finally {
    // Back to the class's own method.
    Reflect.deleteProperty(device, "createBuffer");
  }
}

/** Runs one step; a validation error is a failure. */
export async function step(program: Program): Promise<void> {
  const { device } = program.gpu;
  device.pushErrorScope("validation");
  await program.run();
  await program.settle();
  const error = await device.popErrorScope();
  if (error) throw new Error(error.message);
}

/** Every output that has a value. @throws Error where a padding lane is not zero */
export async function readAll(program: Program): Promise<Record<string, Value>> {
  const values: Record<string, Value> = {};
  for (const [name, { shape, nodes }] of program.outputs) {
    if (nodes[0].op.kind === "effect") continue;
    const parts: number[] = [];
    for (const node of nodes) {
      const storage = await program.readStorage(node);
      const last = node.shape.at(-1) ?? 1;
      const row = lastBlocks(node.shape) * 4;
      const dirty = storage.findIndex((value, i) => i % row >= last && value !== 0);
      if (dirty >= 0) throw new Error(`${name}: padding lane ${dirty} of ${node.op.name} holds ${storage[dirty]}`);
      for (const value of unpack(storage, node.shape)) parts.push(value);
    }
    values[name] = { shape, data: Float32Array.from(parts) };
  }
  return values;
}

/** A tensor of the oracles as a node. */
export const leaf = (t: Tensor): Node => constant(t.data, t.shape);

/** The gradients of <gy, y>, one per wanted node. */
export const gradientsOf = (y: Node, gy: Tensor, wanted: Node[]): Node[] => gradients(sum(mul(y, leaf(gy))), wanted);

/** The same node with a text in its kernels replaced: a fault that a test must notice. */
export function sabotage(node: Node, text: string, by: string): Node {
  const lower: typeof node.op.lower = (own, target) => {
    const dispatches = node.op.lower?.(own, target) ?? [];
    if (!dispatches.some(({ kernel }) => kernel.source.includes(text))) {
      throw new Error(`no kernel of ${node.op.name} has "${text}"`);
    }
    return dispatches.map((dispatch) => {
      const { name, source } = dispatch.kernel;
      return { ...dispatch, kernel: { name, source: source.replaceAll(text, by) } };
    });
  };
  return makeNode({ ...node.op, lower }, node.inputs, node.attrs);
}

// --- comparing ------------------------------------------------------------------------------------------------------

let worst = { margin: 0, what: "every comparison was exact" };
afterAll(() => {
  console.log(`worst margin on ${gpu.name}: ${worst.margin.toPrecision(2)} of 1 (${worst.what})`);
});

/**
 * |error| ≤ c · count · 2⁻²⁴ · magnitude, for each element.
 *
 * For sums c = 2: each of K terms is rounded at most K times (its product and the additions after it), and once more in
 * a factor computed before or applied behind (an activation's slope, a mean's 1 / n). 2⁻²⁴ is rounding to nearest, as
 * all known adapters do.
 */
export function expectWithin(what: string, actual: Value, expected: Tensor, bound: Bound, c = 2): void {
  expect(actual.shape, what).toEqual(expected.shape);
  const margin = worstError(actual.data, expected, bound) / c;
  if (margin <= 1 && margin > worst.margin) worst = { margin, what };
  expect(margin, `${what}: error as a fraction of what rounding explains`).toBeLessThanOrEqual(1);
}

/** |error| ≤ tolerance, for each element. */
export function expectNear(what: string, actual: Value, expected: Tensor, tolerance: ArrayLike<number>): void {
  expectWithin(what, actual, expected, toleranceBound(expected, tolerance), 1);
}

/** A tolerance for each element in the form of a bound, for c = 1. */
export function toleranceBound({ shape }: Tensor, tolerance: ArrayLike<number>): Bound {
  const bound = { magnitude: zeros(shape), count: zeros(shape) };
  bound.magnitude.data.set(Array.from(tolerance, (t) => t * 2 ** 24));
  bound.count.data.fill(1);
  return bound;
}

/** Equal to the last bit; 0 and −0 are equal. */
export function expectExact(what: string, actual: Value, expected: Tensor): void {
  expect(actual.shape, what).toEqual(expected.shape);
  const wrong = expected.data.findIndex((value, i) => actual.data[i] !== value);
  expect(wrong < 0 ? "equal" : `[${wrong}] is ${actual.data[wrong]}, not ${expected.data[wrong]}`, what).toBe("equal");
}
