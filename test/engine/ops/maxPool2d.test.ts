import { beforeAll, describe, expect, it } from "vitest";
import { fitBatches } from "../../../src/engine/batch.js";
import { maxPool2d, type PoolOptions, pooledExtent } from "../../../src/engine/ops/maxPool2d.js";
import { mul, type Node, ShapeError } from "../../../src/index.js";
import { evaluate, expectExact, expectWithin, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/maxPool2d.js";
import { dot, map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";

/** Windows of 3 by 2 as in AlexNet, also in ceil mode as in SqueezeNet; 2 by 2 as in VGG; overlaps and gaps of all kinds. */
const cases: { shape: number[]; options: PoolOptions }[] = [
  { shape: [2, 7, 9, 3], options: { size: 3, stride: 2 } },
  { shape: [1, 8, 6, 5], options: { size: 3, stride: 2 } },
  { shape: [2, 8, 6, 4], options: { size: 3, stride: 2, ceilMode: true } },
  { shape: [1, 7, 10, 6], options: { size: 3, stride: 2, ceilMode: true } },
  { shape: [1, 2, 2, 2], options: { size: 3, stride: 2, ceilMode: true } },
  { shape: [3, 9, 5, 17], options: { size: 2, stride: 2 } },
  { shape: [1, 9, 5, 1], options: { size: 2, stride: 2, ceilMode: true } },
  { shape: [1, 6, 7, 3], options: { size: 3, stride: 1 } },
  { shape: [1, 11, 8, 4], options: { size: 2, stride: 5, ceilMode: true } },
  { shape: [2, 11, 8, 4], options: { size: 2, stride: 3 } },
  { shape: [1, 4, 13, 2], options: { size: 4, stride: 3, ceilMode: true } },
  { shape: [2, 3, 5, 3], options: { size: 1, stride: 1 } },
  { shape: [1, 33, 21, 6], options: { size: 5, stride: 2 } },
];

const named = (shape: number[], { size, stride, ceilMode }: PoolOptions) =>
  `[${shape}], ${size} by ${stride}${ceilMode ? ", ceil" : ""}`;

const drawn = cases.flatMap(({ shape, options }, i) => {
  const random = randomTensors(2300 + i);
  const x = random(shape);
  const gy = random(oracle.shapeOf(x, options));
  // Quarters, three of four zero as behind a ReLU: most windows hold their greatest number more than once.
  const ties = map(x, (v) => Math.max(0, Math.ceil(v * 4 - 3) + (i % 3)) / 4);
  return [
    { name: named(shape, options), x, gy, options },
    { name: `${named(shape, options)}, with ties`, x: ties, gy, options },
  ];
});

const build = (x: Tensor, gy: Tensor, options: PoolOptions) => {
  const xs = leaf(x);
  const y = maxPool2d(xs, options);
  return { y, gx: gradientsOf(y, gy, [xs])[0] };
};

describe("maxPool2d", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, gy, options }) => {
          const { y, gx } = build(x, gy, options);
          return { [`${name} y`]: y, [`${name} gx`]: gx };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, x, gy, options }) => {
    expectExact(`${name}: y`, values[`${name} y`], oracle.forward(x, options));
    const bound = oracle.bound(x, options, gy);
    expectWithin(`${name}: gx`, values[`${name} gx`], oracle.backward(x, options, gy), bound);
  });

  it("has a reference whose gradient is the central difference", () => {
    for (const { x, gy, options, name } of drawn.slice(0, 8)) {
      if (name.endsWith("ties")) continue;
      const gx = oracle.backward(x, options, gy);
      // Random numbers are further apart than this.
      const h = 1e-9;
      const at = (i: number, by: number) =>
        dot(
          gy,
          oracle.forward(
            map(x, (v, k) => (k === i ? v + by : v)),
            options,
          ),
        );
      for (let i = 0; i < gx.data.length; i += 7) expect((at(i, h) - at(i, -h)) / (2 * h)).toBeCloseTo(gx.data[i], 4);
    }
  });
});

