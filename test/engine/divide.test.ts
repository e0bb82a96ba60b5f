import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { STORAGE } from "../../src/engine/gpu.js";
import { gpu } from "../gpu.js";

/** The kernels' `divide`: all have the same (shader.test.ts). */
const source = readFileSync(new URL("../../shaders/conv2d_subgroup.wgsl", import.meta.url), "utf8");
const [divide] = /^fn divide\([\s\S]*?^\}/m.exec(source) as RegExpExecArray;

/** a / d as the GPU computes it. */
async function quotients(
  kernel: string,
  small: number,
  pairs: readonly (readonly [number, number])[],
): Promise<number[]> {
  const { device } = gpu;
  const code = `const SMALL: u32 = ${small};
${kernel}
@group(0) @binding(0) var<storage, read_write> pairs: array<vec2u>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= arrayLength(&pairs)) { return; }
  pairs[id.x].x = divide(pairs[id.x].x, pairs[id.x].y);
}`;
  const compute = { module: device.createShaderModule({ code }) };
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute });
  const buffer = gpu.createBuffer("pairs", pairs.length * 8, STORAGE);
  gpu.write(buffer, Uint32Array.from(pairs.flat()));
  const entries = [{ binding: 0, resource: { buffer, size: pairs.length * 8 } }];
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(Math.ceil(pairs.length / 64));
  pass.end();
  device.queue.submit([encoder.finish()]);
  const result = new Uint32Array(await gpu.read(buffer, 0, pairs.length * 8));
  buffer.destroy();
  return pairs.map((_, i) => result[2 * i]);
}

const divisors = [1, 2, 3, 4, 5, 7, 11, 15, 16, 31, 33, 64, 127, 129, 509, 1000, 4099, 65537, 2 ** 20 - 1];
const expectExact = async (small: number, limit: number, kernel = divide) => {
  // Around every kind of multiple of the divisor, the largest included.
  const pairs = divisors.flatMap((d) => {
    const multiples = [0, 1, 2, 3, Math.floor(limit / d / 2), Math.floor((limit - 1) / d)].map((q) => q * d);
    const near = multiples.flatMap((m) => [m - 1, m, m + 1, m + d - 1]);
    return near.filter((a) => a >= 0 && a < limit).map((a) => [a, d] as const);
  });
  const found = await quotients(kernel, small, pairs);
  expect(found).toEqual(pairs.map(([a, d]) => Math.floor(a / d)));
};

it("divides exactly below 2^20", () => expectExact(1, 2 ** 20));
it("divides exactly whatever the size, the long way", () => expectExact(0, 2 ** 32));
it("does not without the half that keeps it away from whole numbers", () =>
  expect(expectExact(1, 2 ** 20, divide.replace("+ 0.5", "- 0.5"))).rejects.toThrow());
