import { beforeAll, describe, expect, it } from "vitest";
import { type Node, normal, resizeNearest, ShapeError, warp } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import {
  compileDirty,
  evaluate,
  expectExact,
  expectNear,
  gradientsOf,
  leaf,
  readAll,
  sabotage,
  step,
  type Value,
} from "../../gpu.js";
import { forward as resize } from "../../reference/resize.js";
import { dot, map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";
import * as oracle from "../../reference/warp.js";

/** Shapes, and the largest displacement in pixels: below a pixel, some, and beyond the picture, whose border goes on. */
const cases: [number[], number][] = [
  [[1, 1, 1, 1], 2],
  [[2, 3, 7, 3], 0.4],
  [[1, 1, 9, 4], 3],
  [[2, 13, 5, 5], 2.5],
  [[1, 17, 16, 3], 6],
  [[3, 4, 6, 9], 40],
  [[1, 31, 33, 1], 4],
];

const drawn = cases.map(([shape, most], i) => {
  const random = randomTensors(2300 + i);
  const grid = random([shape[0], 5, 5, 2], -most, most);
  return { name: `[${shape}] by up to ${most}`, x: random(shape), gy: random(shape), grid };
});

describe("warp", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, x, gy, grid }) => {
          const [xs, points] = [leaf(x), leaf(grid)];
          const y = warp(xs, points);
          const [gx] = gradientsOf(y, gy, [xs]);
          return { [`${name} y`]: y, [`${name} gx`]: gx };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, x, gy, grid }) => {
    const tolerance = oracle.tolerances(x, grid, gy);
    expectNear(`${name}: y`, values[`${name} y`], oracle.forward(x, grid), tolerance.y.data);
    expectNear(`${name}: gx`, values[`${name} gx`], oracle.backward(x, grid, gy), tolerance.gx.data);
  });

  it.each(drawn)("the oracle's gradient is its adjoint: $name", ({ x, gy, grid }) => {
    // Other orders of one sum.
    expect(dot(gy, oracle.forward(x, grid))).toBeCloseTo(dot(oracle.backward(x, grid, gy), x), 10);
  });

  it("the gradient's own gradient is the warp again", async () => {
    const { x, gy, grid } = drawn[3];
    const { again } = await evaluate(() => {
      const xs = leaf(x);
      const [gx] = gradientsOf(warp(xs, leaf(grid)), gy, [xs]);
      return { again: gx.op.backward?.(gx, xs)[0] as Node };
    });
    expectNear("again", again, oracle.forward(x, grid), oracle.tolerances(x, grid, gy).y.data);
  });
});

describe("moves pictures as it says:", () => {
  const x = randomTensors(2390)([2, 6, 5, 3]);
  const moved = (down: number, across: number): Tensor => map(zeros([2, 5, 5, 2]), (_, i) => (i % 2 ? across : down));
  const pixel = (n: number, i: number, j: number, c: number) =>
    x.data[((n * 6 + Math.min(Math.max(i, 0), 5)) * 5 + Math.min(Math.max(j, 0), 4)) * 3 + c];
  const shifted = (down: number, across: number) =>
    map(x, (_, at) =>
      pixel(Math.floor(at / 90), (Math.floor(at / 15) % 6) + down, (Math.floor(at / 3) % 5) + across, at % 3),
    );

  it.each([
    [2, 0],
    [0, -1],
    [-1, 3],
  ])("%d down and %d across", async (down, across) => {
    const grid = moved(down, across);
    const { y } = await evaluate(() => ({ y: warp(leaf(x), leaf(grid)) }));
    expectNear("y", y, shifted(down, across), oracle.tolerances(x, grid, x).y.data);
  });

  it.each([
    [0, 0],
    [100, -100],
  ])("%d down and %d across, to the bit: not at all, and to a corner", async (down, across) => {
    const { y } = await evaluate(() => ({ y: warp(leaf(x), leaf(moved(down, across))) }));
    expectExact("y", y, shifted(down, across));
  });

  it("a point in the middle alone bends what is within a quarter of it", async () => {
    const ramp = tensor(
      [1, 16, 16, 1],
      Array.from({ length: 256 }, (_, i) => i % 16),
    );
    const grid = zeros([1, 5, 5, 2]);
    grid.data[(2 * 5 + 2) * 2 + 1] = 2;
    const { y } = await evaluate(() => ({ y: warp(leaf(ramp), leaf(grid)) }));
    const bent = (i: number, j: number) => y.data[i * 16 + j] - j;
    // Centres are half a pixel beside the point, an eighth of the way to the next: 2 · (7/8)².
    for (const [i, j] of [
      [7, 7],
      [8, 8],
    ]) {
      expect(bent(i, j)).toBeCloseTo(2 * (7 / 8) ** 2, 5);
    }
    expect(bent(3, 8)).toBe(0);
    expect(bent(8, 12)).toBe(0);
    expect(bent(4, 8)).toBeGreaterThan(0);
  });
});

