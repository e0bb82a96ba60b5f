import { describe, expect, it } from "vitest";
import { normal } from "../../src/engine/philox.js";
import { gridEnergy } from "../../src/faceswap/gridEnergy.js";
import type { Stack } from "../../src/faceswap/measures.js";

const SIZE = 32;
type Paint = (x: number, y: number, c: number) => number;

/** One picture of SIZE × SIZE × 3. */
function picture(paint: Paint): Stack {
  const data = Float32Array.from({ length: SIZE * SIZE * 3 }, (_, i) =>
    paint(Math.floor(i / 3) % SIZE, Math.floor(i / 3 / SIZE), i % 3),
  );
  return { data, length: data.length };
}

const grey = picture(() => 0.5);
const off = (paint: Paint) =>
  gridEnergy(
    picture((x, y, c) => 0.5 + paint(x, y, c)),
    grey,
  );

describe("gridEnergy", () => {
  it.each<[string, Paint, number]>([
    ["a checkerboard of amplitude a", (x, y) => 0.01 * (-1) ** (x + y), 1],
    ["stripes", (x) => 0.01 * (-1) ** x, 1],
    ["stripes the other way", (_, y) => 0.01 * (-1) ** y, 1],
    ["waves of period 4, by their root mean square", (x) => 0.01 * Math.SQRT2 * Math.cos((Math.PI * x) / 2), 1],
    ["a checkerboard in one channel of three", (x, y, c) => (c ? 0 : 0.01 * (-1) ** (x + y)), Math.sqrt(1 / 3)],
    ["half as much, half of it", (x, y) => 0.005 * (-1) ** (x + y), 0.5],
  ])("is a for %s", (_, paint, part) => {
    // Pictures are f32: 2^-24 of them is 6e-6 of the amplitude.
    expect(off(paint) / (0.01 * 255)).toBeCloseTo(part, 4);
  });

  it.each<[string, Paint]>([
    ["no error", () => 0],
    ["another brightness", () => 0.2],
    ["another slope of light", (x, y) => 0.003 * x - 0.002 * y],
  ])("is nothing for %s", (_, paint) => {
    expect(off(paint)).toBeLessThan(255 * 2 ** -22);
  });

  it.each<[string, Paint]>([
    ["a pattern on a slope of light", (x, y) => 0.01 * (-1) ** (x + y) + 0.003 * x - 0.002 * y],
    ["stripes on a slope across them", (x) => 0.01 * (-1) ** x + 0.003 * x],
  ])("takes nothing from %s", (_, paint) => {
    expect(off(paint) / (0.01 * 255)).toBeCloseTo(1, 4);
  });

  it("is small beside a wave of period 8, which is no grid", () => {
    // Its amplitude is 25.5/255.
    expect(off((x) => 0.1 * Math.cos((Math.PI * (x + 0.5)) / 4))).toBeLessThan(1.5);
  });

  it("halves what is no pattern", () => {
    const noise = normal(SIZE * SIZE * 3, { seed: 3, step: 0, stream: 0 });
    const found = off((x, y, c) => 0.01 * noise[(y * SIZE + x) * 3 + c]);
    expect(found / (0.01 * 255)).toBeGreaterThan(0.4);
    expect(found / (0.01 * 255)).toBeLessThan(0.6);
  });

  it("looks at flat blocks of the true picture only, and at the median one", () => {
    // The left half is busy, and drawn all wrong there; the right half is flat and drawn right, but for one block.
    const truth = picture((x, y) => (x < 16 ? ((x * 7 + y * 13) % 10) / 10 : 0.5));
    const one = (x: number, y: number) => x >= 24 && y >= 24;
    const drawn = picture((x, y) => (x < 16 ? 0 : 0.5 + (one(x, y) ? 0.3 * (-1) ** x : 0)));
    expect(gridEnergy(drawn, truth)).toBe(0);
    expect(
      gridEnergy(
        grey,
        picture((x, y) => ((x * 7 + y * 13) % 10) / 10),
      ),
    ).toBeNaN();
  });
});
