import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { CAP_HEIGHT, drawText, GLYPH_HEIGHT, textWidth } from "../../src/storage/font.js";
import { cutTile, montage } from "../../src/storage/montage.js";
import type { Picture } from "../../src/storage/picture.js";

const ASCII = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));
const ALL = [...ASCII, ..."→×±·–…"];

function ink(text: string): string[] {
  const dots: string[] = [];
  drawText(text, (x, y) => dots.push(`${x},${y}`));
  return dots;
}

describe("font", () => {
  test("every character has a drawing of its own, and the space has none", () => {
    const drawings = ALL.map((character) => ink(character).join(" "));
    expect(drawings[0]).toBe("");
    expect(new Set(drawings).size).toBe(ALL.length);
    expect(drawings).not.toContain(ink("漢").join(" "));
  });

  test("ink stays inside the measured width and the line's height, from the first column", () => {
    for (const character of ALL.slice(1)) {
      const points = ink(character).map((dot) => dot.split(",").map(Number));
      expect(Math.min(...points.map(([x]) => x))).toBe(0);
      expect(Math.max(...points.map(([x]) => x))).toBeLessThan(textWidth(character));
      expect(Math.max(...points.map(([, y]) => y))).toBeLessThan(GLYPH_HEIGHT);
    }
  });

  test("capitals and digits stand on the baseline and are as high as a capital", () => {
    for (const character of "ABCDEFGHIJKLMNOPRSTUVWXYZ0123456789") {
      const rows = ink(character).map((dot) => Number(dot.split(",")[1]));
      expect([Math.min(...rows), Math.max(...rows)]).toEqual([0, CAP_HEIGHT - 1]);
    }
  });

  test("an arrow, dot by dot", () => {
    expect(ink("→").sort()).toEqual(["0,3", "1,3", "2,1", "2,3", "2,5", "3,2", "3,3", "3,4", "4,3"]);
  });

  test("a text is its characters side by side, one blank column between", () => {
    expect(textWidth("")).toBe(0);
    expect(textWidth("I")).toBe(3);
    expect(textWidth("A I")).toBe(5 + 1 + 3 + 1 + 3);
    expect(ink("II")).toEqual([...ink("I"), ...ink("I").map((dot) => `${Number(dot[0]) + 4}${dot.slice(1)}`)]);
  });
});

/** A picture of one colour, the number `blue`, which neither the ground nor the text has. */
function flat(width: number, height: number, blue: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 2; i < data.length; i += 3) data[i] = blue;
  return { width, height, data };
}

const GROUND = 0xf7f6f3;
const LABEL = 0x4e5258;
const TITLE = 0x1c1e22;
const at = (sheet: Picture, x: number, y: number) => {
  const i = (y * sheet.width + x) * 3;
  return sheet.data[i] * 65536 + sheet.data[i + 1] * 256 + sheet.data[i + 2];
};

/** The box of all pixels of a sheet that `accept`s: left, top, right, bottom, inclusive, and their number. */
function box(sheet: Picture, accept: (colour: number) => boolean) {
  const found = { left: sheet.width, top: sheet.height, right: -1, bottom: -1, count: 0 };
  for (let y = 0; y < sheet.height; y++) {
    for (let x = 0; x < sheet.width; x++) {
      if (!accept(at(sheet, x, y))) continue;
      found.left = Math.min(found.left, x);
      found.top = Math.min(found.top, y);
      found.right = Math.max(found.right, x);
      found.bottom = Math.max(found.bottom, y);
      found.count++;
    }
  }
  return found;
}

test("without labels: pictures, gap and margin, and nothing else", () => {
  const rows = [
    [flat(4, 3, 101), flat(4, 3, 102)],
    [flat(4, 3, 103), flat(4, 3, 104)],
  ];
  const sheet = montage(rows, { gap: 2 });
  const find = (blue: number) => box(sheet, (colour) => colour === blue);
  expect(find(101)).toEqual({ left: 8, top: 8, right: 11, bottom: 10, count: 12 });
  expect(find(102)).toEqual({ left: 14, top: 8, right: 17, bottom: 10, count: 12 });
  expect(find(103)).toEqual({ left: 8, top: 13, right: 11, bottom: 15, count: 12 });
  expect(find(104)).toEqual({ left: 14, top: 13, right: 17, bottom: 15, count: 12 });
  expect([sheet.width, sheet.height]).toEqual([8 + 4 + 2 + 4 + 8, 8 + 3 + 2 + 3 + 8]);
  expect(box(sheet, (colour) => colour === GROUND).count).toBe(sheet.width * sheet.height - 48);
});

