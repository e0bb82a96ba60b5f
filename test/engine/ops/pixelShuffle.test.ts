import { beforeAll, describe, expect, it } from "vitest";
import { pixelShuffle, pixelUnshuffle } from "../../../src/engine/ops/pixelShuffle.js";
import { type Node, ShapeError, scale } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import {
  compileDirty,
  evaluate,
  expectExact,
  gradientsOf,
  leaf,
  readAll,
  sabotage,
  step,
  type Value,
} from "../../gpu.js";
import * as oracle from "../../reference/pixelShuffle.js";
import { dot, map, randomTensors, tensor, zeros } from "../../reference/tensor.js";

/** A shuffled picture's shape [N, H·r, W·r, C] and r: 1 to 17 channels, odd extents, more than one workgroup. */
const cases: [number[], number][] = [
  [[1, 2, 2, 1], 2],
  [[2, 6, 10, 3], 2],
  [[1, 14, 6, 5], 2],
  [[2, 4, 6, 16], 2],
  [[3, 9, 3, 2], 3],
  [[1, 3, 15, 17], 3],
  [[1, 4, 12, 4], 4],
  [[2, 3, 5, 3], 1],
  [[1, 26, 34, 4], 2],
];

const drawn = cases.map(([shape, r], i) => {
  const random = randomTensors(2100 + i);
  const [n, h, w, c] = shape;
  const narrow = [n, h / r, w / r, c * r ** 2];
  return { name: `[${narrow}] ⇄ [${shape}]`, r, deep: random(narrow), wide: random(shape) };
});

describe("pixelShuffle and pixelUnshuffle", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, r, deep, wide }) => {
          const [x, y] = [leaf(deep), leaf(wide)];
          const [shuffled, unshuffled] = [pixelShuffle(x, r), pixelUnshuffle(y, r)];
          return {
            [`${name} s`]: shuffled,
            [`${name} sg`]: gradientsOf(shuffled, wide, [x])[0],
            [`${name} u`]: unshuffled,
            [`${name} ug`]: gradientsOf(unshuffled, deep, [y])[0],
          };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, r, deep, wide }) => {
    expectExact(`${name}: y`, values[`${name} s`], oracle.shuffle.forward(deep, r));
    expectExact(`${name}: gx`, values[`${name} sg`], oracle.shuffle.backward(deep, r, wide));
    expectExact(`${name}: y back`, values[`${name} u`], oracle.unshuffle.forward(wide, r));
    expectExact(`${name}: gx back`, values[`${name} ug`], oracle.unshuffle.backward(wide, r, deep));
  });

  it.each(drawn)("the oracles are each other's adjoint and inverse: $name", ({ r, deep, wide }) => {
    const y = oracle.shuffle.forward(deep, r);
    // Other orders of one sum.
    expect(dot(wide, y)).toBeCloseTo(dot(oracle.shuffle.backward(deep, r, wide), deep), 10);
    expect(oracle.unshuffle.forward(y, r)).toEqual(deep);
  });
});

it("has the channels in torch.nn.PixelShuffle's order", () => {
  // torch.nn.PixelShuffle(2)(torch.arange(8.).reshape(1, 8, 1, 1)): [[0, 1], [2, 3]] and [[4, 5], [6, 7]].
  const y = oracle.shuffle.forward(tensor([1, 1, 1, 8], [0, 1, 2, 3, 4, 5, 6, 7]), 2);
  expect(y).toEqual(tensor([1, 2, 2, 2], [0, 4, 1, 5, 2, 6, 3, 7]));
});

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  // Shuffled, 3 channels are padded to 4: 1280 bytes of 960.
  const small = await openGpu({ maxBindingBytes: 1024 });
  const x = randomTensors(2190)([2, 2, 5, 12]);
  const program = await compileDirty(
    () => {
      const y = pixelShuffle(leaf(x), 2);
      return { y, back: pixelUnshuffle(scale(y, 2), 2) };
    },
    {},
    small,
  );
  await step(program);
  const { y, back } = await readAll(program);
  expect(program.outputs.get("y")?.nodes.length).toBe(2);
  expectExact("y", y, oracle.shuffle.forward(x, 2));
  expectExact(
    "back",
    back,
    map(x, (v) => 2 * v),
  );
});

describe("fails with a planted fault:", () => {
  const { deep, wide, r } = drawn[1];
  it("rows and columns within a block exchanged", async () => {
    const { y } = await evaluate(() => ({
      y: sabotage(pixelShuffle(leaf(deep), r), "row % p.r * p.r + column % p.r", "column % p.r * p.r + row % p.r"),
    }));
    expect(() => expectExact("planted", y, oracle.shuffle.forward(deep, r))).toThrow("not");
  });
  it("and back", async () => {
    const { y } = await evaluate(() => ({
      y: sabotage(pixelUnshuffle(leaf(wide), r), "column * p.r + j", "column * p.r + i"),
    }));
    expect(() => expectExact("planted", y, oracle.unshuffle.forward(wide, r))).toThrow("not");
  });
});

describe("refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    ["three axes", () => pixelShuffle(node(2, 2, 4), 2), "pixelShuffle([2, 2, 4]): x must be [N, H, W, C]"],
    ["half a factor", () => pixelShuffle(node(1, 2, 2, 4), 0.5), "the factor 0.5 must be a whole number from 1"],
    [
      "other channels",
      () => pixelShuffle(node(1, 2, 2, 6), 2),
      "pixelShuffle([1, 2, 2, 6]): 6 channels do not divide by 2² = 4",
    ],
    [
      "other extents",
      () => pixelUnshuffle(node(1, 4, 3, 6), 2),
      "pixelUnshuffle([1, 4, 3, 6]): 4×3 pixels do not divide by 2",
    ],
    ["no factor", () => pixelUnshuffle(node(1, 4, 4, 6), 0), "the factor 0 must be a whole number from 1"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
