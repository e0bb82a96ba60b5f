import { describe, expect, it } from "vitest";
import { suited } from "../../../src/engine/candidates.js";
import { type ConvAttrs, withDerivative } from "../../../src/engine/ops/conv2d.js";
import { conv2dWeightGrad } from "../../../src/engine/ops/conv2dWeightGrad.js";
import { runsSubgroupKernels } from "../../../src/engine/ops/subgroup.js";
import { conv2d, convTranspose2d, type Node } from "../../../src/index.js";
import { evaluate, expectWithin, gpu, gradientsOf, leaf, sabotage } from "../../gpu.js";
import * as conv from "../../reference/conv2d.js";
import * as transposed from "../../reference/convTranspose2d.js";
import { map, randomTensors, type Tensor, zeros } from "../../reference/tensor.js";
import * as winograd from "../../reference/winograd.js";

const random = randomTensors(900);
const all = (n: number) => ({ top: n, bottom: n, left: n, right: n });
const leaky = { leakyRelu: 0.25 } as const;
const forced = { kernels: { conv2d: "winograd", convTranspose2d: "winograd", conv2dWeightGrad: "winograd" } };

interface Case {
  kernel: number;
  stride: number;
  x: number[];
  co: number;
  padding: conv.Padding;
  bias?: boolean;
}