// Extents of the results for 1 to 12 pixels as hexadecimal digits, 0 where it refuses: from PyTorch.
it.each([
  ["1 by 1", 1, 1, "123456789abc", "123456789abc"],
  ["1 by 3", 1, 3, "111222333444", "111222333444"],
  ["2 by 1", 2, 1, "0123456789ab", "0123456789ab"],
  ["2 by 2", 2, 2, "011223344556", "112233445566"],
  ["2 by 3", 2, 3, "011122233344", "111222333444"],
  ["2 by 5", 2, 5, "011111222223", "111112222233"],
  ["3 by 1", 3, 1, "00123456789a", "00123456789a"],
  ["3 by 2", 3, 2, "001122334455", "011223344556"],
  ["3 by 3", 3, 3, "001112223334", "111222333444"],
  ["3 by 5", 3, 5, "001111122222", "111112222233"],
  ["4 by 2", 4, 2, "000112233445", "001122334455"],
  ["4 by 3", 4, 3, "000111222333", "011122233344"],
  ["5 by 2", 5, 2, "000011223344", "000112233445"],
  ["5 by 4", 5, 4, "000011112222", "011112222333"],
])("%s has PyTorch's extents", (_, size, stride, floor, ceil) => {
  for (const [ceilMode, extents] of [
    [false, floor],
    [true, ceil],
  ] as const) {
    const each = (of: typeof pooledExtent) =>
      Array.from({ length: 12 }, (_, i) => Math.max(0, of(i + 1, { size, stride, ceilMode })).toString(16)).join("");
    expect(each(pooledExtent)).toBe(extents);
    expect(each(oracle.pooledExtent)).toBe(extents);
  }
});

it("gives the gradient of equals to the first in row-major order, as PyTorch does", async () => {
  // torch.nn.functional.max_pool2d(x, 3, 2) with gy = 1, 2, 3, 4, by row.
  const x = tensor([1, 5, 5, 1], [0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
  const gx = [0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const gy = tensor([1, 2, 2, 1], [1, 2, 3, 4]);
  const value = await evaluate(() => build(x, gy, { size: 3, stride: 2 }));
  expect([...value.gx.data]).toEqual(gx);
  // All equal: every window's first.
  const flat = await evaluate(() => build(zeros([1, 4, 4, 1]), gy, { size: 3, stride: 2, ceilMode: true }));
  expect([...flat.gx.data]).toEqual([1, 0, 2, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0, 0, 0, 0]);
});

it("is cut along the batch", async () => {
  const random = randomTensors(2390);
  const [a, b, gy] = [random([4, 1, 1, 3]), random([1, 6, 6, 3]), random([4, 2, 2, 3])];
  const whole = () => {
    const x = mul(leaf(a), leaf(b));
    const y = maxPool2d(x, { size: 3, stride: 2 });
    return { y, gx: gradientsOf(y, gy, [x])[0] };
  };
  // Two pictures' bytes.
  const cut = whole();
  const parts = fitBatches([cut.gx], 2 * 6 * 6 * 16)[0];
  expect(parts.map((node) => node.shape[0])).toEqual([2, 2]);
  const { gx, first, second } = await evaluate(() => ({ gx: whole().gx, first: parts[0], second: parts[1] }));
  expect([...first.data, ...second.data]).toEqual([...gx.data]);
});

describe("fails with a planted fault:", () => {
  const { x, gy, options } = drawn[5];
  it("a window that ends one row early", async () => {
    const { y } = await evaluate(() => ({
      y: sabotage(maxPool2d(leaf(x), options), "min(top + p.size, p.h)", "min(top + p.size - 1u, p.h)"),
    }));
    expect(() => expectExact("planted", y, oracle.forward(x, options))).toThrow("not");
  });
  it("the gradient of equals to each of them", async () => {
    const { gx } = await evaluate(() => {
      const { gx } = build(x, gy, options);
      return { gx: sabotage(gx, "first = first & ", "first = first | ") };
    });
    expect(() => expectWithin("planted", gx, oracle.backward(x, options, gy), oracle.bound(x, options, gy))).toThrow(
      /fraction/,
    );
  });
});

describe("maxPool2d refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    ["three axes", () => maxPool2d(node(2, 2, 4), { size: 2, stride: 2 }), "x must be [N, H, W, C]"],
    [
      "no stride",
      () => maxPool2d(node(1, 2, 2, 4), { size: 2, stride: 0 }),
      "size 2 and stride 0 must be whole numbers",
    ],
    ["half a window", () => maxPool2d(node(1, 2, 2, 4), { size: 1.5, stride: 1 }), "size 1.5 and stride 1 must be"],
    [
      "too few pixels",
      () => maxPool2d(node(1, 2, 9, 4), { size: 3, stride: 2 }),
      "maxPool2d([1, 2, 9, 4]): no window of 3×3 fits 2×9 pixels",
    ],
    ["too few for ceil mode", () => maxPool2d(node(1, 1, 9, 4), { size: 3, stride: 2, ceilMode: true }), "fits 1×9"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
