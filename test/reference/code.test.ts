import { describe, expect, it } from "vitest";
import * as oracle from "./code.js";
import * as latentLoss from "./latent.js";
import { exact, gradients, type Rounded, scalar, variance } from "./rounded.js";
import { map, randomTensors, type Tensor, tensor } from "./tensor.js";

/**
 * Gradients against central differences, element by element, as in reference.test.ts: within 1e-6 of the element's
 * gradient or, under a thousandth of the greatest, of that.
 */
function checkGradients(inputs: Tensor[], loss: (inputs: Rounded[]) => Rounded, differentiated = loss): void {
  const step = 1e-5;
  const leaves = inputs.map(exact);
  const found = gradients(loss(leaves), leaves).map((g) => g.value);
  found.forEach((gradient, k) => {
    const greatest = Math.max(...gradient.data.map(Math.abs));
    expect(greatest, `gradient of input ${k}`).toBeGreaterThan(0);
    gradient.data.forEach((g, i) => {
      const at = (h: number) =>
        differentiated(inputs.map((t, j) => exact(j === k ? map(t, (v, e) => (e === i ? v + h : v)) : t))).value
          .data[0];
      const difference = (at(step) - at(-step)) / (2 * step);
      const bound = 1e-6 * Math.max(Math.abs(g), 1e-3 * greatest);
      expect(Math.abs(g - difference), `input ${k}, element ${i}: ${g}, not ${difference}`).toBeLessThanOrEqual(bound);
    });
  });
}

const shapes = [
  [4, 5],
  [3, 2, 1, 3],
];
const draw = (identities: number, shape: number[], seed = 5000) => {
  const random = randomTensors(seed);
  return Array.from({ length: identities }, (_, k) => random(shape, -1 - k / 4, 1));
};

describe.each([2, 3])("losses on the codes of %d identities: gradients", (identities) => {
  it.each(shapes.map((shape) => ({ shape })))("codes $shape", ({ shape }) => {
    const codes = draw(identities, shape);
    for (const pooling of ["element", "channel"] as const) checkGradients(codes, (x) => oracle.latent(x, pooling));
    checkGradients(codes, oracle.coral);
    const typical = scalar(oracle.typicalDistance(codes));
    checkGradients(
      codes,
      (x) => oracle.mmd(x),
      (x) => oracle.mmd(x, typical),
    );
  });

  it("adversary, whose codes' gradient is reversed", () => {
    const random = randomTensors(5100);
    const codes = draw(identities, [4, 5]);
    const weights = [
      [5, 7],
      [1, 7],
      [7, identities],
      [1, identities],
    ].map((shape) => random(shape));
    const build = (factor: number) => (x: Rounded[]) => {
      const [w0, b0, w1, b1] = x.slice(identities);
      return oracle.adversary(x.slice(0, identities), { w0, b0, w1, b1 }, factor);
    };
    checkGradients([...codes, ...weights], build(-1));
    const leaves = [...codes, ...weights].map(exact);
    const [plain, reversed] = [-1, 0.3].map((factor) => gradients(build(factor)(leaves), leaves));
    reversed.forEach((g, k) => {
      const expected = map(plain[k].value, (v) => (k < identities ? -0.3 * v : v));
      g.value.data.forEach((v, i) => {
        expect(v).toBeCloseTo(expected.data[i], 14);
      });
    });
  });
});

describe("other losses on codes", () => {
  it("vibKl: gradients", () => {
    const random = randomTensors(5200);
    checkGradients([random([3, 2, 2, 3]), random([3, 2, 2, 3], -2, 1)], ([m, v]) => oracle.vibKl(m, v));
  });

  it("consistency: the gradient of what was encoded again, none of the codes", () => {
    const random = randomTensors(5300);
    const [codes, again] = [random([4, 5]), random([4, 5])];
    checkGradients([again], ([again]) => oracle.consistency(exact(codes), again));
    const leaves = [codes, again].map(exact);
    expect(gradients(oracle.consistency(leaves[0], leaves[1]), leaves)[0].value.data.every((v) => v === 0)).toBe(true);
  });

  it("latent of two is the loss that is already there", () => {
    const [a, b] = draw(2, [3, 2, 2, 3]);
    for (const pooling of ["element", "channel"] as const) {
      const value = oracle.latent([a, b].map(exact), pooling).value.data[0];
      expect(value).toBeCloseTo(latentLoss.forward(a, b, pooling).data[0], 14);
    }
  });

  it("coral is the distance of d × d covariances", () => {
    const codes = draw(3, [4, 7]);
    expect(oracle.coral(codes.map(exact)).value.data[0]).toBeCloseTo(oracle.naiveCoral(codes), 6);
    // The pairs' weights are float32 in the first.
    expect(oracle.coral(codes.slice(1).map(exact)).value.data[0]).toBeCloseTo(oracle.naiveCoral(codes.slice(1)), 14);
  });

  it("mmd is a mean over five kernels, written out", () => {
    const codes = draw(2, [3, 4]);
    const s = oracle.typicalDistance(codes);
    const rows = codes.map(({ data }) => [0, 1, 2].map((i) => data.slice(4 * i, 4 * i + 4)));
    const kernel = (a: Float64Array, b: Float64Array) => {
      const distance = a.reduce((t, v, i) => t + (v - b[i]) ** 2, 0);
      return [0.25, 0.5, 1, 2, 4].reduce((t, beta) => t + Math.exp(-distance / (beta * s)) / 5, 0);
    };
    const average = (p: Float64Array[], q: Float64Array[]) =>
      p.reduce((t, a) => t + q.reduce((u, b) => u + kernel(a, b) / 9, 0), 0);
    const expected = average(rows[0], rows[0]) + average(rows[1], rows[1]) - 2 * average(rows[0], rows[1]);
    expect(oracle.mmd(codes.map(exact)).value.data[0]).toBeCloseTo(expected, 14);
  });
});

describe("bounds of rounding", () => {
  it("hold for float32 arithmetic, and notice a difference that was squared too early", () => {
    const f = Math.fround;
    const values = randomTensors(5400)([200], 99, 100).data;
    const total = f(values.reduce((t, v) => f(t + v), 0));
    const centre = f(total / 200);
    const apart = values.map((v) => f(v - centre));
    const twoPass = f(apart.map((v) => f(v * v)).reduce((t, v) => f(t + v), 0) / 199);
    const squares = f(values.map((v) => f(v * v)).reduce((t, v) => f(t + v), 0) / 200);
    const early = f((f(squares - f(centre * centre)) * 200) / 199);
    const bounded = variance(exact(tensor([200], values)), [0]);
    expect(Math.abs(twoPass - bounded.value.data[0])).toBeLessThanOrEqual(bounded.error[0]);
    expect(Math.abs(early - bounded.value.data[0])).toBeGreaterThan(bounded.error[0]);
  });
});
