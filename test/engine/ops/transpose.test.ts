import { describe, expect, it } from "vitest";
import { transpose } from "../../../src/engine/ops/transpose.js";
import { ShapeError } from "../../../src/index.js";
import { evaluate, expectExact, gradientsOf, leaf, sabotage } from "../../gpu.js";
import { dot, randomTensors, zeros } from "../../reference/tensor.js";
import * as oracle from "../../reference/transpose.js";

describe("transpose", () => {
  // Every remainder of four on both sides, and more than one workgroup.
  const shapes = [
    [1, 1],
    [1, 7],
    [6, 1],
    [3, 5],
    [4, 8],
    [10, 66],
    [67, 33],
    [1000, 3],
  ];
  it.each(shapes.map((shape) => ({ shape })))("$shape, and its gradient", async ({ shape }) => {
    const random = randomTensors(1650);
    const [x, gy] = [random(shape), random([shape[1], shape[0]])];
    const { y, gx } = await evaluate(() => {
      const xs = leaf(x);
      const y = transpose(xs);
      return { y, gx: gradientsOf(y, gy, [xs])[0] };
    });
    expectExact("y", y, oracle.forward(x));
    expectExact("gx", gx, oracle.backward(gy));
    // What a gradient is: <gy, xᵀ> = <gx, x>.
    expect(dot(gy, oracle.forward(x))).toBeCloseTo(dot(oracle.backward(gy), x), 10);
  });

  it("fails with a planted fault: rows of x without their padding", async () => {
    const x = randomTensors(1660)([5, 6]);
    const { y } = await evaluate(() => ({ y: sabotage(transpose(leaf(x)), "* p.xRow", "* p.columns") }));
    expect(() => expectExact("planted", y, oracle.forward(x))).toThrow("not");
  });

  it("refuses another number of axes", () => {
    expect(() => transpose(leaf(zeros([2, 3, 4])))).toThrow(ShapeError);
    expect(() => transpose(leaf(zeros([2, 3, 4])))).toThrow("transpose([2, 3, 4]): x must be [M, N]");
  });
});
