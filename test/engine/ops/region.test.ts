import { beforeAll, describe, expect, it } from "vitest";
import { add, concat, type Node, ShapeError, scale, slice, split } from "../../../src/index.js";
import { evaluate, expectExact, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/shape.js";
import { map, randomTensors, zeros } from "../../reference/tensor.js";

describe("slice", () => {
  const cases: [number[], number[], number[]][] = [
    [[7], [2], [4]],
    [
      [3, 5],
      [1, 0],
      [1, 5],
    ],
    [
      [3, 5],
      [0, 1],
      [3, 3],
    ],
    [
      [2, 3, 9],
      [1, 1, 4],
      [1, 2, 5],
    ],
    [
      [2, 5, 6, 3],
      [0, 1, 2, 0],
      [2, 3, 4, 3],
    ],
    [
      [3, 4, 4, 20],
      [1, 0, 3, 3],
      [2, 4, 1, 16],
    ],
    [
      [1, 2, 2, 33],
      [0, 0, 0, 32],
      [1, 2, 2, 1],
    ],
    [
      [2, 3, 4, 5],
      [0, 0, 0, 0],
      [2, 3, 4, 5],
    ],
  ];
  const drawn = cases.map(([shape, starts, sizes], i) => {
    const random = randomTensors(1200 + i);
    return { name: `[${shape}] from [${starts}], [${sizes}]`, x: random(shape), gy: random(sizes), starts, sizes };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, gy, starts, sizes }) => {
          const xs = leaf(x);
          const y = slice(xs, starts, sizes);
          return { [`${name} y`]: y, [`${name} gx`]: gradientsOf(y, gy, [xs])[0] };
        }),
      ),
    );
  });
  it.each(drawn)("$name", ({ name, x, gy, starts, sizes }) => {
    expectExact(name, values[`${name} y`], oracle.slice.forward(x, starts, sizes));
    expectExact(`${name}: gx`, values[`${name} gx`], oracle.slice.backward(x, starts, sizes, gy));
  });
});

describe("split", () => {
  it.each([
    { shape: [4, 3], parts: 2, axis: 0 },
    { shape: [2, 3, 15], parts: 3, axis: 2 },
    { shape: [1, 6, 5, 3], parts: 6, axis: 1 },
    { shape: [2, 1, 1, 40], parts: 2, axis: 3 },
  ])("$shape into $parts along axis $axis", async ({ shape, parts, axis }) => {
    const random = randomTensors(1300 + axis);
    const x = random(shape);
    const sizes = Array<number>(parts).fill(shape[axis] / parts);
    const pieces = oracle.split.forward(x, axis, sizes);
    const gys = pieces.map((piece) => random(piece.shape));
    const values = await evaluate(() => {
      const xs = leaf(x);
      const ys = split(xs, parts, axis);
      // One gradient from all the pieces: each is used, and the loss is their sum.
      const gx = ys.map((y, i) => gradientsOf(y, gys[i], [xs])[0]).reduce(add);
      return { gx, ...Object.fromEntries(ys.map((y, i) => [`y${i}`, y])) };
    });
    pieces.forEach((piece, i) => {
      expectExact(`piece ${i}`, values[`y${i}`], piece);
    });
    expectExact("gx", values.gx, oracle.split.backward(x, axis, sizes, gys));
  });

  it("is in two along the batch by default", () => {
    expect(split(leaf(zeros([4, 3]))).map((y) => y.shape)).toEqual([
      [2, 3],
      [2, 3],
    ]);
  });
});

