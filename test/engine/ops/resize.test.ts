import { beforeAll, describe, expect, it } from "vitest";
import { resizeNearest } from "../../../src/engine/ops/resize.js";
import { type Node, ShapeError, scale } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import {
  compileDirty,
  evaluate,
  expectExact,
  expectWithin,
  gradientsOf,
  leaf,
  readAll,
  sabotage,
  step,
  type Value,
} from "../../gpu.js";
import * as oracle from "../../reference/resize.js";
import { dot, map, randomTensors, zeros } from "../../reference/tensor.js";

/** Extents before and behind: doubled and more, odd ratios, smaller, one way each, and the same. */
const cases: [number[], [number, number]][] = [
  [
    [1, 1, 1, 1],
    [5, 3],
  ],
  [
    [2, 3, 7, 3],
    [6, 14],
  ],
  [
    [1, 3, 7, 5],
    [7, 15],
  ],
  [
    [2, 15, 7, 4],
    [32, 16],
  ],
  [
    [1, 7, 5, 17],
    [3, 4],
  ],
  [
    [2, 4, 9, 2],
    [11, 2],
  ],
  [
    [1, 9, 5, 3],
    [9, 5],
  ],
  [
    [1, 16, 5, 6],
    [1, 37],
  ],
];

const drawn = cases.map(([shape, [height, width]], i) => {
  const random = randomTensors(2200 + i);
  const gy = random([shape[0], height, width, shape[3]]);
  return { name: `[${shape}] to ${height}×${width}`, x: random(shape), gy, height, width };
});

describe("resizeNearest", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, gy, height, width }) => {
          const xs = leaf(x);
          const y = resizeNearest(xs, height, width);
          return { [`${name} y`]: y, [`${name} gx`]: gradientsOf(y, gy, [xs])[0] };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, x, gy, height, width }) => {
    expectExact(`${name}: y`, values[`${name} y`], oracle.forward(x, height, width));
    expectWithin(`${name}: gx`, values[`${name} gx`], oracle.backward(x, gy), oracle.bound(x, gy));
  });

  it.each(drawn)("the oracle's gradient is its adjoint: $name", ({ x, gy, height, width }) => {
    // Other orders of one sum.
    expect(dot(gy, oracle.forward(x, height, width))).toBeCloseTo(dot(oracle.backward(x, gy), x), 10);
  });
});

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  const small = await openGpu({ maxBindingBytes: 1024 });
  const x = randomTensors(2290)([2, 3, 3, 3]);
  const program = await compileDirty(
    () => {
      const y = resizeNearest(leaf(x), 7, 6);
      return { y, back: resizeNearest(scale(y, 2), 3, 3) };
    },
    {},
    small,
  );
  await step(program);
  const { y, back } = await readAll(program);
  expect(program.outputs.get("y")?.nodes.length).toBe(2);
  expectExact("y", y, oracle.forward(x, 7, 6));
  expectExact(
    "back",
    back,
    oracle.forward(
      map(oracle.forward(x, 7, 6), (v) => 2 * v),
      3,
      3,
    ),
  );
});

describe("fails with a planted fault:", () => {
  const { x, gy, height, width } = drawn[3];
  it("rows by the columns' ratio", async () => {
    const wrong = () => ({ y: sabotage(resizeNearest(leaf(x), height, width), "i * p.h / p.oh", "i * p.w / p.ow") });
    const { y } = await evaluate(wrong);
    expect(() => expectExact("planted", y, oracle.forward(x, height, width))).toThrow("not");
  });
  it("a range of the gradient one column short", async () => {
    const wrong = () => {
      const xs = leaf(x);
      const [gx] = gradientsOf(resizeNearest(xs, height, width), gy, [xs]);
      return { gx: sabotage(gx, "ceiling((j + 1u) * p.w, p.ow)", "ceiling((j + 1u) * p.w, p.ow) - 1u") };
    };
    const { gx } = await evaluate(wrong);
    expect(() => expectWithin("planted", gx, oracle.backward(x, gy), oracle.bound(x, gy))).toThrow(/fraction/);
  });
});

describe("resizeNearest refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    ["three axes", () => resizeNearest(node(2, 2, 4), 2, 2), "resizeNearest([2, 2, 4]): x must be [N, H, W, C]"],
    ["nothing", () => resizeNearest(node(1, 2, 2, 4), 0, 2), "height 0 and width 2 must be whole numbers from 1"],
    ["a half", () => resizeNearest(node(1, 2, 2, 4), 4, 2.5), "height 4 and width 2.5 must be whole numbers from 1"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
