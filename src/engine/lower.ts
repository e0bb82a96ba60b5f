import { type Kernel, specialise, unroll } from "./shader.js";

/** By source text, then by constants: to plan a program takes thousands of dispatches of a few dozen kernels. */
const made = new Map<string, Map<string, Kernel>>();

/** A kernel with its constants set and its marked loops unrolled. */
export function kernel(name: string, source: string, constants: Record<string, number | string> = {}): Kernel {
  const own = made.get(source) ?? new Map<string, Kernel>();
  made.set(source, own);
  const key = JSON.stringify([name, constants]);
  const found = own.get(key) ?? unroll(specialise({ name, source }, constants));
  own.set(key, found);
  return found;
}

/** WebGPU allows so many workgroups along one dimension. */
export const MAX_GROUPS = 65535;

/** Workgroups for `count` invocations in groups of 64, numbered `id.x + id.y · groups.x · 64`. */
export function linear(count: number): [number, number, number] {
  return [...folded(Math.ceil(count / 64)), 1];
}

/** `count` workgroups along two dimensions, the first at most MAX_GROUPS. */
export function folded(count: number): [number, number] {
  const y = Math.ceil(count / MAX_GROUPS);
  return [Math.ceil(count / y), y];
}
