import { describe, expect, it } from "vitest";
import { fitBatches } from "../../../src/engine/batch.js";
import { reverseGradient, stopGradient } from "../../../src/engine/ops/gradientFlow.js";
import { add, constant, gradients, mul, type Node, ShapeError, scale, sum, UserError } from "../../../src/index.js";
import { evaluate, expectExact, expectNear, gradientsOf, leaf, sabotage } from "../../gpu.js";
import { map, randomTensors, zeros } from "../../reference/tensor.js";

const random = randomTensors(1750);
const shape = [3, 5];
const [x, gy] = [random(shape), random(shape)];
const ULP = 2 ** -23;

describe("stopGradient", () => {
  it("is its input, in the same memory", async () => {
    const node = leaf(x);
    expect(stopGradient(node).op.kind).toBe("alias");
    const values = await evaluate(() => ({ y: stopGradient(leaf(x)), twice: scale(stopGradient(leaf(x)), 2) }));
    expectExact("y", values.y, x);
    expectExact(
      "read by another op",
      values.twice,
      map(x, (v) => 2 * v),
    );
  });

  it("lets no gradient through, and those beside it alone", async () => {
    const { gx } = await evaluate(() => {
      const xs = leaf(x);
      return { gx: gradientsOf(mul(xs, stopGradient(xs)), gy, [xs])[0] };
    });
    // Of x·c for c = x, not of x².
    const expected = map(x, (v, i) => v * gy.data[i]);
    const tolerance = expected.data.map((v) => 2 * Math.abs(v) * ULP);
    expectNear("gx", gx, expected, tolerance);
    const whole = map(x, (v, i) => 2 * v * gy.data[i]);
    expect(() => expectNear("of the square", gx, whole, tolerance)).toThrow(/fraction/);
  });

  it("leaves a loss that depends on a node only through it without a gradient", () => {
    const node = leaf(x);
    expect(() => gradients(sum(stopGradient(node)), [node])).toThrow("the loss does not depend on wanted node 0");
  });
});

describe("reverseGradient", () => {
  const factors: [string, number, () => Node | number][] = [
    ["a number", Math.fround(0.3), () => 0.3],
    ["a scalar node", Math.fround(0.3), () => constant([0.3], [])],
    ["zero", 0, () => 0],
  ];
  it.each(factors)("by %s", async (_, factor, node) => {
    const values = await evaluate(() => {
      const xs = leaf(x);
      const y = reverseGradient(xs, node());
      return { y, gx: gradientsOf(y, gy, [xs])[0] };
    });
    expectExact("y", values.y, x);
    const expected = map(gy, (g) => -factor * g);
    // gy itself is a product with 1.
    expectNear(
      "gx",
      values.gx,
      expected,
      expected.data.map((v) => Math.abs(v) * ULP),
    );
  });

  it("adds to the gradient of another way", async () => {
    const { gx } = await evaluate(() => {
      const xs = leaf(x);
      return { gx: gradientsOf(add(reverseGradient(xs, 1), scale(xs, 3)), gy, [xs])[0] };
    });
    const expected = map(gy, (g) => 2 * g);
    expectNear(
      "gx",
      gx,
      expected,
      expected.data.map((v) => 3 * Math.abs(v) * ULP),
    );
  });

  it("fails with a planted fault: a gradient that is not turned round", async () => {
    const { gx } = await evaluate(() => {
      const xs = leaf(x);
      const [g] = gradientsOf(reverseGradient(xs, constant([1], [])), gy, [xs]);
      return { gx: sabotage(g, "-in0", "in0") };
    });
    const tolerance = gy.data.map((g) => Math.abs(g) * ULP);
    expect(() =>
      expectNear(
        "planted",
        gx,
        map(gy, (g) => -g),
        tolerance,
      ),
    ).toThrow(/fraction/);
  });

  it("refuses a factor that is no number from 0, and one with axes", () => {
    for (const factor of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => reverseGradient(leaf(x), factor)).toThrow(UserError);
      expect(() => reverseGradient(leaf(x), factor)).toThrow(
        `reverseGradient: factor ${factor} must be a number from 0`,
      );
    }
    const wrong = () => reverseGradient(leaf(x), leaf(zeros([1])));
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow("reverseGradient([3, 5], [1]): the factor must be a number or a scalar");
  });
});

it("both are cut along the batch like the rest", async () => {
  const [a, b] = [random([64, 1, 1, 1]), random([8])];
  const build = () => {
    const product = mul(leaf(a), leaf(b));
    return scale(reverseGradient(stopGradient(product), 1), 2);
  };
  // Half of the 2048 bytes of the product.
  const parts = fitBatches([build()], 1024)[0];
  expect(parts.map((node) => node.shape)).toEqual([
    [32, 1, 1, 8],
    [32, 1, 1, 8],
  ]);
  const { whole, first, second } = await evaluate(() => ({ whole: build(), first: parts[0], second: parts[1] }));
  expect([...first.data, ...second.data]).toEqual([...whole.data]);
});