test("scale repeats every pixel, and every pixel is the picture's", () => {
  const picture = { width: 5, height: 4, data: new Uint8Array(60).map((_, i) => i) };
  const sheet = montage([[picture]], { scale: 3 });
  for (let y = 0; y < 12; y++) {
    for (let x = 0; x < 15; x++) {
      const i = (Math.floor(y / 3) * 5 + Math.floor(x / 3)) * 3;
      expect(at(sheet, 8 + x, 8 + y)).toBe(i * 65536 + (i + 1) * 256 + i + 2);
    }
  }
});

test("a row may end early", () => {
  const sheet = montage([[flat(8, 8, 101), flat(8, 8, 102)], [flat(8, 8, 103)]]);
  expect(box(sheet, (colour) => colour < 256).count).toBe(3 * 64);
});

test.each([
  [32, 1],
  [64, 1],
  [128, 2],
  [256, 3],
  [512, 4],
])("pictures of %i pixels have text of scale %i", (side, scale) => {
  const sheet = montage([[flat(side, side, 101)]], { columnLabels: ["l"] });
  const text = box(sheet, (colour) => colour === LABEL); // "l" is two columns wide
  expect(text.bottom - text.top + 1).toBe(CAP_HEIGHT * scale);
  const picture = box(sheet, (colour) => colour === 101);
  expect(text.bottom).toBeLessThan(picture.top);
  expect(text.left + text.right).toBe(picture.left + picture.right); // centred above it
});

test("row labels end beside their rows, at half the height", () => {
  const sheet = montage([[flat(33, 33, 101)], [flat(33, 33, 102)]], { rowLabels: ["I", "HHH"] });
  for (const blue of [101, 102]) {
    const picture = box(sheet, (colour) => colour === blue);
    const part = { ...sheet, height: picture.bottom + 1, data: sheet.data.slice() };
    part.data.fill(247, 0, picture.top * sheet.width * 3);
    const label = box(part, (colour) => colour === LABEL);
    expect(label.right).toBe(picture.left - 7);
    expect(label.top + label.bottom).toBe(picture.top + picture.bottom);
  }
});

test("a wide column label breaks at spaces only, and its last line stands by the pictures", () => {
  const sheet = montage([[flat(32, 32, 101), flat(32, 32, 102)]], { columnLabels: ["HHH HHH HHH", "HHH"] });
  const picture = box(sheet, (colour) => colour === 101);
  const inkRows = (left: number, right: number) =>
    Array.from({ length: picture.top }, (_, y) => y).filter((y) =>
      Array.from({ length: right - left }, (_, x) => at(sheet, left + x, y)).includes(LABEL),
    );
  const split = picture.right + 2;
  const [first, second] = [inkRows(0, split), inkRows(split, sheet.width)];
  expect(first.length).toBe(3 * CAP_HEIGHT); // 17 pixels a word: two and a space need 38
  expect(second).toEqual(first.slice(-CAP_HEIGHT));
});

const word = fc.string({ unit: fc.constantFrom(...ALL, "é"), maxLength: 14 });
const sheets = fc
  .record({
    width: fc.integer({ min: 1, max: 40 }),
    height: fc.integer({ min: 1, max: 40 }),
    rows: fc.integer({ min: 1, max: 3 }),
    columns: fc.integer({ min: 1, max: 3 }),
    scale: fc.integer({ min: 1, max: 5 }),
    gap: fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined }),
  })
  .chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      title: word,
      rowLabels: fc.array(word, { minLength: shape.rows, maxLength: shape.rows }),
      columnLabels: fc.array(word, { minLength: shape.columns, maxLength: shape.columns }),
    }),
  );

