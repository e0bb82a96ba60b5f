import { beforeAll, describe, expect, it } from "vitest";
import { pairMeans } from "../../../src/engine/ops/pairMeans.js";
import { add, concat, gradients, mul, type Node, ShapeError, slice, sum } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import { compileDirty, evaluate, expectNear, leaf, readAll, sabotage, step, type Value } from "../../gpu.js";
import * as rounded from "../../reference/rounded.js";
import * as oracle from "../../reference/ssim.js";
import { randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";

const GROUPS = ["x", "y", "xx", "yy", "xy"] as const;

/** Pictures, rows and columns of taps, stride: windows that miss pixels, overlap, end early. */
const cases: [number[], [number, number], [number, number]][] = [
  [
    [1, 1, 1, 1],
    [1, 1],
    [1, 1],
  ],
  [
    [2, 13, 17, 3],
    [6, 6],
    [3, 3],
  ],
  [
    [1, 5, 70, 4],
    [1, 11],
    [1, 1],
  ],
  [
    [2, 9, 8, 5],
    [2, 3],
    [3, 4],
  ],
  [
    [1, 7, 6, 9],
    [3, 2],
    [1, 2],
  ],
];

const drawn = cases.map(([shape, size, stride], i) => {
  const random = randomTensors(2600 + i);
  const [x, y] = [random(shape), random(shape)];
  const flat = Array.from(random(size).data);
  const taps = Array.from({ length: size[0] }, (_, a) => flat.slice(a * size[1], (a + 1) * size[1]));
  const [h, w] = size.map((k, axis) => Math.floor((shape[axis + 1] - k) / stride[axis]) + 1);
  const gm = GROUPS.map(() => random([shape[0], h, w, shape[3]]));
  return { name: `[${shape}] in ${size.join("×")}, stride ${stride}`, x, y, taps, stride, gm };
});
type Drawn = (typeof drawn)[number];

/** The five groups without their padding. */
const groupsOf = (m: Node, shape: number[]): Node[] =>
  GROUPS.map((_, i) => slice(m, [0, 0, 0, (i * m.shape[3]) / 5], shape));

function nodes({ x, y, taps, stride, gm }: Drawn, [xs, ys] = [leaf(x), leaf(y)]) {
  const m = pairMeans(xs, ys, taps, stride);
  const groups = groupsOf(m, gm[0].shape);
  const loss = groups.map((group, i) => sum(mul(group, leaf(gm[i])))).reduce(add);
  return { m, groups, gradients: gradients(loss, [xs, ys]) };
}

function expected({ x, y, taps, stride, gm }: Drawn) {
  const leaves = [x, y].map(rounded.exact);
  const means = oracle.pairMeans(leaves[0], leaves[1], { taps, stride, padding: [0, 0] });
  const loss = GROUPS.map((name, i) => rounded.sum(rounded.mul(means[name], rounded.exact(gm[i])))).reduce(rounded.add);
  return { means, gradients: rounded.gradients(loss, leaves) };
}

const expectRounded = (what: string, actual: Value, { value, error }: rounded.Rounded) =>
  expectNear(what, actual, value, error);

describe("pairMeans", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map((own) => {
          const { m, groups, gradients } = nodes(own);
          const named = Object.fromEntries(groups.map((group, i) => [`${own.name} ${GROUPS[i]}`, group]));
          return { ...named, [`${own.name} m`]: m, [`${own.name} gx`]: gradients[0], [`${own.name} gy`]: gradients[1] };
        }),
      ),
    );
  });

  it.each(drawn)("$name", (own) => {
    const { means, gradients } = expected(own);
    for (const name of GROUPS) expectRounded(`${own.name} ${name}`, values[`${own.name} ${name}`], means[name]);
    expectRounded(`${own.name} gx`, values[`${own.name} gx`], gradients[0]);
    expectRounded(`${own.name} gy`, values[`${own.name} gy`], gradients[1]);
    // The groups' own padding.
    const { shape, data } = values[`${own.name} m`];
    const [group, channels] = [shape[3] / 5, own.x.shape[3]];
    expect(data.every((v, i) => (i % shape[3]) % group < channels || v === 0)).toBe(true);
  });
});

it("keeps the padding zero, whatever gradient the groups' padding has", async () => {
  const { x, y, taps, stride } = drawn[1];
  const { gx } = await evaluate(() => {
    const xs = leaf(x);
    return { gx: gradients(sum(pairMeans(xs, leaf(y), taps, stride)), [xs])[0] };
  });
  expect(gx.shape).toEqual(x.shape);
});

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  const small = await openGpu({ maxBindingBytes: 2048 });
  const random = randomTensors(2690);
  const [x, y] = [random([2, 8, 9, 3]), random([2, 8, 9, 3])];
  const gm = GROUPS.map(() => random([2, 3, 4, 3]));
  const own: Drawn = {
    name: "cut",
    x,
    y,
    taps: [
      [0.5, -1],
      [2, 0.25],
      [1, 1],
    ],
    stride: [2, 2],
    gm,
  };
  const program = await compileDirty(
    () => {
      const halves = ({ shape: [, ...row], data }: Tensor) =>
        concat(
          [0, 1].map((i) => leaf(tensor([1, ...row], data.slice((i * data.length) / 2, ((i + 1) * data.length) / 2)))),
        );
      const { m, gradients } = nodes(own, [halves(x), halves(y)]);
      return { m, gx: gradients[0], gy: gradients[1] };
    },
    {},
    small,
  );
  await step(program);
  const { gx, gy } = await readAll(program);
  expect(program.outputs.get("m")?.nodes.length).toBe(1);
  expect(program.outputs.get("gx")?.nodes.length).toBe(2);
  const { gradients } = expected(own);
  expectRounded("gx", gx, gradients[0]);
  expectRounded("gy", gy, gradients[1]);
});

describe("fails with a planted fault:", () => {
  const own = drawn[1];
  it("squares of y in the place of products", async () => {
    const { xy } = await evaluate(() => {
      const m = sabotage(pairMeans(leaf(own.x), leaf(own.y), own.taps, own.stride), "(u * v)", "(v * v)");
      return { xy: groupsOf(m, own.gm[0].shape)[4] };
    });
    expect(() => expectRounded("planted", xy, expected(own).means.xy)).toThrow(/fraction/);
  });
  it("the gradient of the other picture's square", async () => {
    const { gx } = await evaluate(() => ({ gx: sabotage(nodes(own).gradients[0], "group + 2 *", "group + 3 *") }));
    expect(() => expectRounded("planted", gx, expected(own).gradients[0])).toThrow(/fraction/);
  });
});

describe("pairMeans refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  const two = [[1, 1]];
  it.each<[string, () => Node, string]>([
    ["two shapes", () => pairMeans(node(1, 2, 2, 3), node(1, 2, 2, 1), two), "both must have one shape, [N, H, W, C]"],
    ["three axes", () => pairMeans(node(2, 2, 3), node(2, 2, 3), two), "pairMeans([2, 2, 3], [2, 2, 3]): both"],
    [
      "a window too large",
      () => pairMeans(node(1, 2, 1, 3), node(1, 2, 1, 3), two),
      "a window of 1×2 does not fit into 2×1 pixels",
    ],
    ["a stride of 0", () => pairMeans(node(1, 2, 2, 3), node(1, 2, 2, 3), two, [0, 1]), "the stride 0 × 1 must be"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