it("is new at every step by displacements from a random stream", async () => {
  const x = randomTensors(2391)([2, 8, 8, 3]);
  const program = await compileDirty(() => ({ y: warp(leaf(x), normal([2, 5, 5, 2])) }));
  await step(program);
  const first = await readAll(program);
  await step(program);
  expect((await readAll(program)).y.data).not.toEqual(first.y.data);
  program.destroy();
});

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  const small = await openGpu({ maxBindingBytes: 1024 });
  const random = randomTensors(2392);
  const [x, grid] = [random([2, 3, 3, 3]), random([2, 5, 5, 2], -2, 2)];
  const larger = resize(x, 7, 6);
  const program = await compileDirty(() => ({ y: warp(resizeNearest(leaf(x), 7, 6), leaf(grid)) }), {}, small);
  await step(program);
  const { y } = await readAll(program);
  expect(program.outputs.get("y")?.nodes.length).toBe(2);
  expectNear("y", y, oracle.forward(larger, grid), oracle.tolerances(larger, grid, larger).y.data);
});

describe("fails with a planted fault:", () => {
  const { x, gy, grid } = drawn[4];
  const tolerance = oracle.tolerances(x, grid, gy);
  it.each([
    ["pixels' corners for their centres", "* 4u + 2u", "* 4u"],
    ["rows' parts for columns'", "mix(above, below, within.x)", "mix(above, below, within.y)"],
    ["the other way", "+ mix(above, below, within.x)", "- mix(above, below, within.x)"],
  ])("%s", async (_, text, by) => {
    const { y } = await evaluate(() => ({ y: sabotage(warp(leaf(x), leaf(grid)), text, by) }));
    expect(() => expectNear("planted", y, oracle.forward(x, grid), tolerance.y.data)).toThrow(/fraction/);
  });
  it("a gradient that does not look far enough", async () => {
    const { gx } = await evaluate(() => {
      const xs = leaf(x);
      const [gx] = gradientsOf(warp(xs, leaf(grid)), gy, [xs]);
      return { gx: sabotage(gx, "vec2i(min(most, vec2f(vec2u(p.h, p.w)))) + 2", "vec2i(2)") };
    });
    expect(() => expectNear("planted", gx, oracle.backward(x, grid, gy), tolerance.gx.data)).toThrow(/fraction/);
  });
});

describe("warp refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    [
      "three axes",
      () => warp(node(2, 2, 4), node(2, 5, 5, 2)),
      "warp([2, 2, 4], [2, 5, 5, 2]): x must be [N, H, W, C]",
    ],
    [
      "another grid",
      () => warp(node(1, 8, 8, 3), node(1, 4, 5, 2)),
      "the grid must be [N, 5, 5, 2], of as many pictures",
    ],
    [
      "one grid for all",
      () => warp(node(2, 8, 8, 3), node(1, 5, 5, 2)),
      "warp([2, 8, 8, 3], [1, 5, 5, 2]): the grid must",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
