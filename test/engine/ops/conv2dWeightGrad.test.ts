import { beforeAll, describe, expect, it } from "vitest";
import { conv2dWeightGrad } from "../../../src/engine/ops/conv2dWeightGrad.js";
import { ShapeError } from "../../../src/index.js";
import { evaluate, expectWithin, leaf, STYLES, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/conv2d.js";
import { randomTensors, zeros } from "../../reference/tensor.js";

interface Case {
  x: number[];
  w: number[];
  stride?: number;
  padding?: oracle.Padding;
}

/** Output rows N·H' are split (16 splits at most on CPUs, more on GPUs); rows of the result are taps · vec4s of ci. */
const cases: Record<string, Case> = {
  "one row, so one split": { x: [1, 1, 9, 3], w: [1, 3, 3, 5] },
  "33 rows, not a multiple of the splits, 1 to 1": { x: [3, 11, 5, 1], w: [1, 1, 1, 1] },
  "17 rows, 5 to 3, a 3×3 kernel": {
    x: [1, 17, 6, 5],
    w: [3, 3, 5, 3],
    padding: { top: 1, bottom: 1, left: 1, right: 1 },
  },
  "stride 2, 16 to 20": { x: [2, 7, 7, 16], w: [3, 3, 16, 20], stride: 2 },
  "stride 3, a 5×2 kernel, uneven padding, 4 to 33": {
    x: [2, 8, 10, 4],
    w: [5, 2, 4, 33],
    stride: 3,
    padding: { top: 2, bottom: 0, left: 0, right: 1 },
  },
  "a single column, 33 to 40": { x: [4, 3, 1, 33], w: [1, 1, 33, 40] },
};

const drawn = new Map(
  Object.entries(cases).map(([name, { x, w, stride = 1, padding }], i) => {
    const random = randomTensors(300 + i);
    const options = { stride, padding: padding ?? { top: 0, bottom: 0, left: 0, right: 0 } };
    const tensors = { x: random(x), w: zeros(w), gy: random(oracle.outputShape(x, w, options)) };
    return [name, { ...tensors, options }];
  }),
);

const build = (name: string) => {
  const { x, w, gy, options } = drawn.get(name)!;
  return conv2dWeightGrad(leaf(x), leaf(gy), options, w.shape);
};

function expectWeightGrad(name: string, actual: Value): void {
  const { x, w, gy, options } = drawn.get(name)!;
  const { gw } = oracle.backward(x, w, null, options, gy);
  expectWithin(name, actual, gw, oracle.bounds(x, w, null, options, gy).gw);
}

describe.each(STYLES)("conv2dWeightGrad, %s kernels", (style) => {
  const options = { kernels: { "*": style } };
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() => Object.fromEntries(Object.keys(cases).map((name) => [name, build(name)])), options);
  });

  it.each(Object.keys(cases))("%s", (name) => {
    expectWeightGrad(name, values[name]);
  });

  it("fails with a planted fault: the last row of each split, or the last pixel, left out", async () => {
    const name = "one row, so one split";
    const [text, by] = style === "tile" ? ["m < p.pixels", "m + 1 < p.pixels"] : ["row < end", "row + 1 < end"];
    const wrong = () => ({ y: sabotage(build(name), text, by) });
    const { y } = await evaluate(wrong, options);
    expect(() => expectWeightGrad(name, y)).toThrow(/fraction/);
  });
});

it("refuses an image and a gradient of different batches", () => {
  const wrong = () =>
    conv2dWeightGrad(
      leaf(zeros([2, 4, 4, 3])),
      leaf(zeros([1, 2, 2, 5])),
      { stride: 1, padding: { top: 0, bottom: 0, left: 0, right: 0 } },
      [3, 3, 3, 5],
    );
  expect(wrong).toThrow(ShapeError);
  expect(wrong).toThrow(
    "conv2dWeightGrad([2, 4, 4, 3], [1, 2, 2, 5]): x [N, H, W, 3] and gy [N, OH, OW, 5] of one batch are needed",
  );
});
