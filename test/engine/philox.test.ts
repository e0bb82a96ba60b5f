import { describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { type Counter, type Key, keyOf, normal, philox, uniform } from "../../src/engine/philox.js";

/** Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, result. */
const KNOWN_ANSWERS: [string, Counter, Key, number[]][] = [
  ["zeros", [0, 0, 0, 0], [0, 0], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]],
  [
    "ones",
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  ],
  [
    "digits of pi",
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  ],
];

const draw = { seed: 1234, step: 7, stream: 3 };

describe("philox4x32-10", () => {
  it.each(KNOWN_ANSWERS)("gives Random123's known answer: %s", (_, counter, key, answer) => {
    expect(Array.from(philox(counter, key))).toEqual(answer);
  });

  it("splits a seed into its low and high 32 bits", () => {
    expect(keyOf(0)).toEqual([0, 0]);
    expect(keyOf(2 ** 32 + 5)).toEqual([5, 1]);
    expect(keyOf(Number.MAX_SAFE_INTEGER)).toEqual([0xffffffff, 0x1fffff]);
  });
});

describe("uniform", () => {
  it("takes element i from word i & 3 of block i >> 2, on the grid of 2^-24", () => {
    const values = uniform(11, { seed: 2 ** 33 + 9, step: 7, stream: 3 });
    expect(values.length).toBe(11);
    values.forEach((value, i) => {
      expect(value).toBe((philox([i >> 2, 7, 3, 0], [9, 2])[i & 3] >>> 8) / 2 ** 24);
    });
  });

  it("has the moments of the uniform distribution and stays in [0, 1)", () => {
    const values = uniform(100_000, draw);
    const { mean, variance } = moments(values);
    // Five standard errors: sqrt(1/12/n) for the mean, sqrt(1/180/n) for the variance.
    expect(Math.abs(mean - 1 / 2)).toBeLessThan(5 * Math.sqrt(1 / 12 / values.length));
    expect(Math.abs(variance - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / values.length));
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
  });
});

describe("normal", () => {
  it("is Box-Muller on the word pairs (0, 1) and (2, 3), rounded to float32", () => {
    const values = normal(7, draw);
    expect(values.length).toBe(7);
    const expected = [0, 1].flatMap((block) => {
      const u = Array.from(philox([block, 7, 3, 0], [1234, 0]), (word) => (word + 0.5) / 2 ** 32);
      return [0, 2].flatMap((i) => {
        const radius = Math.sqrt(-2 * Math.log(u[i]));
        return [radius * Math.cos(2 * Math.PI * u[i + 1]), radius * Math.sin(2 * Math.PI * u[i + 1])];
      });
    });
    values.forEach((value, i) => {
      expect(value).toBe(Math.fround(expected[i]));
    });
  });

  it("has the moments of the normal distribution, and neighbours do not correlate", () => {
    const values = normal(100_000, draw);
    const n = values.length;
    const { mean, variance, skewness, kurtosis } = moments(values);
    // Five standard errors of each sample moment of a normal distribution.
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(variance - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(skewness)).toBeLessThan(5 * Math.sqrt(6 / n));
    expect(Math.abs(kurtosis - 3)).toBeLessThan(5 * Math.sqrt(24 / n));
    for (const lag of [1, 2, 4]) {
      let product = 0;
      for (let i = lag; i < n; i++) product += values[i] * values[i - lag];
      expect(Math.abs(product / n)).toBeLessThan(5 / Math.sqrt(n));
    }
  });
});

describe.each([
  ["uniform", uniform],
  ["normal", normal],
])("%s", (_, generate) => {
  it("draws the same numbers again, and a prefix whatever the count", () => {
    expect(generate(64, draw)).toEqual(generate(64, draw));
    expect(generate(5, draw)).toEqual(generate(64, draw).slice(0, 5));
    expect(generate(0, draw).length).toBe(0);
  });

  it.each([
    ["step", { ...draw, step: 8 }],
    ["stream", { ...draw, stream: 4 }],
    ["low half of the seed", { ...draw, seed: 1235 }],
    ["high half of the seed", { ...draw, seed: 1234 + 2 ** 32 }],
    ["step and stream exchanged", { ...draw, step: 3, stream: 7 }],
  ])("draws other numbers for another %s", (_name, other) => {
    const a = generate(256, draw);
    const b = generate(256, other);
    expect(a.filter((value, i) => value === b[i]).length).toBeLessThan(3);
  });

  it.each([
    ["seed -1", { ...draw, seed: -1 }],
    ["seed 0.5", { ...draw, seed: 0.5 }],
    ["seed 9007199254740992", { ...draw, seed: 2 ** 53 }],
    ["step 4294967296", { ...draw, step: 2 ** 32 }],
    ["stream -1", { ...draw, stream: -1 }],
  ])("refuses %s", (message, bad) => {
    expect(() => generate(4, bad)).toThrow(UserError);
    expect(() => generate(4, bad)).toThrow(message);
  });

  it("refuses a count that is not a natural number", () => {
    expect(() => generate(-1, draw)).toThrow("count -1");
    expect(() => generate(1.5, draw)).toThrow(UserError);
  });
});

function moments(values: Float32Array) {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const central = (power: number) => values.reduce((sum, value) => sum + (value - mean) ** power, 0) / n;
  const variance = central(2);
  return { mean, variance, skewness: central(3) / variance ** 1.5, kurtosis: central(4) / variance ** 2 };
}
