import { beforeAll, describe, expect, it } from "vitest";
import { l1, mse, type Node, ShapeError } from "../../src/index.js";
import { gradientDifference, type PixelWeights } from "../../src/nn/losses.js";
import { ULP } from "../engine/ops/accuracy.js";
import { expectLoss, lossNodes } from "../faceswap/code/rounding.js";
import { evaluate, expectNear, expectWithin, gradientsOf, leaf, sabotage, type Value } from "../gpu.js";
import * as oracle from "../reference/losses.js";
import { exact, type Rounded, reshape } from "../reference/rounded.js";
import { fill, map, randomTensors, tensor, zeros } from "../reference/tensor.js";

const losses: Record<string, [(a: Node, b: Node) => Node, oracle.Loss, (d: number) => number, (d: number) => number]> =
  {
    l1: [l1, oracle.l1, Math.abs, Math.sign],
    mse: [mse, oracle.mse, (d) => d * d, (d) => 2 * d],
  };

describe.each(Object.entries(losses))("%s", (name, [build, reference, f, derivative]) => {
  const drawn = [[1], [33], [2, 5, 7, 3], [3, 1, 4, 20]].map((shape, i) => {
    const random = randomTensors(3000 + i);
    const a = random(shape);
    const b = random(shape);
    b.data[0] = a.data[0]; // the kink of l1: no gradient
    return { what: `${name} of [${shape}]`, a, b, gy: random([]) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ what, a, b, gy }) => {
          const leaves = [leaf(a), leaf(b)];
          const y = build(leaves[0], leaves[1]);
          const [ga, gb] = gradientsOf(y, gy, leaves);
          return { [`${what} y`]: y, [`${what} ga`]: ga, [`${what} gb`]: gb };
        }),
      ),
    );
  });

  it.each(drawn)("$what", ({ what, a, b, gy }) => {
    const n = a.data.length;
    const apart = map(a, (v, i) => v - b.data[i]);
    const magnitude = apart.data.reduce((total, d) => total + f(d) / n, 0);
    // Besides the sum's n roundings: the difference (twice in a square), the product, 1 / n and the product with it.
    const bound = { magnitude: fill([], magnitude), count: fill([], n + 5) };
    expectWithin(`${what}: y`, values[`${what} y`], reference.forward(a, b), bound, 1);
    const { ga, gb } = reference.backward(a, b, gy);
    const tolerance = apart.data.map((d) => (Math.abs(gy.data[0] * derivative(d)) / n) * 3 * ULP);
    expectNear(`${what}: ga`, values[`${what} ga`], ga, tolerance);
    expectNear(`${what}: gb`, values[`${what} gb`], gb, tolerance);
  });

  it("refuses two shapes, even if they broadcast", () => {
    const wrong = () => build(leaf(zeros([2, 3])), leaf(zeros([1, 3])));
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow(`${name}([2, 3], [1, 3]): both must have one shape`);
  });
});

describe.each(Object.entries(losses))("%s, weighted", (name, [build, , f, derivative]) => {
  const weighted = build as (a: Node, b: Node, options: PixelWeights) => Node;
  it.each([[[2, 5, 7, 3]], [[3, 1, 4, 20]], [[1, 3, 2, 1]]])("of [%s]", async (shape) => {
    const random = randomTensors(3050 + shape[3]);
    const [a, b, w, gy] = [random(shape), random(shape), random([...shape.slice(0, 3), 1], 0, 3), random([])];
    const values = await evaluate(() => {
      const leaves = [a, b, w].map(leaf);
      const y = weighted(leaves[0], leaves[1], { weights: leaves[2] });
      const [ga, gb, gw] = gradientsOf(y, gy, leaves);
      return { y, ga, gb, gw };
    });
    const n = a.data.length;
    const channels = shape[3];
    const weightOf = (i: number) => w.data[Math.floor(i / channels)];
    const apart = map(a, (v, i) => v - b.data[i]);
    const y = apart.data.reduce((total, d, i) => total + (weightOf(i) * f(d)) / n, 0);
    // The sum's n roundings; the difference (twice in a square), the square, the weight, 1 / n and the product with it.
    const bound = { magnitude: fill([], y), count: fill([], n + 6) };
    expectWithin(`${name} of [${shape}]: y`, values.y, tensor([], [y]), bound, 1);
    const ga = map(apart, (d, i) => (gy.data[0] * weightOf(i) * derivative(d)) / n);
    const tolerance = ga.data.map((g) => Math.abs(g) * 4 * ULP);
    expectNear(`${name} of [${shape}]: ga`, values.ga, ga, tolerance);
    const gb = map(ga, (g) => -g);
    expectNear(`${name} of [${shape}]: gb`, values.gb, gb, tolerance);
    const gw = zeros(w.shape);
    apart.data.forEach((d, i) => {
      gw.data[Math.floor(i / channels)] += (gy.data[0] * f(d)) / n;
    });
    const own = { magnitude: map(gw, Math.abs), count: fill(w.shape, channels + 6) };
    expectWithin(`${name} of [${shape}]: gw`, values.gw, gw, own, 1);
  });

  it("refuses weights that do not fit", () => {
    const of = (x: number[], w: number[]) => () =>
      weighted(leaf(zeros(x)), leaf(zeros(x)), { weights: leaf(zeros(w)) });
    expect(of([2, 3, 3, 3], [2, 3, 3, 3])).toThrow(
      `${name}([2, 3, 3, 3], [2, 3, 3, 3]): weights must have shape [2, 3, 3, 1]`,
    );
    expect(of([2, 3, 3, 3], [1, 3, 3, 1])).toThrow(ShapeError);
    expect(of([2, 3], [2, 1])).toThrow("weights need pictures [N, H, W, C]");
  });
});