describe("concat", () => {
  const cases: { shapes: number[][]; axis: number }[] = [
    { shapes: [[3], [1], [4]], axis: 0 },
    {
      shapes: [
        [2, 5],
        [1, 5],
      ],
      axis: 0,
    },
    {
      shapes: [
        [2, 3],
        [2, 5],
      ],
      axis: 1,
    },
    {
      shapes: [
        [2, 3, 1, 1],
        [2, 3, 1, 4],
        [2, 3, 1, 16],
        [2, 3, 1, 5],
      ],
      axis: 3,
    },
    {
      shapes: [
        [1, 2, 3, 20],
        [1, 2, 4, 20],
      ],
      axis: 2,
    },
    {
      shapes: [
        [2, 1, 3, 3],
        [2, 4, 3, 3],
        [2, 2, 3, 3],
      ],
      axis: 1,
    },
  ];
  const drawn = cases.map(({ shapes, axis }, i) => {
    const random = randomTensors(1400 + i);
    const xs = shapes.map((shape) => random(shape));
    const gy = random(oracle.concat.forward(xs, axis).shape);
    return { name: `${shapes.map((s) => `[${s}]`).join(" ")} along axis ${axis}`, xs, axis, gy };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, xs, axis, gy }) => {
          const leaves = xs.map(leaf);
          const y = concat(leaves, axis);
          const gxs = gradientsOf(y, gy, leaves);
          return { [`${name} y`]: y, ...Object.fromEntries(gxs.map((g, i) => [`${name} g${i}`, g])) };
        }),
      ),
    );
  });
  it.each(drawn)("$name", ({ name, xs, axis, gy }) => {
    expectExact(name, values[`${name} y`], oracle.concat.forward(xs, axis));
    oracle.concat.backward(xs, axis, gy).forEach((g, i) => {
      expectExact(`${name}: gradient ${i}`, values[`${name} g${i}`], g);
    });
  });

  it("may hold one tensor twice", async () => {
    const random = randomTensors(1450);
    const x = random([2, 3]);
    const gy = random([2, 6]);
    const values = await evaluate(() => {
      const xs = scale(leaf(x), 1);
      const y = concat([xs, xs], 1);
      return { y, gx: gradientsOf(y, gy, [xs])[0] };
    });
    expectExact("y", values.y, oracle.concat.forward([x, x], 1));
    const [first, second] = oracle.concat.backward([x, x], 1, gy);
    expectExact(
      "gx",
      values.gx,
      map(first, (v, i) => Math.fround(v + second.data[i])),
    );
  });
});

it("fails with a planted fault: a stride of the wrong axis", async () => {
  const x = randomTensors(1500)([3, 4, 5, 3]);
  const wrong = () => ({ y: sabotage(slice(leaf(x), [1, 1, 1, 0], [2, 2, 2, 3]), "at.y * p.xs1", "at.z * p.xs1") });
  const { y } = await evaluate(wrong);
  expect(() => expectExact("planted", y, oracle.slice.forward(x, [1, 1, 1, 0], [2, 2, 2, 3]))).toThrow("not");
});

describe("regions refuse", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  const box = "must give a box inside the input";
  it.each<[string, () => unknown, string]>([
    [
      "a box that reaches out",
      () => slice(node(3, 5), [2, 0], [2, 5]),
      `slice([3, 5]): starts [2, 0] and sizes [2, 5] ${box}`,
    ],
    [
      "a negative start",
      () => slice(node(3, 5), [-1, 0], [2, 5]),
      `slice([3, 5]): starts [-1, 0] and sizes [2, 5] ${box}`,
    ],
    ["a box of other rank", () => slice(node(3, 5), [0], [2]), `slice([3, 5]): starts [0] and sizes [2] ${box}`],
    ["an empty box", () => slice(node(3, 5), [0, 0], [0, 5]), "none empty"],
    ["unequal parts", () => split(node(3, 5), 2), "split([3, 5]): axis 0 does not divide into 2 equal parts"],
    [
      "an axis to split that is not there",
      () => split(node(3, 5), 2, 2),
      "split([3, 5]): axis 2 does not divide into 2",
    ],
    [
      "other extents",
      () => concat([node(2, 3), node(2, 4)]),
      "concat([2, 3], [2, 4]): all axes but axis 0 must be equal",
    ],
    [
      "an axis that is not there",
      () => concat([node(2), node(2)], 1),
      "concat([2], [2]): all axes but axis 1 must be equal",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