/** Extents around the tiles of 4 pixels, and around the product's of 16 tiles and 32 channels. */
const cases: Record<string, Omit<Case, "kernel" | "stride">> = {
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
const list = Object.entries(cases).map(([name, own]): [string, Case] => [name, { kernel: 3, stride: 1, ...own }]);

/** Extents around the tiles of 8 pixels of x that stride 2 makes, and the other kernels that there are. */
const others: typeof list = [
  ["4×4 s2: one pixel", { kernel: 4, stride: 2, x: [1, 2, 2, 8], co: 8, padding: all(1) }],
  ["4×4 s2: a tile", { kernel: 4, stride: 2, x: [1, 10, 10, 8], co: 8, padding: all(0), bias: true }],
  ["4×4 s2: a pixel more than a tile", { kernel: 4, stride: 2, x: [1, 11, 10, 9], co: 11, padding: all(1) }],
  ["4×4 s2: 33 tiles, 13 to 53", { kernel: 4, stride: 2, x: [3, 18, 82, 13], co: 53, padding: all(1), bias: true }],
  [
    "4×4 s2: other padding on each side",
    {
      ...{ kernel: 4, stride: 2, x: [2, 15, 13, 12], co: 33, bias: true },
      padding: { top: 3, bottom: 0, left: 1, right: 2 },
    },
  ],
  ["2×2 s1", { kernel: 2, stride: 1, x: [2, 6, 9, 18], co: 9, padding: all(1), bias: true }],
  ["7×7 s3, phases by thirds", { kernel: 7, stride: 3, x: [1, 18, 20, 9], co: 12, padding: all(2), bias: true }],
  ["5×5 s2", { kernel: 5, stride: 2, x: [2, 13, 19, 9], co: 12, padding: all(2), bias: true }],
  [
    "5×5 s2, uneven padding",
    { kernel: 5, stride: 2, x: [1, 9, 6, 9], co: 35, padding: { ...all(1), top: 2, left: 0 } },
  ],
  ["6×6 s2", { kernel: 6, stride: 2, x: [1, 14, 15, 11], co: 8, padding: all(2) }],
];

/** Every other one where compiling takes SwiftShader a second a case: there all are for test:full. */
const short = gpu.kind === "embedded" && !process.env.SHIBORI_FULL;
const some = [...list, ...others].filter((_, i) => !short || i % 2 === 1);

// Only adapters with subgroups have the kernel's product.
describe.runIf(runsSubgroupKernels(gpu.subgroupSize))("Winograd's convolution", () => {
  it.each(some)("conv2d: %s", async (name, { kernel, stride, x: shape, co, padding, bias }) => {
    const [x, w, b] = [random(shape), random([kernel, kernel, shape[3], co]), bias ? random([co]) : null];
    const options = { stride, padding, activation: bias ? leaky : ("none" as const) };
    const { y } = await evaluate(
      () => ({ y: conv2d(leaf(x), leaf(w), { ...options, bias: b ? leaf(b) : undefined }) }),
      forced,
    );
    expectWithin(name, y, conv.forward(x, w, b, options), winograd.bound(x, w, b, options));
  });

  // Padding beyond the kernel does not occur, an input gradient's shape may have more rows than the kernel reaches.
  it.each(some)("convTranspose2d: %s", async (name, { kernel, stride, x: shape, co, padding, bias }) => {
    const [height, width] = [shape[1], shape[2]].map((size) => Math.ceil((size + 4) / stride));
    const [x, w, b] = [
      random([shape[0], height, width, shape[3]]),
      random([kernel, kernel, co, shape[3]]),
      bias ? random([co]) : null,
    ];
    const outputPadding = bias ? stride - 1 : 0;
    const options = { stride, padding, outputPadding, activation: bias ? leaky : ("none" as const) };
    const { y } = await evaluate(
      () => ({ y: convTranspose2d(leaf(x), leaf(w), { ...options, bias: b ? leaf(b) : undefined }) }),
      forced,
    );
    expectWithin(name, y, transposed.forward(x, w, b, options), winograd.boundTransposed(x, w, b, options));
  });

  it.each(some)("conv2dWeightGrad: %s", async (name, { kernel, stride, x: shape, co, padding }) => {
    const [x, w] = [random(shape), zeros([kernel, kernel, shape[3], co])];
    const options = { stride, padding };
    const gy = random(conv.outputShape(shape, w.shape, options));
    const { gw } = await evaluate(() => ({ gw: conv2dWeightGrad(leaf(x), leaf(gy), options, w.shape) }), forced);
    const expected = conv.backward(x, w, null, options, gy).gw;
    expectWithin(name, gw, expected, winograd.boundWeightGrad(x, gy, w.shape, options));
  });

  it("conv2dWeightGrad: of a transposed convolution", async () => {
    const [x, w] = [random([2, 5, 4, 9]), random([4, 4, 14, 9])];
    const options = { stride: 2, padding: all(1), outputPadding: 1 };
    const gy = random(transposed.outputShape(x.shape, w.shape, options));
    const { gw } = await evaluate(() => {
      const own = leaf(w);
      return { gw: gradientsOf(convTranspose2d(leaf(x), own, options), gy, [own])[0] };
    }, forced);
    const expected = transposed.backward(x, w, null, options, gy).gw;
    // The weights are a convolution's, from y's channels to x's.
    expectWithin("transposed", gw, expected, winograd.boundWeightGrad(gy, x, w.shape, options));
  });

  it.each([
    ["3×3", [1, 11, 11, 8], [3, 3, 8, 8], 1, "-2, -1, 2,", "-2.01, -1, 2,", "-8, 0, 0", "-7.9, 0, 0"],
    ["4×4 s2", [1, 20, 20, 8], [4, 4, 8, 8], 2, "2, -3, 1", "2.01, -3, 1", "2, 4, 8", "2, 4, 7.9"],
  ] as const)("conv2dWeightGrad finds a planted fault: %s", async (_, xs, ws, stride, inB, badB, inA, badA) => {
    const options = { stride, padding: all(0) };
    const [x, gy] = [random([...xs]), random(conv.outputShape([...xs], [...ws], options))];
    const of = async (text: string, by: string) => {
      const own = () => conv2dWeightGrad(leaf(x), leaf(gy), options, ws);
      const { gw } = await evaluate(() => ({ gw: sabotage(own(), text, by) }), forced);
      const expected = conv.backward(x, zeros([...ws]), null, options, gy).gw;
      expectWithin("planted", gw, expected, winograd.boundWeightGrad(x, gy, [...ws], options));
    };
    await of(inB, inB);
    await expect(of(inB, badB)).rejects.toThrow(/fraction/);
    await expect(of(inA, badA)).rejects.toThrow(/fraction/);
    await expect(of("0.16666666666666666", "0.167")).rejects.toThrow(/fraction/);
    await expect(of("tile < p.tiles", "tile + 1 < p.tiles")).rejects.toThrow(/fraction/);
  });

  it("convTranspose2d: multiplies by an activation's derivative", async () => {
    const [x, w, slopes] = [random([1, 3, 4, 9]), random([4, 4, 10, 9]), random([1, 8, 10, 10])];
    const own = convTranspose2d(leaf(x), leaf(w), { stride: 2 }) as Node<ConvAttrs>;
    const node = () => withDerivative(own, leaky, leaf(slopes)) as Node;
    const { y } = await evaluate(() => ({ y: node() }), forced);
    const slope = map(slopes, (v) => (v > 0 ? 1 : 0.25));
    const times = (t: Tensor) => map(t, (v, i) => v * slope.data[i]);
    const options = { stride: 2, padding: all(0) };
    const { magnitude, count } = winograd.boundTransposed(x, w, null, options);
    const plain = transposed.forward(x, w, null, options);
    expectWithin("derivative", y, times(plain), { magnitude: times(magnitude), count });
  });

  it.each([
    ["3×3", [1, 6, 7, 9], [3, 3, 9, 10], 1],
    ["4×4 s2", [1, 10, 12, 9], [4, 4, 9, 10], 2],
  ] as const)("multiplies by an activation's derivative: %s", async (_, xs, ws, stride) => {
    const [x, w, slopes] = [random([...xs]), random([...ws]), random([1, 4, 5, 10])];
    const node = () =>
      withDerivative(conv2d(leaf(x), leaf(w), { stride }) as Node<ConvAttrs>, leaky, leaf(slopes)) as Node;
    const { y } = await evaluate(() => ({ y: node() }), forced);
    const slope = map(slopes, (v) => (v > 0 ? 1 : 0.25));
    const times = (t: Tensor) => map(t, (v, i) => v * slope.data[i]);
    const { magnitude, count } = winograd.bound(x, w, null, { stride, padding: all(0) });
    const plain = conv.forward(x, w, null, { stride, padding: all(0) });
    expectWithin("derivative", y, times(plain), { magnitude: times(magnitude), count });
  });

  it("finds taps beyond the weights that are not zero", async () => {
    const [x, w] = [random([1, 16, 16, 8]), random([5, 5, 8, 8])];
    const options = { stride: 2, padding: all(0) };
    const node = () => sabotage(conv2d(leaf(x), leaf(w), options), "tapY >= K || tapX >= K", "false");
    const { y } = await evaluate(() => ({ y: node() }), forced);
    const within = () =>
      expectWithin("planted", y, conv.forward(x, w, null, options), winograd.bound(x, w, null, options));
    expect(within).toThrow(/fraction/);
  });

  it.each([
    ["3×3", [1, 9, 9, 8], [3, 3, 8, 8], 1, "-8, 1)", "-7.9, 1)", "-2, -1, 2,", "-2.01, -1, 2,"],
    ["4×4 s2", [1, 18, 18, 8], [4, 4, 8, 8], 2, "8, 1)", "7.9, 1)", "2, -3, 1", "2.01, -3, 1"],
  ] as const)("finds a planted fault: %s", async (_, xs, ws, stride, inA, badA, inB, badB) => {
    const [x, w] = [random([...xs]), random([...ws])];
    const options = { stride, padding: all(0) };
    const of = async (text: string, by: string) => {
      const { y } = await evaluate(() => ({ y: sabotage(conv2d(leaf(x), leaf(w), { stride }), text, by) }), forced);
      expectWithin("planted", y, conv.forward(x, w, null, options), winograd.bound(x, w, null, options));
    };
    await of(inA, inA);
    await expect(of(inA, badA)).rejects.toThrow(/fraction/);
    await expect(of(inB, badB)).rejects.toThrow(/fraction/);
    await expect(of("0.16666666666666666", "0.167")).rejects.toThrow(/fraction/);
    await expect(of("vec4f(1, 2, 4, 8)", "vec4f(1, 2, 4, 7.9)")).rejects.toThrow(/fraction/);
    await expect(of("if (tile < p.tiles)", "if (tile + 1 < p.tiles)")).rejects.toThrow(/fraction/);
  });

  it("is offered for weights of about 2 or 3 strides and enough channels, where its numbers fit a binding; not as a guess", () => {
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
    expect(names([1, 8, 8, 8], [4, 4, 8, 16], 2)).toContain("winograd");
    expect(names([1, 8, 8, 8], [5, 5, 8, 16], 2)).toContain("winograd");
    expect(names(...own, 2)).not.toContain("winograd");
    expect(names([1, 8, 8, 8], [5, 5, 8, 16])).not.toContain("winograd");
    expect(names([1, 8, 8, 4], [3, 3, 4, 16])).not.toContain("winograd");
    expect(names(...own, 1, { maxBindingBytes: 2 ** 14 })).not.toContain("winograd");
    expect(names(...own, 1, { subgroupSize: 0 })).not.toContain("winograd");

    const ofGradient = (x: number[], w: number[], stride = 1, change = {}) => {
      const options = { stride, padding: all(0) };
      const gy = zeros(conv.outputShape(x, w, options));
      const node = conv2dWeightGrad(leaf(random(x)), leaf(gy), options, w);
      return suited(node.op.candidates?.(node, { ...target, ...change }) ?? [], target).map(({ name }) => name);
    };
    expect(ofGradient(...own)).toContain("winograd");
    expect(ofGradient(...own)[0]).toMatch(/^subgroup/);
    expect(ofGradient([1, 8, 8, 8], [4, 4, 8, 16], 2)).toContain("winograd");
    expect(ofGradient([1, 8, 8, 8], [5, 5, 8, 16], 2)).toContain("winograd");
    expect(ofGradient(...own, 2)).not.toContain("winograd");
    expect(ofGradient([1, 8, 8, 8], [3, 2, 8, 16])).not.toContain("winograd");
    expect(ofGradient([1, 8, 8, 4], [3, 3, 4, 16])).not.toContain("winograd");
    expect(ofGradient(...own, 1, { maxBindingBytes: 2 ** 14 })).not.toContain("winograd");
    expect(ofGradient(...own, 1, { subgroupSize: 0 })).not.toContain("winograd");
  });
});
