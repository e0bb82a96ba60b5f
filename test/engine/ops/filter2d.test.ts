import { beforeAll, describe, expect, it } from "vitest";
import { averagePool2d, filter2d } from "../../../src/engine/ops/filter2d.js";
import { concat, type Node, ShapeError } from "../../../src/index.js";
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
import * as oracle from "../../reference/filter2d.js";
import { dot, map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";

/** Picture, rows and columns of taps, stride, padding: windows that miss pixels, overlap, end early, or lie outside. */
const cases: [number[], [number, number], [number, number], [number, number]][] = [
  [
    [1, 1, 1, 1],
    [1, 1],
    [1, 1],
    [0, 0],
  ],
  [
    [2, 7, 9, 3],
    [3, 3],
    [1, 1],
    [0, 0],
  ],
  [
    [1, 13, 17, 5],
    [6, 6],
    [3, 3],
    [0, 0],
  ],
  [
    [2, 9, 8, 4],
    [2, 3],
    [3, 4],
    [1, 0],
  ],
  [
    [1, 5, 70, 3],
    [1, 11],
    [1, 1],
    [0, 5],
  ],
  [
    [1, 12, 5, 17],
    [11, 1],
    [1, 2],
    [0, 0],
  ],
  [
    [2, 4, 3, 2],
    [5, 4],
    [2, 1],
    [3, 2],
  ],
  [
    [1, 3, 2, 6],
    [2, 1],
    [2, 3],
    [4, 3],
  ],
];

const drawn = cases.map(([shape, size, stride, padding], i) => {
  const random = randomTensors(2400 + i);
  const x = random(shape);
  const flat = Array.from(random(size).data);
  const taps = Array.from({ length: size[0] }, (_, a) => flat.slice(a * size[1], (a + 1) * size[1]));
  const filter: oracle.Filter = { taps, stride, padding };
  const gy = random(oracle.forward(x, filter).shape);
  return { name: `[${shape}] by ${size.join("×")}, stride ${stride}, padding ${padding}`, x, filter, gy };
});

describe("filter2d", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, filter: { taps, ...options }, gy }) => {
          const xs = leaf(x);
          const y = filter2d(xs, taps, options);
          const [gx] = gradientsOf(y, gy, [xs]);
          return { [`${name} y`]: y, [`${name} gx`]: gx };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, x, filter, gy }) => {
    const bounds = oracle.bounds(x, filter, gy);
    expectWithin(`${name}: y`, values[`${name} y`], oracle.forward(x, filter), bounds.y);
    expectWithin(`${name}: gx`, values[`${name} gx`], oracle.backward(x, filter, gy), bounds.gx);
  });

  it.each(drawn)("the oracle's gradient is its adjoint: $name", ({ x, filter, gy }) => {
    // Other orders of one sum.
    expect(dot(gy, oracle.forward(x, filter))).toBeCloseTo(dot(oracle.backward(x, filter, gy), x), 10);
  });
});

it("is the gradient of its gradient", async () => {
  const { x, filter, gy } = drawn[3];
  const { taps, ...options } = filter;
  const { again } = await evaluate(() => {
    const [xs, gys] = [leaf(x), leaf(gy)];
    // <v, adjoint(gy)> has the gradient filter2d(v) for gy.
    const [gx] = filter2d(xs, taps, options).op.backward!(filter2d(xs, taps, options), gys) as [Node];
    return { again: gradientsOf(gx, x, [gys])[0] };
  });
  expectWithin("again", again, oracle.forward(x, filter), oracle.bounds(x, filter, gy).y);
});

it("does not flip the taps, and counts from the corner", async () => {
  const x = tensor([1, 2, 3, 1], [1, 2, 3, 4, 5, 6]);
  const { y } = await evaluate(() => ({
    y: filter2d(
      leaf(x),
      [
        [1, 10],
        [100, 1000],
      ],
      { stride: 2, padding: 1 },
    ),
  }));
  // Above and left of x there are zeros.
  expectExact("y", y, tensor([1, 2, 2, 1], [1000, 3200, 10 * 4, 5 + 10 * 6]));
});

