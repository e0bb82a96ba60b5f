import { beforeAll, describe, expect, it } from "vitest";
import { gradients, type Node, ShapeError } from "../../src/index.js";
import { gradientDifference, l1, mse, type PixelWeights } from "../../src/nn/losses.js";
import { dssim, msSsim, ssim, ssimLoss } from "../../src/nn/ssim.js";
import { goldenCases, goldenInputs } from "../golden/ssim.js";
import { evaluate, expectNear, gradientsOf, leaf, sabotage, type Value } from "../gpu.js";
import * as rounded from "../reference/rounded.js";
import * as oracle from "../reference/ssim.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../reference/tensor.js";

type Build = (x: Node, y: Node, options: PixelWeights) => Node;
type Reference = (x: rounded.Rounded, y: rounded.Rounded, weights?: rounded.Rounded) => rounded.Rounded;

interface Case {
  what: string;
  build: Build;
  reference: Reference;
  /** x, y and maybe weights. */
  inputs: Tensor[];
  gy: Tensor;
}

/** y is x with noise, so that some windows are alike. */
function draw(seed: number, shape: number[], weighted = false): Pick<Case, "inputs" | "gy"> {
  const random = randomTensors(seed);
  const [x, noise, w] = [random(shape, 0), random(shape, 0), random([...shape.slice(0, 3), 1], 0, 3)];
  const y = map(x, (v, i) => Math.fround(0.7 * v + 0.3 * noise.data[i]));
  return { inputs: weighted ? [x, y, w] : [x, y], gy: random([]) };
}

const cases: Case[] = [
  { what: "dssim of one window", build: dssim, reference: oracle.dssim, ...draw(3200, [1, 6, 6, 1]) },
  { what: "dssim", build: dssim, reference: oracle.dssim, ...draw(3201, [2, 13, 17, 3]) },
  { what: "dssim, weighted", build: dssim, reference: oracle.dssim, ...draw(3202, [2, 16, 11, 3], true) },
  { what: "dssim, five channels, weighted", build: dssim, reference: oracle.dssim, ...draw(3203, [1, 9, 8, 5], true) },
  { what: "ssim of one window", build: ssim, reference: oracle.ssim, ...draw(3204, [1, 11, 11, 1]) },
  { what: "ssim", build: ssim, reference: oracle.ssim, ...draw(3205, [2, 13, 15, 3]) },
  {
    what: "ssimLoss",
    build: ssimLoss,
    reference: (x, y) => rounded.sub(rounded.scalar(1), oracle.ssim(x, y)),
    ...draw(3206, [1, 12, 14, 5]),
  },
];
// 26 thousand pixels, through slow oracles.
if (process.env.SHIBORI_FULL === "1") {
  cases.push({ what: "msSsim", build: msSsim, reference: oracle.msSsim, ...draw(3207, [1, 162, 161, 1]) });
}

/** The loss and its gradients, named after the case. */
function nodes({ what, build, inputs, gy }: Case): Record<string, Node> {
  const leaves = inputs.map(leaf);
  const y = build(leaves[0], leaves[1], { weights: leaves[2] });
  const found = gradientsOf(y, gy, leaves);
  return { [`${what} y`]: y, ...Object.fromEntries(found.map((g, i) => [`${what} g${i}`, g])) };
}

describe("structural similarity, against its definition", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() => Object.assign({}, ...cases.map(nodes)));
  });

  it.each(cases)("$what", ({ what, reference, inputs, gy }) => {
    const leaves = inputs.map(rounded.exact);
    const y = reference(leaves[0], leaves[1], leaves[2]);
    const near = (name: string, { value, error }: rounded.Rounded, shape = value.shape) =>
      expectNear(`${what} ${name}`, values[`${what} ${name}`], { shape, data: value.data }, error);
    near("y", y, []);
    rounded.gradients(y, leaves, rounded.exact(gy)).forEach((g, i) => {
      near(`g${i}`, g);
    });
  });
});

/** Rounding differs between programs, but not its size: ten times what PyTorch's own float32 is off by. */
const FACTOR = 10;

