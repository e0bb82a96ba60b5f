import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { count, duration, figure, list, part } from "../../src/report/numbers.js";
import { curve, median, type Series, smoothed, spansDecades, thinned, windowOf } from "../../src/report/thin.js";

const series = (y: number[]): Series => ({ x: y.map((_, i) => i + 1), y });

test("thinned: few points stay, many lose neither the least nor the greatest, and keep their steps", () => {
  expect(thinned(series([3, 1, 2]), 3)).toEqual(series([3, 1, 2]));
  fc.assert(
    fc.property(
      fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 50, maxLength: 500, size: "max" }),
      (y) => {
        const { x, y: kept } = thinned(series(y), 20);
        expect(x.length).toBeLessThanOrEqual(20);
        expect(Math.max(...kept)).toBe(Math.max(...y));
        expect(Math.min(...kept)).toBe(Math.min(...y));
        expect(x.map((step) => y[step - 1])).toEqual(kept);
        expect(x).toEqual([...new Set(x)].sort((a, b) => a - b));
      },
    ),
  );
});

describe("smoothed", () => {
  it("is the median of the steps around, fewer at the ends", () => {
    expect(smoothed(series([9, 1, 5, 2, 100, 3, 4]), 3).y).toEqual([5, 5, 2, 5, 3, 4, 3.5]);
    expect(smoothed(series([9, 1, 5]), 1)).toEqual(series([9, 1, 5]));
  });

  it("gives few points, the last among them", () => {
    const y = Array.from({ length: 1001 }, (_, i) => i);
    const { x, y: smooth } = smoothed(series(y), 5, 10);
    expect(x).toHaveLength(11);
    expect(x.at(-1)).toBe(1001);
    expect(smooth.slice(1, -1)).toEqual(x.slice(1, -1).map((step) => step - 1));
  });

  it("passes over what is not finite", () => {
    expect(smoothed(series([1, Number.NaN, 3]), 3).y).toEqual([1, 2, 3]);
  });

  it.each([
    [1, 1],
    [99, 1],
    [100, 3],
    [2400, 49],
    [100_000, 501],
  ])("%i steps have a window of %i", (steps, window) => expect(windowOf(steps)).toBe(window));
});

test("median", () => {
  expect(median([])).toBeNaN();
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1])).toBe(2.5);
});

test("a logarithmic axis is for positive numbers that span a decade", () => {
  const spans = (...y: number[]) => spansDecades([curve(series(y), "t", "line")]);
  expect(spans(1, 10)).toBe(true);
  expect(spans(1, 9.9)).toBe(false);
  expect(spans(0, 10)).toBe(false);
  expect(spans(-1, 10)).toBe(false);
  expect(spans()).toBe(false);
  expect(spans(Number.NaN, 1, 10)).toBe(true);
});

describe("numbers in words", () => {
  it.each([
    [0.94219, "0.9422"],
    [0, "0.0000"],
    [-0.0196, "-0.0196"],
    [0.000277, "0.000277"],
    [0.0000003, "3.0e-7"],
    [133.27, "133.3"],
    [164205440, "164,205,440"],
    [Number.NaN, "–"],
    [Number.POSITIVE_INFINITY, "–"],
    [undefined, "–"],
    [null, "–"],
  ])("%j is %s", (n, text) => expect(figure(n)).toBe(text));

  it.each([
    [0.4, "0.4 s"],
    [61, "61 s"],
    [150, "2.5 min"],
    [1500, "25 min"],
    [7500, "2 h 5 min"],
    [7199, "2 h 0 min"],
    [Number.NaN, "–"],
  ])("%d seconds are %s", (seconds, text) => expect(duration(seconds)).toBe(text));

  it("parts, counts, lists", () => {
    expect([part(0.9449), part(Number.NaN), part(undefined)]).toEqual(["0.94", "–", "–"]);
    expect(count(1234567)).toBe("1,234,567");
    expect([list([]), list(["a"]), list(["a", "b"]), list(["a", "b", "c"])]).toEqual([
      "",
      "a",
      "a and b",
      "a, b and c",
    ]);
  });
});
