import { beforeAll, describe, expect, it } from "vitest";
import { l1, mse, type Node, ShapeError } from "../../src/index.js";
import { ULP } from "../engine/ops/accuracy.js";
import { evaluate, expectNear, expectWithin, gradientsOf, leaf, type Value } from "../gpu.js";
import * as oracle from "../reference/losses.js";
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

it("is zero between equal tensors, and so are the gradients", async () => {
  const x = randomTensors(3100)([2, 5]);
  const values = await evaluate(() => {
    const [a, b] = [leaf(x), leaf(x)];
    const y = l1(a, b);
    return { y, ga: gradientsOf(y, tensor([], [1]), [a])[0] };
  });
  expect([...values.y.data, ...values.ga.data]).toEqual(Array(11).fill(0));
});
