import { describe, expect, it } from "vitest";
import { glorot, he } from "../../src/index.js";

const shape = [3, 3, 64, 128];
const n = shape.reduce((a, b) => a * b, 1);
const draw = { seed: 7, stream: 2 };

const moments = (values: Float32Array) => {
  const mean = values.reduce((sum, v) => sum + v, 0) / n;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / n;
  return { mean, deviation: Math.sqrt(variance), largest: values.reduce((m, v) => Math.max(m, Math.abs(v)), 0) };
};

describe("he", () => {
  it.each([
    { alpha: 0, expected: Math.sqrt(2 / 576) },
    { alpha: 0.1, expected: Math.sqrt(2 / (1.01 * 576)) },
    { alpha: 1, expected: Math.sqrt(1 / 576) },
  ])("has the deviation for a slope of $alpha", ({ alpha, expected }) => {
    const { mean, deviation, largest } = moments(he(shape, 576, draw, alpha));
    // Five standard errors: σ / √n of the mean, σ / √(2n) of the deviation.
    expect(Math.abs(mean)).toBeLessThan((5 * expected) / Math.sqrt(n));
    expect(Math.abs(deviation - expected)).toBeLessThan((5 * expected) / Math.sqrt(2 * n));
    // Normal, not uniform: a uniform one would end at √3 σ.
    expect(largest).toBeGreaterThan(4 * expected);
  });

  it("keeps the second moment of what passes through it and a leaky ReLU", () => {
    const alpha = 0.1;
    const w = he([512, 512], 512, draw, alpha);
    const x = he([512], 2, { seed: 8, stream: 0 });
    let total = 0;
    for (let o = 0; o < 512; o++) {
      let y = 0;
      for (let i = 0; i < 512; i++) y += x[i] * w[i * 512 + o];
      total += (y > 0 ? y : alpha * y) ** 2 / 512;
    }
    const before = x.reduce((sum, v) => sum + v * v, 0) / 512;
    // The mean of 512 squares of half-normal numbers errs by √(5 / 512) = 0.1; five of them.
    expect(Math.abs(total / before - 1)).toBeLessThan(0.5);
  });
});

describe("glorot", () => {
  it("is uniform within ±√(6 / (fanIn + fanOut))", () => {
    const limit = Math.sqrt(6 / (576 + 1152));
    const { mean, deviation, largest } = moments(glorot(shape, 576, 1152, draw));
    const expected = limit / Math.sqrt(3);
    expect(Math.abs(mean)).toBeLessThan((5 * expected) / Math.sqrt(n));
    // The fourth moment of a uniform distribution is 9/5 σ⁴, so the deviation errs by σ √(1 / 5n).
    expect(Math.abs(deviation - expected)).toBeLessThan(5 * expected * Math.sqrt(1 / (5 * n)));
    expect(largest).toBeLessThanOrEqual(limit * (1 + 2 ** -23));
    expect(largest).toBeGreaterThan(limit * 0.999);
  });
});

it.each([
  ["he", (d: typeof draw) => he([50], 10, d)],
  ["glorot", (d: typeof draw) => glorot([50], 10, 10, d)],
])("%s draws the same numbers again, others for another seed or stream", (_, make) => {
  expect(make(draw)).toEqual(make(draw));
  expect(make(draw)).not.toEqual(make({ ...draw, seed: 8 }));
  expect(make(draw)).not.toEqual(make({ ...draw, stream: 3 }));
});
