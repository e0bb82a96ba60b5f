import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { cropAndResize, type Picture } from "../../src/storage/picture.js";

function draw(width: number, height: number, value: (x: number, y: number, c: number) => number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const pixel = Math.floor(i / 3);
    data[i] = value(pixel % width, Math.floor(pixel / width), i % 3);
  }
  return { width, height, data };
}

const red = (picture: Picture) => [...picture.data].filter((_, i) => i % 3 === 0);
const extent = fc.integer({ min: 1, max: 24 });

describe("crop", () => {
  test.each([
    [7, 3, 2, 0],
    [3, 7, 0, 2],
    [6, 3, 1, 0],
    [3, 8, 0, 2],
    [4, 4, 0, 0],
  ])("%i×%i begins at (%i, %i), and the square's own size is the identity", (width, height, left, top) => {
    const side = Math.min(width, height);
    const got = cropAndResize(
      draw(width, height, (x, y, c) => 16 * x + y + 80 * c),
      side,
    );
    expect(got).toEqual(draw(side, side, (x, y, c) => 16 * (x + left) + y + top + 80 * c));
  });

  test("what is cut off does not bleed into the edge", () => {
    const got = cropAndResize(
      draw(12, 4, (x) => (x >= 4 && x < 8 ? 50 : 255)),
      2,
    );
    expect(new Set(got.data)).toEqual(new Set([50]));
  });
});

describe("resize", () => {
  test("a constant stays constant at every size", () => {
    fc.assert(
      fc.property(extent, extent, extent, fc.nat(255), (width, height, size, value) => {
        const got = cropAndResize(
          draw(width, height, (_x, _y, c) => (value + 85 * c) % 256),
          size,
        );
        expect(got).toEqual(draw(size, size, (_x, _y, c) => (value + 85 * c) % 256));
      }),
    );
  });

  test("turning the picture turns the result: rows and columns are treated alike", () => {
    const turned = (p: Picture) => draw(p.height, p.width, (x, y, c) => p.data[(x * p.width + y) * 3 + c]);
    fc.assert(
      fc.property(extent, extent, fc.nat(1000), (side, size, seed) => {
        const picture = draw(side, side, (x, y, c) => (seed * 31 + x * 97 + y * y * 57 + c * 11) % 256);
        const [a, b] = [turned(cropAndResize(picture, size)), cropAndResize(turned(picture), size)];
        // The two orders of summation may fall on different sides of a half.
        expect(Math.max(...a.data.map((v, i) => Math.abs(v - b.data[i])))).toBeLessThanOrEqual(1);
      }),
    );
  });

  test("stripes and checkers of one pixel turn grey when halved: no aliasing", () => {
    const checker = cropAndResize(
      draw(64, 64, (x, y) => 255 * ((x + y) % 2)),
      32,
    );
    const inner = red(checker).filter((_, i) => i % 32 > 0 && i % 32 < 31 && i > 31 && i < 31 * 32);
    expect(new Set(inner)).toEqual(new Set([128]));
    // At the edge a part of the filter is missing; the worst is the corner, (1 − 3/4)/(7/4) squared of the amplitude.
    for (const v of red(checker)) expect(Math.abs(v - 127.5)).toBeLessThanOrEqual(127.5 / 49 + 0.5);
  });

  test.each([17, 21, 31, 40, 13])("nor does a shrink from 64 to %i pixels leave a moiré", (size) => {
    const checker = cropAndResize(
      draw(64, 64, (x, y) => 255 * ((x + y) % 2)),
      size,
    );
    // Bilinear interpolation of the nearest four pixels, as in many image libraries, leaves 82 to 119 here.
    for (const v of red(checker)) expect(Math.abs(v - 127.5)).toBeLessThanOrEqual(5);
  });

  test("halving: the weights are 1 3 3 1 over 8, and 3 3 1 over 7 at the edge", () => {
    const ramp = [0, 80, 20, 200, 120, 40];
    const got = cropAndResize(
      draw(6, 6, (x) => ramp[x]),
      3,
    );
    const expected = [(3 * 0 + 3 * 80 + 20) / 7, (80 + 3 * 20 + 3 * 200 + 120) / 8, (200 + 3 * 120 + 3 * 40) / 7];
    expect(red(got).slice(0, 3)).toEqual(expected.map(Math.round));
  });

  test("doubling is bilinear: quarters between the centres, and the edge repeated", () => {
    const got = cropAndResize(
      draw(2, 2, (x, y) => 100 * x + 40 * y),
      4,
    );
    expect(red(got).slice(0, 4)).toEqual([0, 25, 75, 100]);
    expect(red(got).filter((_, i) => i % 4 === 0)).toEqual([0, 10, 30, 40]);
    expect(red(got)[5]).toBe(35);
  });

  test("rounded once: 0.25 is 0, though rounding the rows first would lift it to 0.5 and then 1", () => {
    const corner = draw(2, 2, (x, y) => (x === 0 && y === 0 ? 1 : 0));
    expect(red(cropAndResize(corner, 1))).toEqual([0]);
  });

  test("one pixel becomes any size, any size one pixel", () => {
    expect(cropAndResize({ width: 1, height: 1, data: new Uint8Array([1, 2, 3]) }, 5)).toEqual(
      draw(5, 5, (_x, _y, c) => c + 1),
    );
    const one = cropAndResize(
      draw(3, 3, (x) => 100 * x),
      1,
    );
    expect(red(one)).toEqual([100]);
  });
});

test.each([0, -1, 1.5, Number.NaN])("the size %d is refused", (size) => {
  expect(() =>
    cropAndResize(
      draw(2, 2, () => 0),
      size,
    ),
  ).toThrow(new UserError(`cannot resize to ${size} pixels: the size must be a whole number from 1`));
});

test("a picture whose data does not fit its extents is refused", () => {
  expect(() => cropAndResize({ width: 2, height: 2, data: new Uint8Array(11) }, 1)).toThrow(
    new UserError("a picture of 2×2 RGB pixels cannot have 11 bytes"),
  );
});
