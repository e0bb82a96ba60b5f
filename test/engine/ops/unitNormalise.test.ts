import { beforeAll, describe, expect, it } from "vitest";
import { fitBatches } from "../../../src/engine/batch.js";
import { unitNormalise } from "../../../src/engine/ops/unitNormalise.js";
import { gradients, mul, ShapeError, sum, UserError } from "../../../src/index.js";
import { evaluate, expectWithin, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import { dot, map, randomTensors, type Tensor, zeros } from "../../reference/tensor.js";
import * as oracle from "../../reference/unitNormalise.js";

const EPSILON = 1e-10;

/** Features behind a ReLU and any others; very short and very long; a large epsilon. */
const cases: { shape: number[]; what?: string; change?: (v: number) => number; epsilon?: number }[] = [
  { shape: [1, 1, 1, 1] },
  { shape: [2, 3, 5, 3] },
  { shape: [2, 5, 3, 17], what: "behind a ReLU", change: (v) => Math.max(0, v) },
  { shape: [1, 9, 9, 64], what: "behind a ReLU", change: (v) => Math.max(0, v) },
  { shape: [3, 258] },
  { shape: [2, 70, 5] },
  { shape: [1, 3, 3, 6], what: "about epsilon", change: (v) => Math.fround(v * 1e-10) },
  { shape: [1, 3, 3, 6], what: "of 1e15", change: (v) => Math.fround(v * 1e15) },
  { shape: [2, 3, 3, 7], epsilon: 0.5 },
];

const drawn = cases.map(({ shape, what = "", change = (v) => v, epsilon = EPSILON }, i) => {
  const random = randomTensors(2400 + i);
  return { name: `[${shape}] ${what}, ${epsilon}`, x: map(random(shape), change), gy: random(shape), epsilon };
});

const build = (x: Tensor, gy: Tensor, epsilon: number) => {
  const xs = leaf(x);
  const y = unitNormalise(xs, epsilon);
  return { y, gx: gradientsOf(y, gy, [xs])[0] };
};

describe("unitNormalise", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, gy, epsilon }) => {
          const { y, gx } = build(x, gy, epsilon);
          return { [`${name} y`]: y, [`${name} gx`]: gx };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, x, gy, epsilon }) => {
    // Constants are float32 on the GPU.
    const e = Math.fround(epsilon);
    const bounds = oracle.bounds(x, e, gy);
    expectWithin(`${name}: y`, values[`${name} y`], oracle.forward(x, e), bounds.y, 1);
    expectWithin(`${name}: gx`, values[`${name} gx`], oracle.backward(x, e, gy), bounds.gx, 1);
  });

  it("has a reference whose gradient is the central difference", () => {
    for (const { x, gy, epsilon } of [drawn[1], drawn[8]]) {
      const at = (i: number, by: number) =>
        dot(
          gy,
          oracle.forward(
            map(x, (v, k) => (k === i ? v + by : v)),
            epsilon,
          ),
        );
      oracle.backward(x, epsilon, gy).data.forEach((g, i) => {
        expect(g).toBeCloseTo((at(i, 1e-6) - at(i, -1e-6)) / 2e-6, 6);
      });
    }
  });
});

it("of a zero vector is zero, and so is its gradient", async () => {
  const random = randomTensors(2450);
  const [x, gy] = [random([2, 3, 3, 6]), random([2, 3, 3, 6])];
  // Every other pixel; one holds −0.
  const holes = map(x, (v, i) => (Math.floor(i / 6) % 2 ? v : i === 0 ? -0 : 0));
  const { y, gx } = await evaluate(() => build(holes, gy, EPSILON));
  for (const { data } of [y, gx]) {
    data.forEach((value, i) => {
      if (Math.floor(i / 6) % 2) expect(Number.isFinite(value) && value !== 0).toBe(true);
      else expect(Math.abs(value)).toBe(0);
    });
  }
  const e = Math.fround(EPSILON);
  expectWithin("between zero vectors", gx, oracle.backward(holes, e, gy), oracle.bounds(holes, e, gy).gx, 1);
});

it("counts a vector as zero whose squares are", async () => {
  const tiny = map(zeros([1, 1, 1, 3]), (_, i) => Math.fround((i + 1) * 1e-30));
  const { gx } = await evaluate(() =>
    build(
      tiny,
      map(tiny, () => 1),
      EPSILON,
    ),
  );
  expect([...gx.data]).toEqual([0, 0, 0]);
});

it("is cut along the batch", async () => {
  const random = randomTensors(2460);
  const [a, b, c] = [random([4, 1, 1, 1]), random([1, 2, 2, 6]), random([1, 2, 2, 6])];
  const whole = () => {
    const x = mul(leaf(a), leaf(b));
    return gradients(sum(mul(unitNormalise(x), mul(leaf(a), leaf(c)))), [x])[0];
  };
  const parts = fitBatches([whole()], 2 * 2 * 2 * 32)[0];
  expect(parts.map((node) => node.shape[0])).toEqual([2, 2]);
  const { gx, first, second } = await evaluate(() => ({ gx: whole(), first: parts[0], second: parts[1] }));
  expect([...first.data, ...second.data]).toEqual([...gx.data]);
});

describe("fails with a planted fault:", () => {
  const { x, gy } = drawn[2];
  const bounds = oracle.bounds(x, EPSILON, gy);
  it("a sum that misses a lane", async () => {
    const { y } = await evaluate(() => ({
      y: sabotage(unitNormalise(leaf(x)), "(squares.z + squares.w)", "squares.z"),
    }));
    expect(() => expectWithin("planted", y, oracle.forward(x, EPSILON), bounds.y, 1)).toThrow(/fraction/);
  });
  it("a gradient as if the length were fixed", async () => {
    const { gx } = await evaluate(() => ({
      gx: sabotage(build(x, gy, EPSILON).gx, " - x[start + c] / d * along", ""),
    }));
    expect(() => expectWithin("planted", gx, oracle.backward(x, EPSILON, gy), bounds.gx, 1)).toThrow(/fraction/);
  });
});

it("refuses fewer than two axes, and an epsilon that is none", () => {
  expect(() => unitNormalise(leaf(zeros([3])))).toThrow(ShapeError);
  expect(() => unitNormalise(leaf(zeros([3])))).toThrow(
    "unitNormalise([3]): x must have a row of numbers for each item",
  );
  for (const epsilon of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => unitNormalise(leaf(zeros([1, 3])), epsilon)).toThrow(UserError);
  }
});
