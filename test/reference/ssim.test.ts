import { expect, it } from "vitest";
import { average } from "./filter2d.js";
import { gradientDifference } from "./losses.js";
import { exact, gradients, mul, type Rounded, sum } from "./rounded.js";
import * as oracle from "./ssim.js";
import { map, randomTensors, type Tensor } from "./tensor.js";

/**
 * Gradients against central differences. Their own error is h²/6 of a third derivative, which a window with little variance
 * makes as large as 1 / C2^1.5: (1e-5 / 0.03)² is below 1e-6 of the greatest.
 */
function checkGradients(inputs: Tensor[], loss: (inputs: Rounded[]) => Rounded): void {
  const h = 1e-5;
  const leaves = inputs.map(exact);
  gradients(loss(leaves), leaves).forEach(({ value: gradient }, k) => {
    const greatest = Math.max(...gradient.data.map(Math.abs));
    expect(greatest, `gradient of input ${k}`).toBeGreaterThan(0);
    for (let i = 0; i < gradient.data.length; i += 13) {
      const at = (d: number) =>
        loss(inputs.map((t, j) => exact(j === k ? map(t, (v, e) => (e === i ? v + d : v)) : t))).value.data[0];
      const difference = (at(h) - at(-h)) / (2 * h);
      expect(Math.abs(gradient.data[i] - difference), `input ${k}, element ${i}`).toBeLessThanOrEqual(1e-6 * greatest);
    }
  });
}

it("dssim, with and without weights, and ssim", () => {
  const random = randomTensors(5400);
  const [x, y, w] = [random([1, 12, 9, 2], 0), random([1, 12, 9, 2], 0), random([1, 12, 9, 1], 0, 3)];
  checkGradients([x, y], ([x, y]) => oracle.dssim(x, y));
  checkGradients([x, y, w], ([x, y, w]) => oracle.dssim(x, y, w));
  checkGradients([random([1, 12, 11, 1], 0), random([1, 12, 11, 1], 0)], ([x, y]) => oracle.ssim(x, y));
});

it("contrast and structure alone", () => {
  const random = randomTensors(5410);
  const [x, y, g] = [random([1, 7, 6, 1], 0), random([1, 7, 6, 1], 0), random([1, 2, 1, 1])];
  checkGradients([x, y], ([x, y]) => {
    const cs = oracle.similarity(oracle.pairMeans(x, y, average(6, 1)), { ...oracle.WANG, whole: false });
    return sum(mul(cs, exact(g)));
  });
});

it("gradientDifference, away from its kinks", () => {
  const random = randomTensors(5430);
  const [x, y, w] = [random([1, 4, 5, 2]), random([1, 4, 5, 2]), random([1, 4, 5, 1], 0, 3)];
  checkGradients([x, y], ([x, y]) => gradientDifference(x, y));
  checkGradients([x, y, w], ([x, y, w]) => gradientDifference(x, y, w));
});

it("is 1 for equal pictures, and the window sums to 1", () => {
  const x = exact(randomTensors(5420)([1, 13, 11, 2], 0));
  expect(oracle.ssim(x, x).value.data[0]).toBeCloseTo(1, 14);
  expect(oracle.dssim(x, x).value.data[0]).toBeCloseTo(0, 14);
  expect(oracle.gaussian.reduce((a, b) => a + b)).toBeCloseTo(1, 15);
});
