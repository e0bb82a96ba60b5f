import { beforeAll, describe, expect, it } from "vitest";
import { fitBatches } from "../../../src/engine/batch.js";
import { logSoftmax } from "../../../src/engine/ops/logSoftmax.js";
import { mul, ShapeError } from "../../../src/index.js";
import { evaluate, expectNear, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/rounded.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";

/** The oracle's y, and gx for an upstream gradient. */
function expected(x: Tensor, gy: Tensor) {
  const leafOf = oracle.exact(x);
  const y = oracle.logSoftmax(leafOf);
  const weighed = oracle.sum(oracle.mul(y, oracle.exact(gy)));
  return { y, gx: oracle.gradients(weighed, [leafOf], oracle.exact(tensor([], [1])))[0] };
}

describe("logSoftmax", () => {
  const drawn = [
    { shape: [1, 1], width: 1 },
    { shape: [5, 2], width: 3 },
    { shape: [3, 7], width: 10 },
    { shape: [130, 3], width: 2 },
    { shape: [2, 257], width: 5 },
    // Where exp(x) itself would overflow, and where its sum would be 0.
    { shape: [4, 6], width: 50, shift: 1000 },
    { shape: [4, 6], width: 50, shift: -1000 },
  ].map(({ shape, width, shift = 0 }, i) => {
    const random = randomTensors(1670 + i);
    const x = map(random(shape, -width, width), (v) => Math.fround(v + shift));
    return { what: `[${shape}] of ±${width} + ${shift}`, x, gy: random(shape) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ what, x, gy }) => {
          const xs = leaf(x);
          const y = logSoftmax(xs);
          return { [`${what} y`]: y, [`${what} gx`]: gradientsOf(y, gy, [xs])[0] };
        }),
      ),
    );
  });

  it.each(drawn)("$what", ({ what, x, gy }) => {
    const { y, gx } = expected(x, gy);
    expectNear(`${what} y`, values[`${what} y`], y.value, y.error);
    expectNear(`${what} gx`, values[`${what} gx`], gx.value, gx.error);
  });

  it("of one class is 0, and so is its gradient", () => {
    const [{ what }] = drawn;
    expect([values[`${what} y`].data[0], values[`${what} gx`].data[0]]).toEqual([0, 0]);
  });

  it("has a reference whose gradient is the central difference", () => {
    const random = randomTensors(1690);
    const [x, gy] = [random([3, 4], -2, 2), random([3, 4])];
    const { gx } = expected(x, gy);
    const at = (i: number, h: number) => {
      const y = oracle.logSoftmax(oracle.exact(map(x, (v, e) => (e === i ? v + h : v)))).value.data;
      return y.reduce((total, v, e) => total + v * gy.data[e], 0);
    };
    gx.value.data.forEach((g, i) => {
      expect(g).toBeCloseTo((at(i, 1e-5) - at(i, -1e-5)) / 2e-5, 8);
    });
    const plain = x.data.map((v, i) => {
      const row = x.data.slice(i - (i % 4), i - (i % 4) + 4);
      return v - Math.log(row.reduce((total, each) => total + Math.exp(each), 0));
    });
    oracle.logSoftmax(oracle.exact(x)).value.data.forEach((v, i) => {
      expect(v).toBeCloseTo(plain[i], 14);
    });
  });

  it("fails with a planted fault: the last class left out of the sum", async () => {
    const { x, gy } = drawn[1];
    const start = "for (var k = 0u; k < p.classes; k++)";
    const build = () => ({ y: sabotage(logSoftmax(leaf(x)), start, start.replace("p.classes", "p.classes - 1u")) });
    const { y } = await evaluate(build);
    const right = expected(x, gy).y;
    expect(() => expectNear("planted", y, right.value, right.error)).toThrow(/fraction/);
  });

  it("is cut along the batch", async () => {
    const random = randomTensors(1695);
    const [a, b] = [random([64, 1]), random([1, 8])];
    const build = () => logSoftmax(mul(leaf(a), leaf(b)));
    // Half of the 2048 bytes of the logits.
    const parts = fitBatches([build()], 1024)[0];
    expect(parts.map((node) => node.shape)).toEqual([
      [32, 8],
      [32, 8],
    ]);
    const { whole, first, second } = await evaluate(() => ({ whole: build(), first: parts[0], second: parts[1] }));
    expect([...first.data, ...second.data]).toEqual([...whole.data]);
  });

  it("refuses another number of axes", () => {
    expect(() => logSoftmax(leaf(zeros([3])))).toThrow(ShapeError);
    expect(() => logSoftmax(leaf(zeros([3])))).toThrow(
      "logSoftmax([3]): x must be [N, K], one row of logits an example",
    );
  });
});
