import { describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { COLUMNS, type Column, decodeSheet, encodeMatrix, encodeSheet, type Shown } from "../../src/report/sheets.js";
import { encodePng } from "../../src/storage/png.js";
import { POSES, pictureOf, sheetOf, shownIn } from "./runs.js";

describe("a preview sheet", () => {
  it("gives every picture back as it was put in", () => {
    const sheet = decodeSheet(sheetOf(240, 3), "a.png");
    expect(sheet).toMatchObject({ shows: { kind: "avatars", pair: "mild", poses: "demo" }, poses: POSES, size: 8 });
    for (const column of Object.keys(COLUMNS) as Column[]) {
      for (let pose = 0; pose < POSES; pose++) {
        expect(sheet.tile(pose, column), `${column} ${pose}`).toEqual(shownIn(column, pose, 240, 3));
      }
    }
    expect(sheet.tile(POSES, "src")).toBeUndefined();
  });

  it.each([5, 32, 64, 100, 128, 256])("of pictures of %i pixels too", (size) => {
    const columns = [
      ["src", [pictureOf(1, size), pictureOf(2, size)]],
      ["swap", [pictureOf(3, size), pictureOf(4, size)]],
    ] as const;
    const sheet = decodeSheet(encodeSheet(columns, { title: "t", shows: { kind: "folders" } }), "a.png");
    expect(sheet.size).toBe(size);
    for (const [column, pictures] of columns) {
      for (const [pose, picture] of pictures.entries()) expect(sheet.tile(pose, column)).toEqual(picture);
    }
    expect(sheet.tile(0, "trueSwap")).toBeUndefined();
  });

  it("has the same bytes for the same pictures", () => {
    expect(sheetOf(240)).toEqual(sheetOf(240));
  });
});

describe("a matrix", () => {
  const names = ["ann", "bob", "cy"];
  /** What the sheet has of an identity in a pose: its picture, or a decoder's. */
  const shown = (from: number, pose: number, to = -1) => pictureOf(from * 20 + pose * 5 + to + 1);
  const matrixOf = (shows: Shown) => {
    const line = (from: number) => ({
      pictures: [0, 1].map((pose) => shown(from, pose)),
      as: Object.fromEntries(names.map((name, to) => [name, [0, 1].map((pose) => shown(from, pose, to))])),
    });
    return encodeMatrix(Object.fromEntries(names.map((name, from) => [name, line(from)])), { title: "t", shows });
  };

  it("gives the first two identities back as if they were alone", () => {
    const sheet = decodeSheet(matrixOf({ kind: "avatars", pair: "trio", poses: "demo" }), "a.png");
    expect(sheet).toMatchObject({ shows: { kind: "avatars", pair: "trio", poses: "demo" }, poses: 2, size: 8 });
    for (const pose of [0, 1]) {
      expect(sheet.tile(pose, "src")).toEqual(shown(0, pose));
      expect(sheet.tile(pose, "srcReconstruction")).toEqual(shown(0, pose, 0));
      expect(sheet.tile(pose, "swap")).toEqual(shown(0, pose, 1));
      expect(sheet.tile(pose, "trueSwap")).toEqual(shown(1, pose));
      expect(sheet.tile(pose, "reverse")).toEqual(shown(1, pose, 0));
      expect(sheet.tile(pose, "dstReconstruction")).toEqual(shown(1, pose, 1));
      expect(sheet.tile(pose, "dst")).toEqual(shown(1, pose));
    }
    expect(sheet.tile(2, "src")).toBeUndefined();
  });

  it("of pictures without a known swap has none", () => {
    const sheet = decodeSheet(matrixOf({ kind: "folders" }), "a.png");
    expect(sheet.tile(0, "trueSwap")).toBeUndefined();
    expect(sheet.tile(0, "dst")).toEqual(shown(1, 0));
  });
});

describe("refuses", () => {
  const picture = pictureOf(1);
  const withText = (text: string) => encodePng(picture, { text: { Shibori: text } });
  const layout = (grid: object) => withText(JSON.stringify({ shows: { kind: "folders" }, columns: ["src"], grid }));
  const matrix = (grid: object) =>
    withText(JSON.stringify({ shows: { kind: "folders" }, identities: ["a", "b"], grid }));
  const grid = { left: 0, top: 0, pitchX: 8, pitchY: 8, rows: 1, columns: 1, width: 8, height: 8, scale: 1 };
  it.each<[string, Uint8Array, RegExp]>([
    ["another picture", encodePng(picture), /^a\.png: it does not say how it is laid out; it is no preview of a run$/],
    ["a layout that is no JSON", withText("{"), /^a\.png: what it says of its layout is damaged$/],
    ["no layout", withText("null"), /damaged$/],
    ["half a layout", layout({ left: 1 }), /damaged$/],
    ["a layout with fractions", layout({ ...grid, left: 0.5 }), /damaged$/],
    ["a matrix that lacks a column", matrix({ ...grid, rows: 2, columns: 2 }), /damaged$/],
    ["a matrix that lacks a row", matrix({ ...grid, rows: 3, columns: 3 }), /damaged$/],
    ["half a file", sheetOf(1).subarray(0, 2000), /^a\.png: cut short/],
    ["no picture", Buffer.from("hello"), /^a\.png: not a PNG file$/],
  ])("%s", (_, bytes, message) => {
    expect(() => decodeSheet(bytes, "a.png")).toThrow(UserError);
    expect(() => decodeSheet(bytes, "a.png")).toThrow(message);
  });

  it("a layout that reaches out of the picture", () => {
    expect(decodeSheet(layout(grid), "a.png").tile(0, "src")).toEqual(picture);
    for (const change of [{ left: 1 }, { top: 1 }, { scale: 2 }, { rows: 2 }, { rows: 0 }]) {
      expect(() => decodeSheet(layout({ ...grid, ...change }), "a.png")).toThrow(
        /^a\.png: a sheet of 8×8 pixels has no picture at row -?\d, column 0$/,
      );
    }
  });
});
