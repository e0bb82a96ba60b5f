import type { Gpu } from "../engine/gpu.js";
import { type BoundTo, Scratch } from "../engine/graph.js";
import { Launches } from "../engine/launch.js";
import type { Kernel } from "../engine/shader.js";

/**
 * A kernel outside of any program, ready to be launched.
 * @param buffers what its storage variables are bound to, by name; each whole
 * @throws GpuError
 */
export function makeLaunch(
  gpu: Gpu,
  kernel: Kernel,
  buffers: Readonly<Record<string, GPUBuffer>>,
  uniform: Readonly<Record<string, number>>,
  groups: readonly [number, number, number],
): Promise<Launches> {
  const places = new Map<BoundTo, GPUBuffer>();
  const bind = Object.fromEntries(
    Object.entries(buffers).map(([name, buffer]) => {
      const place = new Scratch(buffer.size);
      places.set(place, buffer);
      return [name, place];
    }),
  );
  return Launches.prepare(gpu, [{ kernel, bind, uniform, groups }], (bound) => {
    const buffer = places.get(bound) as GPUBuffer;
    return { buffer, offset: 0, bytes: buffer.size };
  });
}
