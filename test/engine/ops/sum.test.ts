import { beforeAll, describe, expect, it } from "vitest";
import { mean, type Node, type ReduceOptions, ShapeError, scale, sum, variance } from "../../../src/index.js";
import { evaluate, expectExact, expectWithin, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/reduce.js";
import { map, randomTensors, tensor, zeros } from "../../reference/tensor.js";

const ops: Record<string, [(x: Node, options?: ReduceOptions) => Node, oracle.Reduction]> = {
  sum: [sum, oracle.sum],
  mean: [mean, oracle.mean],
  variance: [variance, oracle.variance],
};

/** Every pattern of kept and reduced axes, 1 to 33 channels, and lengths beyond the 128 partial sums of CPU adapters. */
const cases: [number[], number[]?, boolean?][] = [
  [[2, 3, 4, 5]],
  [
    [3, 5, 7, 3],
    [0, 1, 2],
  ],
  [[3, 5, 7, 3], [0]],
  [[3, 5, 7, 3], [1, 2], true],
  [[3, 5, 7, 3], [3]],
  [
    [3, 5, 7, 3],
    [0, 2],
  ],
  [
    [3, 5, 7, 4],
    [1, 3],
  ],
  [[2, 3, 2, 33], [0, 3], true],
  [
    [2, 3, 1, 16],
    [1, 2, 3],
  ],
  [[17, 1], [0]],
  [[2, 1, 1, 5], [0]],
  [[33, 20], [1]],
  [[1, 40, 50, 1]],
  [[1500, 5], [0]],
  [[4000]],
];

/** Each op with the second pass of CPU adapters and of GPUs. */
const ways = Object.entries(ops).flatMap(([op, pair]) => ["baseline", "tree"].map((way) => [op, way, pair] as const));

describe.each(ways)("%s, %s", (op, way, [build, reduction]) => {
  const drawn = cases.map(([shape, axes, keepDims], i) => {
    const random = randomTensors(1000 + i);
    // A mean of 2: a variance by squares alone would lose digits.
    const x = map(random(shape), (v) => Math.fround(v + 2));
    const options = { axes, keepDims };
    const name = `${op} of [${shape}] over [${axes ?? "all"}]${keepDims ? ", axes kept" : ""}`;
    return { name, x, options, gy: random(reduction.forward(x, options).shape) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    const all = () =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, options, gy }) => {
          const xs = leaf(x);
          const y = build(xs, options);
          return { [`${name} y`]: y, [`${name} gx`]: gradientsOf(y, gy, [xs])[0] };
        }),
      );
    values = await evaluate(all, { kernels: { "*": way } });
  });

  it.each(drawn)("$name", ({ name, x, options, gy }) => {
    const bounds = reduction.bounds(x, options, gy);
    expectWithin(`${name}: y`, values[`${name} y`], reduction.forward(x, options), bounds.y);
    expectWithin(`${name}: gx`, values[`${name} gx`], reduction.backward(x, options, gy), bounds.gx);
  });
});

it("counts axes from the end, and each once", async () => {
  const x = tensor([2, 3], [1, 2, 3, 4, 5, 6]);
  const values = await evaluate(() => ({
    last: sum(leaf(x), { axes: [-1] }),
    twice: sum(leaf(x), { axes: [0, -2] }),
    none: sum(leaf(x), { axes: [] }),
  }));
  expectExact("last", values.last, tensor([2], [6, 15]));
  expectExact("twice", values.twice, tensor([3], [5, 7, 9]));
  expectExact("none", values.none, x);
});

it("adds a list of terms, and leaves a scalar as it is", async () => {
  const values = await evaluate(() => ({
    list: sum([leaf(tensor([], [1])), leaf(tensor([], [2])), leaf(tensor([], [4]))]),
    scalar: sum(scale(leaf(tensor([], [3])), 1)),
    mean: mean(scale(leaf(tensor([], [3])), 1)),
  }));
  expectExact("list", values.list, tensor([], [7]));
  expectExact("scalar", values.scalar, tensor([], [3]));
  expectExact("mean", values.mean, tensor([], [3]));
});

it("fails with a planted fault: the first position left out", async () => {
  const x = randomTensors(1100)([9, 5]);
  const options = { axes: [0] };
  const start = "var r = t / p.outputs;";
  const { y } = await evaluate(() => ({ y: sabotage(sum(leaf(x), options), start, `${start.slice(0, -1)} + 1;`) }));
  const { bounds, forward } = oracle.sum;
  const bound = bounds(x, options, zeros([5])).y;
  expect(() => expectWithin("planted", y, forward(x, options), bound)).toThrow(/fraction/);
});

describe("reductions refuse", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    ["an axis that is not there", () => sum(node(2, 3), { axes: [2] }), "sum([2, 3]): axes [2] must lie in 0 … 1"],
    ["an axis too far from the end", () => sum(node(2, 3), { axes: [-3] }), "sum([2, 3]): axes [-1] must lie in 0 … 1"],
    ["an axis of a scalar", () => mean(node(), { axes: [0] }), "sum([]): axes [0]"],
    [
      "the variance of one value",
      () => variance(node(1, 3), { axes: [0] }),
      "variance([1, 3]): needs at least 2 values over axes [0], for the divisor n − 1",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