describe("averagePool2d", () => {
  const windows: [number[], number, number, [number, number]][] = [
    [[2, 20, 23, 3], 6, 3, [0, 0]],
    [[1, 9, 7, 5], 2, 2, [1, 1]],
    [[1, 19, 26, 4], 11, 1, [0, 0]], // in two passes
    [[1, 10, 11, 3], 7, 2, [3, 2]], // in two passes
  ];
  it.each(windows)("of [%s]: %s pixels, stride %s, padding %s", async (shape, size, stride, padding) => {
    const random = randomTensors(2450 + size);
    const x = random(shape);
    const filter = oracle.average(size, stride, padding);
    const gy = random(oracle.forward(x, filter).shape);
    const { y, gx } = await evaluate(() => {
      const xs = leaf(x);
      const pooled = averagePool2d(xs, size, stride, padding);
      return { y: pooled, gx: gradientsOf(pooled, gy, [xs])[0] };
    });
    const bounds = oracle.bounds(x, filter, gy);
    expectWithin("y", y, oracle.forward(x, filter), bounds.y);
    // A pixel of few windows in two passes: its taps and products are rounded twice.
    const { magnitude, count } = bounds.gx;
    expectWithin("gx", gx, oracle.backward(x, filter, gy), { magnitude, count: map(count, (n) => n + 2) });
  });

  it("has windows side by side by default", async () => {
    const { y } = await evaluate(() => ({ y: averagePool2d(leaf(tensor([1, 2, 4, 1], [1, 2, 3, 4, 5, 6, 7, 8])), 2) }));
    expectExact("y", y, tensor([1, 1, 2, 1], [3.5, 5.5]));
  });
});

/** A tensor larger than a binding, from two leaves that are not. */
const leafOfRows = ({ shape: [n, ...row], data }: Tensor): Node => {
  const half = data.length / 2;
  return concat([0, half].map((from) => leaf(tensor([n / 2, ...row], data.slice(from, from + half)))));
};

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  const small = await openGpu({ maxBindingBytes: 1200 });
  const random = randomTensors(2490);
  const x = random([2, 7, 7, 3]);
  const filter: oracle.Filter = { taps: [[1, -2, 0.5]], stride: [1, 3], padding: [0, 3] };
  const { taps, ...options } = filter;
  const gy = random(oracle.forward(x, filter).shape);
  const program = await compileDirty(
    () => {
      const xs = leafOfRows(x);
      const y = filter2d(xs, taps, options);
      return { y, gx: gradientsOf(y, gy, [xs])[0] };
    },
    {},
    small,
  );
  await step(program);
  const { y, gx } = await readAll(program);
  expect(program.outputs.get("gx")?.nodes.length).toBe(2);
  const bounds = oracle.bounds(x, filter, gy);
  expectWithin("y", y, oracle.forward(x, filter), bounds.y);
  expectWithin("gx", gx, oracle.backward(x, filter, gy), bounds.gx);
});

describe("fails with a planted fault:", () => {
  const { x, filter, gy } = drawn[2];
  const { taps, ...options } = filter;
  it("a window one column short", async () => {
    const wrong = () => ({ y: sabotage(filter2d(leaf(x), taps, options), "min(p.kw, p.w", "min(p.kw - 1, p.w") });
    const { y } = await evaluate(wrong);
    expect(() => expectWithin("planted", y, oracle.forward(x, filter), oracle.bounds(x, filter, gy).y)).toThrow(
      /fraction/,
    );
  });
  it("the gradient's first window left out", async () => {
    const wrong = () => {
      const xs = leaf(x);
      const [gx] = gradientsOf(filter2d(xs, taps, options), gy, [xs]);
      return { gx: sabotage(gx, "max(0, place - k + s)", "max(0, place - k + 2 * s)") };
    };
    const { gx } = await evaluate(wrong);
    expect(() => expectWithin("planted", gx, oracle.backward(x, filter, gy), oracle.bounds(x, filter, gy).gx)).toThrow(
      /fraction/,
    );
  });
});

describe("refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  const two = [
    [1, 1],
    [1, 1],
  ];
  it.each<[string, () => Node, string]>([
    ["three axes", () => filter2d(node(2, 2, 4), two), "filter2d([2, 2, 4]): x must be [N, H, W, C]"],
    ["no taps", () => filter2d(node(1, 2, 2, 4), []), "the taps must be rows of equal length, at least 1×1"],
    ["ragged taps", () => filter2d(node(1, 2, 2, 4), [[1, 2], [3]]), "the taps must be rows of equal length"],
    ["no number", () => filter2d(node(1, 2, 2, 4), [[Number.NaN]]), "of finite numbers"],
    [
      "taps that do not fit",
      () => filter2d(node(1, 1, 5, 4), two),
      "filter2d([1, 1, 5, 4]): 2×2 taps do not fit into 1×5 pixels padded by 0 and 0",
    ],
    ["a stride of 0", () => filter2d(node(1, 2, 2, 4), two, { stride: [1, 0] }), "the stride 1 × 0 must be"],
    ["half a pixel", () => filter2d(node(1, 2, 2, 4), two, { padding: 0.5 }), "the padding 0.5 × 0.5 must be"],
    ["a pool of nothing", () => averagePool2d(node(1, 2, 2, 4), 0), "averagePool2d([1, 2, 2, 4]): the size 0 must be"],
    ["a pool too large", () => averagePool2d(node(1, 2, 2, 4), 3), "3×3 taps do not fit into 2×2 pixels"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
