import { describe, expect, it } from "vitest";
import { randomFeatureNetwork, randomFeatures } from "../../../src/faceswap/perceptual/randomFeatures.js";
import { constant, gradients, mul, ShapeError, UserError } from "../../../src/index.js";
import { evaluate, gpu, leaf, STYLES } from "../../gpu.js";
import { map, randomTensors, type Tensor, zeros } from "../../reference/tensor.js";
import { expectGolden, goldenLpips, goldenPictures } from "./philoxNetwork.js";

const run = (x: Tensor, y: Tensor, seed: number, { gy = 1, style = "baseline" } = {}) =>
  evaluate(
    () => {
      const xs = leaf(x);
      const value = randomFeatures(xs, leaf(y), randomFeatureNetwork(seed));
      return { value, gx: gradients(mul(value, constant([gy], [])), [xs])[0] };
    },
    { kernels: { "*": style } },
  );

describe("randomFeatures", () => {
  const { seed, cases } = goldenLpips;

  it.each(STYLES)("is PyTorch's, value and gradient, %s kernels", async (style) => {
    const results = await run(...goldenPictures("random"), seed, { gy: 1.75, style });
    expectGolden(`random features, ${style}`, results, cases.random, 1.75);
  });

  it("is another one with another seed, and the comparison notices", async () => {
    const results = await run(...goldenPictures("random"), seed + 1);
    expect(() => expectGolden("planted", results, cases.random)).toThrow(/fraction/);
    const { value } = results;
    expect(value.data[0]).toBeGreaterThan(0);
    expect(value.data[0]).toBeLessThan(4);
  });

  it("of a picture with itself is 0, and so is its gradient", async () => {
    const x = randomTensors(7100)([1, 8, 9, 3], 0, 1);
    const { value, gx } = await run(x, x, 3);
    expect(value.data[0]).toBe(0);
    expect(gx.data.every((v) => v === 0)).toBe(true);
  });

  it("sees brightness and contrast, and moves with them", async () => {
    const x = randomTensors(7101)([2, 8, 8, 3], 0.3, 0.7);
    const apart = async (f: (v: number) => number) => (await run(map(x, f), x, 3)).value.data[0];
    const [flat, flatter] = [await apart((v) => 0.5 + (v - 0.5) / 2), await apart((v) => 0.5 + (v - 0.5) / 4)];
    expect(flat).toBeGreaterThan(1e-3);
    expect(flatter).toBeGreaterThan(flat);
    const [bright, brighter] = [await apart((v) => v + 0.1), await apart((v) => v + 0.2)];
    expect(bright).toBeGreaterThan(1e-3);
    expect(brighter).toBeGreaterThan(bright);
  });

  it("takes one pixel, and refuses what are no two pictures of one shape or no seed", () => {
    const of = (a: number[], b: number[]) => () =>
      randomFeatures(leaf(zeros(a)), leaf(zeros(b)), randomFeatureNetwork(0));
    expect(of([1, 1, 1, 3], [1, 1, 1, 3])().shape).toEqual([]);
    expect(of([1, 8, 8, 3], [1, 8, 9, 3])).toThrow(ShapeError);
    expect(of([1, 8, 8, 4], [1, 8, 8, 4])).toThrow(
      "randomFeatures([1, 8, 8, 4], [1, 8, 8, 4]): both must have one shape",
    );
    for (const wrong of [-1, 0.5, Number.NaN]) expect(() => randomFeatureNetwork(wrong)).toThrow(UserError);
  });
});

describe("randomFeatureNetwork", () => {
  it("is drawn from its seed alone, with He's deviation", async () => {
    const [one, same, other] = await Promise.all(
      [5, 5, 6].map((seed) => randomFeatureNetwork(seed).parameters.read(gpu)),
    );
    expect(one).toEqual(same);
    expect(one).not.toEqual(other);
    const w = one.get("random.4.weight") as Float32Array;
    const variance = w.reduce((total, v) => total + v * v, 0) / w.length;
    // 2 / (1.01 · 9 · 32), within five deviations of 18432 squares.
    expect(Math.abs((variance * 1.01 * 288) / 2 - 1)).toBeLessThan(5 * Math.sqrt(2 / w.length));
  });
});
