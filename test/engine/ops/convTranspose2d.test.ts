import { beforeAll, describe, expect, it } from "vitest";
import { convTranspose2d, type Node, ShapeError } from "../../../src/index.js";
import { evaluate, expectNear, leaf, STYLES, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/convTranspose2d.js";
import { randomTensors, tensor, zeros } from "../../reference/tensor.js";
import { tanhError } from "./accuracy.js";
import { expectLinear, type LinearTensors, linearNodes, pickResults } from "./linear.js";

const NONE = { top: 0, bottom: 0, left: 0, right: 0 };
const all = (n: number) => ({ top: n, bottom: n, left: n, right: n });

interface Case {
  x: number[];
  /** [kh, kw, Co, Ci] */
  w: number[];
  bias?: boolean;
  options?: Partial<oracle.ConvTranspose2dOptions>;
}

/** Pixels of a phase, N·⌈H'/s⌉·⌈W'/s⌉, and channels around the tiles (see conv2d.test.ts). */
const cases: Record<string, Case> = {
  "1 pixel, 1 to 1 channels": { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  "15 pixels, 3 to 5": {
    x: [1, 3, 5, 3],
    w: [3, 3, 5, 3],
    bias: true,
    options: { padding: all(1), activation: { leakyRelu: 0.25 } },
  },
  "stride 2 with output padding, 16 pixels a phase, relu": {
    x: [1, 4, 4, 4],
    w: [3, 3, 4, 4],
    bias: true,
    options: { stride: 2, padding: all(1), outputPadding: 1, activation: "relu" },
  },
  "stride 2 without output padding: phases of other extents": {
    x: [2, 3, 4, 5],
    w: [3, 3, 16, 5],
    options: { stride: 2 },
  },
  "a 4×4 kernel of stride 2, 16 to 3, sigmoid": {
    x: [1, 4, 4, 16],
    w: [4, 4, 3, 16],
    bias: true,
    options: { stride: 2, padding: all(1), activation: "sigmoid" },
  },
  "168 pixels, 9 to 13, a 2×2 kernel": { x: [2, 5, 13, 9], w: [2, 2, 13, 9], bias: true },
  "33 pixels, 20 to 33": {
    x: [1, 3, 11, 20],
    w: [1, 3, 33, 20],
    bias: true,
    options: { padding: { ...NONE, left: 1, right: 1 }, activation: { leakyRelu: 0.125 } },
  },
  "stride 3, a 5×5 kernel, other padding on each side, tanh": {
    x: [1, 3, 4, 4],
    w: [5, 5, 3, 4],
    bias: true,
    options: { stride: 3, padding: { top: 2, bottom: 0, left: 1, right: 3 }, outputPadding: 2, activation: "tanh" },
  },
  "a 2×3 kernel, padding at the top": {
    x: [2, 4, 5, 3],
    w: [2, 3, 5, 3],
    bias: true,
    options: { padding: { ...NONE, top: 1, right: 2 }, activation: { leakyRelu: 0.5 } },
  },
  "a kernel smaller than the stride: phases without a tap": {
    x: [1, 3, 3, 3],
    w: [1, 1, 3, 3],
    bias: true,
    options: { stride: 3, outputPadding: 2, activation: "sigmoid" },
  },
  "a phase that does not exist": { x: [1, 1, 3, 3], w: [1, 2, 4, 3], options: { stride: 2 } },
  "4 pixels, 40 to 40": {
    x: [1, 2, 2, 40],
    w: [2, 2, 40, 40],
    bias: true,
    options: { stride: 2, activation: { leakyRelu: 0.25 } },
  },
  "3 to 65": { x: [1, 2, 3, 3], w: [1, 1, 65, 3], bias: true },
  "4 to 132, stride 2": { x: [1, 1, 3, 4], w: [2, 2, 132, 4], bias: true, options: { stride: 2 } },
  "247 pixels, 1 to 3": {
    x: [1, 13, 19, 1],
    w: [3, 3, 3, 1],
    bias: true,
    options: { padding: all(1), activation: "relu" },
  },
};

const resolve = (options: Case["options"] = {}) => ({ stride: 1, padding: NONE, ...options });

function draw({ x, w, bias, options }: Case, seed: number): LinearTensors {
  const random = randomTensors(seed);
  return {
    x: random(x),
    w: random(w),
    b: bias ? random([w[2]]) : null,
    gy: random(oracle.outputShape(x, w, resolve(options))),
  };
}

const layer =
  ({ options }: Case) =>
  (x: Node, w: Node, bias?: Node) =>
    convTranspose2d(x, w, { ...options, bias });

const drawn = new Map(Object.entries(cases).map(([name, own], i) => [name, draw(own, 200 + i)]));

describe.each(STYLES)("convTranspose2d, %s kernels", (style) => {
  const options = { kernels: { "*": style } };
  let values: Record<string, Value>;
  beforeAll(async () => {
    const build = () =>
      Object.assign({}, ...Object.entries(cases).map(([name, own]) => linearNodes(name, layer(own), drawn.get(name)!)));
    values = await evaluate(build, options);
  });

  it.each(Object.entries(cases))("%s", (name, own) => {
    expectLinear(`${name}, ${style}`, oracle, drawn.get(name)!, resolve(own.options), pickResults(values, name));
  });

  it("has a tanh that stays 1 far out", async () => {
    const x = tensor([1, 1, 5, 1], [-1e4, -50, 0, 50, 1e4]);
    const w = tensor([1, 1, 1, 1], [1]);
    const bias = zeros([1]);
    const build = () => ({ y: convTranspose2d(leaf(x), leaf(w), { bias: leaf(bias), activation: "tanh" }) });
    const { y } = await evaluate(build, options);
    const expected = oracle.forward(x, w, null, resolve({ activation: "tanh" }));
    expectNear("tanh far out", y, expected, x.data.map(tanhError));
  });
});

it("fails with a planted fault: a bias subtracted", async () => {
  const own: Case = { x: [1, 3, 3, 3], w: [3, 3, 5, 3], bias: true };
  const options = { kernels: { "*": "baseline" } };
  const tensors = draw(own, 5);
  const y = (...leaves: [Node, Node, Node?]) => sabotage(layer(own)(...leaves), "+ bias", "- bias");
  const wrong = await evaluate(() => linearNodes("", y, tensors), options);
  expect(() => expectLinear("planted", oracle, tensors, resolve(), pickResults(wrong, ""))).toThrow(/fraction/);
});

describe("convTranspose2d refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    [
      "three axes",
      () => convTranspose2d(node(4, 4, 3), node(3, 3, 5, 3)),
      "convTranspose2d([4, 4, 3], [3, 3, 5, 3]): x must be [N, H, W, Ci] and w [kh, kw, Co, Ci]",
    ],
    [
      "other channels",
      () => convTranspose2d(node(1, 4, 4, 3), node(3, 3, 3, 5)),
      "convTranspose2d([1, 4, 4, 3], [3, 3, 3, 5]): x has 3 channels, w takes 5",
    ],
    [
      "a bias of another length",
      () => convTranspose2d(node(1, 4, 4, 3), node(3, 3, 5, 3), { bias: node(3) }),
      "convTranspose2d([1, 4, 4, 3], [3, 3, 5, 3], [3]): the bias must be [5]",
    ],
    [
      "output padding as large as the stride",
      () => convTranspose2d(node(1, 4, 4, 3), node(3, 3, 5, 3), { stride: 2, outputPadding: 2 }),
      "convTranspose2d([1, 4, 4, 3], [3, 3, 5, 3]): output padding [2,2] must be from 0 to stride − 1 = 1",
    ],
    [
      "stride 1.5",
      () => convTranspose2d(node(1, 4, 4, 3), node(3, 3, 5, 3), { stride: 1.5 }),
      "convTranspose2d([1, 4, 4, 3], [3, 3, 5, 3]): stride 1.5 must be a whole number from 1",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
