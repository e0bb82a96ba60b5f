import { beforeAll, describe, expect, it } from "vitest";
import { bytes } from "../../../src/engine/shape.js";
import { constant, conv2d, type Node, ShapeError, scale } from "../../../src/index.js";
import {
  compileDirty,
  evaluate,
  expectNear,
  expectWithin,
  gpu,
  leaf,
  readAll,
  STYLES,
  sabotage,
  step,
  type Value,
} from "../../gpu.js";
import * as oracle from "../../reference/conv2d.js";
import { randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";
import { tanhError } from "./accuracy.js";
import { expectLinear, type LinearTensors, linearNodes, pickResults } from "./linear.js";

const NONE = { top: 0, bottom: 0, left: 0, right: 0 };
const all = (n: number) => ({ top: n, bottom: n, left: n, right: n });

interface Case {
  x: number[];
  w: number[];
  bias?: boolean;
  options?: Partial<oracle.Conv2dOptions>;
}

/**
 * Pixels N·H'·W' and channels around the tiles: 4, 16, 32 and 64 pixels; 1, 4, 8, 16 vec4s of channels, 8 and 4 lanes.
 * Pipelines are dear on a cold lavapipe (seconds each): activations come with a bias, and most at one width.
 */
const cases: Record<string, Case> = {
  "1 pixel, 1 to 1 channels": { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  "15 pixels, 3 to 5": {
    x: [1, 3, 5, 3],
    w: [3, 3, 3, 5],
    bias: true,
    options: { padding: all(1), activation: { leakyRelu: 0.25 } },
  },
  "16 pixels, 4 to 4, relu": {
    x: [1, 4, 4, 4],
    w: [3, 3, 4, 4],
    bias: true,
    options: { padding: all(1), activation: "relu" },
  },
  "17 pixels, 5 to 16, a 1×3 kernel": {
    x: [1, 1, 17, 5],
    w: [1, 3, 5, 16],
    options: { padding: { ...NONE, left: 1, right: 1 } },
  },
  "65 pixels, 6 to 7": { x: [1, 5, 13, 6], w: [3, 3, 6, 7], bias: true, options: { padding: all(1) } },
  "130 pixels, 9 to 13, a 1×2 kernel": { x: [2, 5, 14, 9], w: [1, 2, 9, 13] },
  "33 pixels, 16 to 20, leaky ReLU": {
    x: [3, 1, 11, 16],
    w: [1, 1, 16, 20],
    bias: true,
    options: { activation: { leakyRelu: 0.5 } },
  },
  "33 pixels, 20 to 33": {
    x: [1, 3, 11, 20],
    w: [3, 3, 20, 33],
    bias: true,
    options: { padding: all(1), activation: { leakyRelu: 0.125 } },
  },
  "stride 2, 5 to 40": {
    x: [2, 7, 9, 5],
    w: [3, 3, 5, 40],
    bias: true,
    options: { stride: 2, padding: all(1), activation: { leakyRelu: 0.25 } },
  },
  "stride 2 that leaves the last row and column unread": { x: [1, 8, 6, 3], w: [3, 3, 3, 16], options: { stride: 2 } },
  "stride 3, a 5×5 kernel, other padding on each side": {
    x: [1, 10, 11, 4],
    w: [5, 5, 4, 3],
    bias: true,
    options: { stride: 3, padding: { top: 2, bottom: 0, left: 1, right: 3 }, activation: "sigmoid" },
  },
  "stride 2, a 7×7 kernel, 5 to 6": {
    x: [1, 9, 8, 5],
    w: [7, 7, 5, 6],
    bias: true,
    options: { stride: 2, padding: all(2), activation: { leakyRelu: 0.25 } },
  },
  "a 2×3 kernel, padding at bottom and left, relu": {
    x: [2, 4, 5, 3],
    w: [2, 3, 3, 3],
    bias: true,
    options: { padding: { ...NONE, bottom: 1, left: 2 }, activation: "relu" },
  },
  "a 5×2 kernel, 33 to 4": { x: [1, 9, 7, 33], w: [5, 2, 33, 4], options: { stride: 2, padding: all(1) } },
  "a 4×4 kernel of stride 2, tanh": {
    x: [2, 8, 8, 3],
    w: [4, 4, 3, 5],
    bias: true,
    options: { stride: 2, padding: all(1), activation: "tanh" },
  },
  "a map of 4 pixels, 40 to 40": {
    x: [1, 3, 3, 40],
    w: [3, 3, 40, 40],
    bias: true,
    options: { stride: 2, padding: all(1), activation: { leakyRelu: 0.25 } },
  },
  "3 to 65": { x: [1, 2, 3, 3], w: [1, 1, 3, 65], bias: true },
  "4 to 132": { x: [1, 1, 3, 4], w: [1, 1, 4, 132], bias: true },
  "247 pixels, 1 to 3": {
    x: [1, 13, 19, 1],
    w: [3, 3, 1, 3],
    bias: true,
    options: { padding: all(1), activation: "relu" },
  },
  "a kernel larger than the image": { x: [1, 2, 2, 3], w: [5, 5, 3, 4], options: { padding: all(2) } },
  "a stride larger than the kernel": { x: [1, 7, 7, 3], w: [1, 1, 3, 3], options: { stride: 3 } },
};

const resolve = (options: Case["options"] = {}): oracle.Conv2dOptions => ({ stride: 1, padding: NONE, ...options });

function draw({ x, w, bias, options }: Case, seed: number): LinearTensors {
  const random = randomTensors(seed);
  return {
    x: random(x),
    w: random(w),
    b: bias ? random([w[3]]) : null,
    gy: random(oracle.outputShape(x, w, resolve(options))),
  };
}

const layer =
  ({ options }: Case) =>
  (x: Node, w: Node, bias?: Node) =>
    conv2d(x, w, { ...options, bias });

const drawn = new Map(Object.entries(cases).map(([name, own], i) => [name, draw(own, 100 + i)]));

describe.each(STYLES)("conv2d, %s kernels", (style) => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    const build = () =>
      Object.assign({}, ...Object.entries(cases).map(([name, own]) => linearNodes(name, layer(own), drawn.get(name)!)));
    values = await evaluate(build, { kernels: { "*": style } });
  });

  it.each(Object.entries(cases))("%s", (name, own) => {
    expectLinear(`${name}, ${style}`, oracle, drawn.get(name)!, resolve(own.options), pickResults(values, name));
  });

  it("is right where weights lie in a larger slot full of NaN, and ci is odd", async () => {
    const own: Case = { x: [1, 3, 3, 5], w: [3, 3, 5, 3] };
    const { x, w, gy } = draw(own, 7);
    const weights = scale(leaf(w), 1);
    const program = await compileDirty(
      () => ({
        y: conv2d(leaf(x), weights),
        large: scale(scale(constant(new Float32Array(4096), [4096]), 1), 1),
      }),
      { kernels: { "*": style } },
    );
    const { plan, valueOf: indices } = program.layout;
    expect(plan.slots[plan.slotOf[indices.get(weights)!]]).toBeGreaterThan(bytes(weights.shape));
    await step(program);
    const { y } = await readAll(program);
    program.destroy();
    const options = resolve();
    expectWithin("computed weights", y, oracle.forward(x, w, null, options), oracle.bounds(x, w, null, options, gy).y);
  });

  it("has a tanh that stays 1 far out", async () => {
    const x = tensor([1, 1, 5, 1], [-1e4, -50, 0, 50, 1e4]);
    const w = tensor([1, 1, 1, 1], [1]);
    const bias = zeros([1]);
    const { y } = await evaluate(() => ({ y: conv2d(leaf(x), leaf(w), { bias: leaf(bias), activation: "tanh" }) }), {
      kernels: { "*": style },
    });
    expectNear("tanh far out", y, oracle.forward(x, w, null, resolve({ activation: "tanh" })), x.data.map(tanhError));
  });
});

