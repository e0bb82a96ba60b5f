import { describe, expect, it } from "vitest";
import { suited } from "../../../src/engine/candidates.js";
import { type ConvAttrs, withDerivative } from "../../../src/engine/ops/conv2d.js";
import { runsSubgroupKernels } from "../../../src/engine/ops/subgroup.js";
import { conv2d, convTranspose2d, type Node } from "../../../src/index.js";
import { evaluate, expectWithin, gpu, leaf, sabotage } from "../../gpu.js";
import * as conv from "../../reference/conv2d.js";
import * as transposed from "../../reference/convTranspose2d.js";
import { map, randomTensors, type Tensor } from "../../reference/tensor.js";
import * as winograd from "../../reference/winograd.js";

const random = randomTensors(900);
const all = (n: number) => ({ top: n, bottom: n, left: n, right: n });
const leaky = { leakyRelu: 0.25 } as const;
const forced = { kernels: { conv2d: "winograd", convTranspose2d: "winograd" } };

/** Extents around the tiles of 4 pixels, and around the product's of 16 tiles and 32 channels. */
const cases: Record<string, { x: number[]; co: number; padding: conv.Padding; bias?: boolean }> = {
  "one pixel": { x: [1, 1, 1, 8], co: 8, padding: all(1) },
  "a tile": { x: [1, 6, 6, 8], co: 8, padding: all(0), bias: true },
  "a pixel more than a tile": { x: [1, 5, 5, 9], co: 11, padding: all(1) },
  "33 tiles, 37 to 53": { x: [3, 9, 41, 37], co: 53, padding: all(1), bias: true },
  "other padding on each side": {
    x: [2, 7, 6, 12],
    co: 33,
    padding: { top: 2, bottom: 0, left: 1, right: 2 },
    bias: true,
  },
  "17 to 8, wide padding": { x: [1, 3, 2, 17], co: 8, padding: all(2) },
};
const list = Object.entries(cases).map(([name, own]) => [name, own] as const);

// Only adapters with subgroups have the kernel's product.
describe.runIf(runsSubgroupKernels(gpu.subgroupSize))("Winograd's convolution", () => {
  it.each(list)("conv2d: %s", async (name, { x: shape, co, padding, bias }) => {
    const [x, w, b] = [random(shape), random([3, 3, shape[3], co]), bias ? random([co]) : null];
    const options = { stride: 1, padding, activation: bias ? leaky : ("none" as const) };
    const { y } = await evaluate(
      () => ({ y: conv2d(leaf(x), leaf(w), { ...options, bias: b ? leaf(b) : undefined }) }),
      forced,
    );
    expectWithin(name, y, conv.forward(x, w, b, options), winograd.bound(x, w, b, padding));
  });

  // As a conv2d's input gradient has it; padding beyond 2 does not occur.
  it.each(list)("convTranspose2d: %s", async (name, { x: shape, co, padding, bias }) => {
    const [x, w, b] = [
      random([shape[0], shape[1] + 4, shape[2] + 4, shape[3]]),
      random([3, 3, co, shape[3]]),
      bias ? random([co]) : null,
    ];
    const options = { stride: 1, padding, activation: bias ? leaky : ("none" as const) };
    const { y } = await evaluate(
      () => ({ y: convTranspose2d(leaf(x), leaf(w), { ...options, bias: b ? leaf(b) : undefined }) }),
      forced,
    );
    expectWithin(name, y, transposed.forward(x, w, b, options), winograd.boundTransposed(x, w, b, padding));
  });

  it("multiplies by an activation's derivative", async () => {
    const [x, w, slopes] = [random([1, 6, 7, 9]), random([3, 3, 9, 10]), random([1, 4, 5, 10])];
    const node = () => withDerivative(conv2d(leaf(x), leaf(w)) as Node<ConvAttrs>, leaky, leaf(slopes)) as Node;
    const { y } = await evaluate(() => ({ y: node() }), forced);
    const slope = map(slopes, (v) => (v > 0 ? 1 : 0.25));
    const times = (t: Tensor) => map(t, (v, i) => v * slope.data[i]);
    const { magnitude, count } = winograd.bound(x, w, null, all(0));
    const plain = conv.forward(x, w, null, { stride: 1, padding: all(0) });
    expectWithin("derivative", y, times(plain), { magnitude: times(magnitude), count });
  });

  it("finds a planted fault", async () => {
    const [x, w] = [random([1, 9, 9, 8]), random([3, 3, 8, 8])];
    const of = async (text: string, by: string) => {
      const { y } = await evaluate(() => ({ y: sabotage(conv2d(leaf(x), leaf(w)), text, by) }), forced);
      const plain = conv.forward(x, w, null, { stride: 1, padding: all(0) });
      expectWithin("planted", y, plain, winograd.bound(x, w, null, all(0)));
    };
    await of("8.0 * e", "8.0 * e");
    await expect(of("8.0 * e", "7.9 * e")).rejects.toThrow(/fraction/);
    await expect(of("2.0 * (d3 - d1)", "2.01 * (d3 - d1)")).rejects.toThrow(/fraction/);
    await expect(of("b / 12.0", "b / 11.9")).rejects.toThrow(/fraction/);
  });

  it("is offered for 3×3 weights of stride 1 and enough channels, where its numbers fit a binding; not as a guess", () => {
    const target = { cpu: true, subgroupSize: 8, kernels: {}, maxBindingBytes: 2 ** 27 };
    const names = (x: number[], w: number[], stride = 1, change = {}) => {
      const node = conv2d(leaf(random(x)), leaf(random(w)), { stride });
      return suited(node.op.candidates?.(node, { ...target, ...change }) ?? [], target).map(({ name }) => name);
    };
    const own: [number[], number[]] = [
      [1, 8, 8, 8],
      [3, 3, 8, 16],
    ];
    expect(names(...own)).toContain("winograd");
    expect(names(...own)[0]).toMatch(/^subgroup/);
    expect(names(...own, 2)).not.toContain("winograd");
    expect(names([1, 8, 8, 8], [5, 5, 8, 16])).not.toContain("winograd");
    expect(names([1, 8, 8, 4], [3, 3, 4, 16])).not.toContain("winograd");
    expect(names(...own, 1, { maxBindingBytes: 2 ** 14 })).not.toContain("winograd");
    expect(names(...own, 1, { subgroupSize: 0 })).not.toContain("winograd");
  });
});