describe("PyTorch's picture losses", () => {
  const builds: Record<string, Build> = { ssim, msSsim, dssim, gradientDifference, l1, mse };
  it.each(
    goldenCases.map((own) => ({ what: `${own.loss}${own.weighted ? ", weighted" : ""} of [${own.shape}]`, own })),
  )("$what", async ({ what, own }) => {
    const inputs = goldenInputs(own);
    const values = await evaluate(() => {
      const leaves = inputs.map(leaf);
      const y = builds[own.loss](leaves[0], leaves[1], { weights: leaves[2] });
      return { y, ...Object.fromEntries(gradients(y, leaves).map((g, i) => [`g${i}`, g])) };
    });
    const compare = (name: string, found: ArrayLike<number>, stored: number[]) => {
      const tolerance = FACTOR * own.float32Deviation * Math.max(...stored.map(Math.abs));
      const value = { shape: [stored.length], data: Float32Array.from(found) };
      expectNear(
        `${what}: ${name}`,
        value,
        tensor([stored.length], stored),
        stored.map(() => tolerance),
      );
    };
    compare("value", values.y.data, [own.value]);
    own.gradients.forEach((stored, i) => {
      const every = Array.from(values[`g${i}`].data).filter((_, at) => at % own.every[i] === 0);
      compare(`gradient ${i}`, every, stored);
    });
  });
});

it("is 1 between equal pictures, and dssim is 0", async () => {
  const x = randomTensors(3290)([1, 12, 13, 3], 0);
  const { own, apart } = await evaluate(() => ({ own: ssim(leaf(x), leaf(x)), apart: dssim(leaf(x), leaf(x)) }));
  // Numerator and divisor are the same numbers, computed alike but for a division: a few roundings of 1.
  expect(Math.abs(own.data[0] - 1)).toBeLessThan(2 ** -20);
  expect(Math.abs(apart.data[0])).toBeLessThan(2 ** -20);
});

it("msSsim of a picture and its negative is the floor, and its gradient ends there", async () => {
  // Noise gives variance to the finest windows, blocks of 16 pixels to the coarsest.
  const noise = randomTensors(3291)([1, 161, 161, 1], 0);
  const block = (i: number) => (Math.floor(i / 161 / 16) + Math.floor((i % 161) / 16)) % 2;
  const x = map(noise, (v, i) => Math.fround((v + block(i)) / 2));
  const { y, gx } = await evaluate(() => {
    const xs = leaf(x);
    const y = msSsim(xs, leaf(map(x, (v) => Math.fround(1 - v))));
    return { y, gx: gradients(y, [xs])[0] };
  });
  // Contrast and structure are negative at all scales: 1e-4 to the sum of the weights, 1.0001. Five logarithms of 1e-4, about
  // −9.2, weighted, and exp of −9.2: each a few ULP of that.
  expect(Math.abs(y.data[0] / 1e-4 ** 1.0001 - 1)).toBeLessThan(2 ** -23 * 9.3 * 20);
  expect([...gx.data].every((v) => v === 0)).toBe(true);
});

it("fails with a planted fault: windows every 2 pixels for every 3", async () => {
  const { what, build, reference, inputs } = cases[1];
  const leaves = inputs.map(rounded.exact);
  const { value, error } = reference(leaves[0], leaves[1]);
  const { y } = await evaluate(() => {
    const [x, y] = inputs.map(leaf);
    const replaced = (node: Node): Node =>
      node.op.name === "pairMeans"
        ? sabotage(node, "j * p.sw", "j * 2u")
        : { ...node, inputs: node.inputs.map(replaced) };
    return { y: replaced(build(x, y, {})) };
  });
  expect(() => expectNear(what, y, { shape: [], data: value.data }, error)).toThrow(/fraction/);
});

describe("refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  const of =
    (loss: Build, x: number[], y = x, weights?: number[]) =>
    () =>
      loss(node(...x), node(...y), { weights: weights && node(...weights) });
  it.each<[string, () => Node, string]>([
    [
      "two shapes",
      of(ssim, [1, 11, 11, 3], [1, 11, 11, 1]),
      "ssim([1, 11, 11, 3], [1, 11, 11, 1]): both must have one",
    ],
    [
      "three axes",
      of(dssim, [9, 9, 3]),
      "dssim([9, 9, 3], [9, 9, 3]): the pictures must be [N, H, W, C] with at least 6×6",
    ],
    ["a picture below a window of dssim", of(dssim, [1, 5, 9, 3]), "with at least 6×6 pixels, not 5×9"],
    ["a picture below a window of ssim", of(ssimLoss, [1, 11, 10, 3]), "with at least 11×11 pixels, not 11×10"],
    ["a picture below five scales", of(msSsim, [1, 160, 200, 3]), "with at least 161×161 pixels, not 160×200"],
    [
      "weights of another picture",
      of(dssim, [1, 8, 8, 3], [1, 8, 8, 3], [1, 8, 7, 1]),
      "dssim([1, 8, 8, 3], [1, 8, 7, 1]): weights must have shape [1, 8, 8, 1]",
    ],
    ["weights by channel", of(dssim, [1, 8, 8, 3], [1, 8, 8, 3], [1, 8, 8, 3]), "weights must have shape [1, 8, 8, 1]"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