describe("gradientDifference", () => {
  it.each([
    { shape: [2, 5, 7, 3], weighted: false },
    { shape: [1, 2, 2, 1], weighted: false },
    { shape: [2, 6, 3, 5], weighted: true },
    { shape: [1, 2, 9, 4], weighted: true },
  ])("of $shape, weighted: $weighted", async ({ shape, weighted }) => {
    const random = randomTensors(3060 + shape[3]);
    const [x, y, w, gy] = [random(shape), random(shape), random([...shape.slice(0, 3), 1], 0, 3), random([])];
    const inputs = weighted ? [x, y, w] : [x, y];
    const loss = {
      build: ([x, y, weights]: Node[]) => gradientDifference(x, y, { weights }),
      oracle: ([x, y, weights]: Rounded[]) => oracle.gradientDifference(x, y, weights),
    };
    const what = `gradientDifference of [${shape}]${weighted ? ", weighted" : ""}`;
    const values = await evaluate(() => lossNodes(what, loss, inputs, gy));
    expectLoss(what, values, { ...loss, oracle: (all) => reshape(loss.oracle(all), []) }, inputs, gy);
  });

  it("sees an edge of the wrong sign, and no difference of level", async () => {
    const edge = tensor([1, 2, 2, 1], [0, 1, 0, 1]);
    const { sign, level } = await evaluate(() => ({
      sign: gradientDifference(leaf(edge), leaf(map(edge, (v) => 1 - v))),
      level: gradientDifference(leaf(edge), leaf(map(edge, (v) => v + 3))),
    }));
    expect([sign.data[0], level.data[0]]).toEqual([2, 0]);
  });

  it("weighs a difference as its later pixel", async () => {
    const x = tensor([1, 2, 2, 1], [0, 1, 4, 16]);
    const weights = tensor([1, 2, 2, 1], [1000, 1, 10, 100]);
    const { y } = await evaluate(() => ({
      y: gradientDifference(leaf(x), leaf(zeros(x.shape)), { weights: leaf(weights) }),
    }));
    // Across: 1 · 1 and 12 · 100, down: 4 · 10 and 15 · 100, two of each.
    expect(y.data[0]).toBe((1 + 1200) / 2 + (40 + 1500) / 2);
  });

  it("fails with a planted fault: a difference left out", async () => {
    const random = randomTensors(3070);
    const [x, y] = [random([1, 4, 5, 3]), random([1, 4, 5, 3])];
    const { value, error } = oracle.gradientDifference(exact(x), exact(y));
    const replaced = (node: Node): Node =>
      node.op.name === "filter2d"
        ? sabotage(node, "p.kh, p.h - top", "p.kh, p.h - 1 - top")
        : { ...node, inputs: node.inputs.map(replaced) };
    const wrong = await evaluate(() => ({ y: replaced(gradientDifference(leaf(x), leaf(y))) }));
    expect(() => expectNear("planted", wrong.y, { shape: [], data: value.data }, error)).toThrow(/fraction/);
  });

  it("refuses what has no neighbours, and two shapes", () => {
    const of =
      (x: number[], y = x) =>
      () =>
        gradientDifference(leaf(zeros(x)), leaf(zeros(y)));
    expect(of([1, 1, 5, 3])).toThrow("with at least 2 rows and 2 columns");
    expect(of([5, 3])).toThrow("gradientDifference([5, 3], [5, 3]): the pictures must be [N, H, W, C]");
    expect(of([1, 2, 2, 3], [1, 2, 2, 1])).toThrow("both must have one shape");
  });
});

it("is zero between equal tensors, and so are the gradients", async () => {
  const x = randomTensors(3100)([2, 5]);
  const values = await evaluate(() => {
    const [a, b] = [leaf(x), leaf(x)];
    const y = l1(a, b);
    return { y, ga: gradientsOf(y, tensor([], [1]), [a])[0] };
  });
  expect([...values.y.data, ...values.ga.data]).toEqual(Array(11).fill(0));
});