test("no text is cut, covered, or drawn over other text: every dot of ink is on the sheet, and the margin is free", () => {
  fc.assert(
    fc.property(sheets, ({ shape, title, rowLabels, columnLabels }) => {
      const { width, height, scale, gap } = shape;
      const rows = Array.from({ length: shape.rows }, () => Array(shape.columns).fill(flat(width, height, 101)));
      const sheet = montage(rows, { title, rowLabels, columnLabels, scale, gap });
      const text = Math.min(4, 1 + Math.floor((Math.max(width, height) * scale) / 128));
      const dots = (labels: string[]) => labels.flatMap((label) => label.split(/\s+/)).flatMap(ink).length * text ** 2;
      expect(box(sheet, (colour) => colour === LABEL).count).toBe(dots(rowLabels) + dots(columnLabels));
      expect(box(sheet, (colour) => colour === TITLE).count).toBe(ink(title).length * (text + 1) ** 2);
      expect(box(sheet, (colour) => colour === 101).count).toBe(
        shape.rows * shape.columns * width * height * scale ** 2,
      );
      const used = box(sheet, (colour) => colour !== GROUND);
      expect(Math.min(used.left, used.top)).toBeGreaterThanOrEqual(8 * text);
      expect(sheet.width - 1 - used.right).toBeGreaterThanOrEqual(8 * text);
      expect(sheet.height - 1 - used.bottom).toBeGreaterThanOrEqual(8 * text);
    }),
    { numRuns: 150 },
  );
});

test("every picture can be cut out of the sheet again, whatever stands around it", () => {
  fc.assert(
    fc.property(sheets, ({ shape, title, rowLabels, columnLabels }) => {
      const { width, height, scale, gap } = shape;
      const rows = Array.from({ length: shape.rows }, (_, r) =>
        Array.from({ length: shape.columns }, (_, c): Picture => {
          const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * 7 + r * 31 + c * 101) % 256);
          return { width, height, data };
        }),
      );
      const { grid, ...sheet } = montage(rows, { title, rowLabels, columnLabels, scale, gap });
      expect([grid.rows, grid.columns]).toEqual([shape.rows, shape.columns]);
      rows.forEach((row, r) => {
        row.forEach((picture, c) => {
          expect(cutTile(sheet, grid, r, c)).toEqual(picture);
        });
      });
    }),
    { numRuns: 100 },
  );
});

test("a picture that the sheet does not have is refused", () => {
  const { grid, ...sheet } = montage([[flat(4, 4, 101)]]);
  for (const [row, column] of [
    [1, 0],
    [0, 1],
    [-1, 0],
    [0, -1],
  ]) {
    expect(() => cutTile(sheet, grid, row, column)).toThrow(
      new UserError(`a sheet of 20×20 pixels has no picture at row ${row}, column ${column}`),
    );
  }
  const wrong = { ...grid, left: 17 };
  expect(() => cutTile(sheet, wrong, 0, 0)).toThrow("has no picture at row 0, column 0");
});

describe("refusals", () => {
  const one = flat(4, 4, 101);
  test.each<[string, Picture[][], Parameters<typeof montage>[1], string]>([
    ["no rows", [], {}, "montage: there is no picture to show"],
    ["empty rows", [[], []], {}, "montage: there is no picture to show"],
    ["two sizes", [[one, flat(5, 4, 1)]], {}, "montage: all pictures must have one size, but 5×4 follows 4×4"],
    ["a malformed picture", [[{ ...one, width: 3 }]], {}, "montage: a picture of 3×4 RGB pixels cannot have 48 bytes"],
    ["too many row labels", [[one]], { rowLabels: ["a", "b"] }, "montage: 2 row labels for 1 rows; give one for each"],
    [
      "too few column labels",
      [[one, one]],
      { columnLabels: ["a"] },
      "montage: 1 column labels for 2 columns; give one for each",
    ],
    ["a broken scale", [[one]], { scale: 1.5 }, "montage: scale 1.5 must be 1, 2, 3 …"],
    ["no scale", [[one]], { scale: 0 }, "montage: scale 0 must be 1, 2, 3 …"],
    ["a negative gap", [[one]], { gap: -1 }, "montage: gap -1 must be 0, 1, 2 …"],
  ])("%s", (_, rows, options, message) => {
    expect(() => montage(rows, options)).toThrow(new UserError(message));
  });
});