describe("a planted fault fails", () => {
  // Two images, so that a tap beyond the first one's edge finds a number.
  const own: Case = {
    x: [2, 5, 5, 3],
    w: [3, 3, 3, 5],
    bias: true,
    options: { padding: all(1), activation: "sigmoid" },
  };
  const tensors = draw(own, 5);
  const compare = async (text: string, by: string, style: string) => {
    const build = () => linearNodes("", (...leaves) => sabotage(layer(own)(...leaves), text, by), tensors);
    const values = await evaluate(build, { kernels: { "*": style } });
    expectLinear("planted", oracle, tensors, resolve(own.options), pickResults(values, ""));
  };

  it.each(STYLES)("but not the %s kernel as it is", async (style) => {
    await compare("+ bias", "+ bias", style);
  });
  it.each([
    ["a bias subtracted", "+ bias", "- bias", "subgroup", /fraction/],
    ["a tap beyond the edge", "iy < p.h &&", "iy <= p.h &&", "baseline", /fraction/],
    ["a tap beyond the edge", "iy < p.h &&", "iy <= p.h &&", "tile", /fraction/],
    ["a last pixel unwritten", "m < p.pixels && o", "m + 1 < p.pixels && o", "tile", /Infinity|NaN|fraction/],
    ["a padding lane that is not zero", "lane < vec4u(p.co)", "lane < vec4u(p.co + 1)", "baseline", /padding lane/],
    ["a last pixel unwritten", "< p.pixels) { y", "+ 1 < p.pixels) { y", "baseline", /Infinity|NaN|fraction/],
  ])("%s: %s → %s, %s", async (_, text, by, style, message) => {
    await expect(compare(text, by, style)).rejects.toThrow(message);
  });
  it("a wrong kernel text is a GpuError with the line at fault", async () => {
    await expect(compare("+ bias", "+ bais", "baseline")).rejects.toThrow(/kernel conv2d, line \d+: .*bais/s);
    gpu.check();
  });
});

describe("conv2d refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape) as Tensor);
  it.each<[string, () => Node, string]>([
    [
      "three axes",
      () => conv2d(node(4, 4, 3), node(3, 3, 3, 5)),
      "conv2d([4, 4, 3], [3, 3, 3, 5]): x must be [N, H, W, Ci] and w [kh, kw, Ci, Co]",
    ],
    [
      "other channels",
      () => conv2d(node(1, 4, 4, 3), node(3, 3, 4, 5)),
      "conv2d([1, 4, 4, 3], [3, 3, 4, 5]): x has 3 channels, w takes 4",
    ],
    [
      "a bias of another length",
      () => conv2d(node(1, 4, 4, 3), node(3, 3, 3, 5), { bias: node(4) }),
      "conv2d([1, 4, 4, 3], [3, 3, 3, 5], [4]): the bias must be [5]",
    ],
    [
      "a kernel that does not fit",
      () => conv2d(node(1, 4, 4, 3), node(5, 3, 3, 5)),
      "conv2d([1, 4, 4, 3], [5, 3, 3, 5]): the 5×3 kernel is larger than the padded image",
    ],
    [
      "stride 0",
      () => conv2d(node(1, 4, 4, 3), node(3, 3, 3, 5), { stride: 0 }),
      "conv2d([1, 4, 4, 3], [3, 3, 3, 5]): stride 0 must be a whole number from 1",
    ],
    [
      "negative padding",
      () => conv2d(node(1, 4, 4, 3), node(3, 3, 3, 5), { padding: -1 }),
      "conv2d([1, 4, 4, 3], [3, 3, 3, 5]): padding -1, -1, -1, -1 must be whole numbers from 0",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
