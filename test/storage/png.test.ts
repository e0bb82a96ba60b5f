import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { decodePng, encodePng, MAX_SIDE, readPngText } from "../../src/storage/png.js";
import { CHANNELS, chunk, header, makePng, type PngSpec, SIGNATURE } from "./png-fixture.js";

/** A sample pattern that reaches every value of a small depth, and 0 and the maximum of every depth. */
const pattern = (depth: number) => (x: number, y: number, c: number) => {
  const max = 2 ** depth - 1;
  return x === 0 && y === 0 ? 0 : x === 1 && y === 0 ? max : (x * 12347 + y * 7919 + c * 31337) % (max + 1);
};

/** What the picture must be, from the definition: samples over their maximum, over grey by alpha, rounded once. */
function expected({ width, height, depth, colourType, sample, palette, transparency }: PngSpec): number[] {
  const out: number[] = [];
  const max = 2 ** depth - 1;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const s = Array.from({ length: CHANNELS[colourType] }, (_, c) => sample(x, y, c));
      let rgb = s.slice(0, 3).map((v) => v / max);
      let alpha = 1;
      if (colourType === 0 || colourType === 4) rgb = [rgb[0], rgb[0], rgb[0]];
      if (colourType === 4 || colourType === 6) alpha = s[s.length - 1] / max;
      if (colourType === 3) {
        rgb = palette![s[0]].map((v) => v / 255);
        alpha = (transparency?.[s[0]] ?? 255) / 255;
      } else if (transparency && s.every((v, c) => v === transparency[2 * c] * 256 + transparency[2 * c + 1]))
        alpha = 0;
      out.push(...rgb.map((v) => Math.round(255 * (v * alpha + 0.5 * (1 - alpha)))));
    }
  }
  return out;
}

const KINDS = [
  ...[1, 2, 4, 8, 16].map((depth) => ({ colourType: 0, depth })),
  ...[8, 16].flatMap((depth) => [2, 4, 6].map((colourType) => ({ colourType, depth }))),
  ...[1, 2, 4, 8].map((depth) => ({ colourType: 3, depth })),
].flatMap((kind) => [
  { ...kind, interlaced: false },
  { ...kind, interlaced: true },
]);

describe.each(KINDS)("colour type $colourType, $depth bits, interlaced: $interlaced", (kind) => {
  const { colourType, depth } = kind;
  const palette =
    colourType === 3
      ? Array.from({ length: 2 ** depth }, (_, i) => [(i * 37) % 256, (i * 91 + 40) % 256, 255 - ((i * 5) % 256)])
      : undefined;

  test.each([
    [9, 7],
    [1, 1],
    [2, 5],
    [16, 3],
    [33, 10],
  ])("%i×%i", (width, height) => {
    const spec: PngSpec = { ...kind, width, height, palette, sample: pattern(depth) };
    const picture = decodePng(makePng(spec), "a.png");
    expect([picture.width, picture.height]).toEqual([width, height]);
    expect([...picture.data]).toEqual(expected(spec));
  });

  // Grey with alpha and RGB with alpha may not have one.
  if (colourType < 4)
    test("with a tRNS chunk", () => {
      const sample = pattern(depth);
      const colour = Array.from({ length: CHANNELS[colourType] }, (_, c) => sample(2, 1, c));
      const transparency = colourType === 3 ? [0, 100] : colour.flatMap((v) => [v >> 8, v & 255]);
      const spec: PngSpec = { ...kind, width: 9, height: 7, palette, transparency, sample };
      const want = expected(spec);
      expect([...decodePng(makePng(spec), "a.png").data]).toEqual(want);
      expect(want).not.toEqual(expected({ ...spec, transparency: undefined }));
    });
});

test("16 bits are rounded to the nearest of 8, not cut off", () => {
  const values = [0, 128, 129, 0x00ff, 0x0100, 0x7fff, 0x8000, 0xff7e, 0xff7f, 0xffff];
  const spec = { width: values.length, height: 1, depth: 16, colourType: 0, sample: (x: number) => values[x] };
  const { data } = decodePng(makePng(spec), "a.png");
  // The middle between two steps of 257 lies at 128.5.
  expect([...data].filter((_, i) => i % 3 === 0)).toEqual([0, 0, 1, 1, 1, 127, 128, 254, 255, 255]);
});

test("what is transparent becomes neutral grey, whatever colour it hides", () => {
  const spec = {
    width: 2,
    height: 1,
    depth: 8,
    colourType: 6,
    sample: (x: number, _y: number, c: number) => [0, 255][c === 3 ? 0 : x],
  };
  expect([...decodePng(makePng(spec), "a.png").data]).toEqual([128, 128, 128, 128, 128, 128]);
});

test("a view into a larger buffer, and bytes behind the last chunk", () => {
  const picture = { width: 2, height: 1, data: new Uint8Array([1, 2, 3, 4, 5, 6]) };
  const file = encodePng(picture);
  const padded = new Uint8Array(file.length + 30).fill(0x41);
  padded.set(file, 7);
  expect(decodePng(padded.subarray(7), "a.png")).toEqual(picture);
});

const aPicture = fc
  .tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 20 }))
  .chain(([width, height]) =>
    fc
      .uint8Array({ minLength: width * height * 3, maxLength: width * height * 3 })
      .map((data) => ({ width, height, data })),
  );

test("decode(encode(x)) is x", () => {
  fc.assert(
    fc.property(aPicture, (picture) => {
      expect(decodePng(encodePng(picture), "a.png")).toEqual(picture);
    }),
  );
});

test("the same picture gives the same bytes, and the data's buffer is left alone", () => {
  const data = new Uint8Array(64 * 64 * 3).map((_, i) => (i * i) % 251);
  const before = data.slice();
  expect(encodePng({ width: 64, height: 64, data })).toEqual(encodePng({ width: 64, height: 64, data }));
  expect(data).toEqual(before);
});

describe("text", () => {
  const pixel = { width: 1, height: 1, data: new Uint8Array([9, 8, 7]) };
  /** The chunks of a file, every CRC checked. */
  function chunks(file: Uint8Array): [string, Buffer][] {
    const bytes = Buffer.from(file);
    const out: [string, Buffer][] = [];
    for (let at = 8; at < bytes.length; ) {
      const end = at + 8 + bytes.readUInt32BE(at);
      expect(bytes.readUInt32BE(end)).toBe(crc32(bytes.subarray(at + 4, end)));
      out.push([bytes.toString("latin1", at + 4, at + 8), bytes.subarray(at + 8, end)]);
      at = end + 4;
    }
    return out;
  }

  test("tEXt for Latin-1, iTXt for the rest, before the pixels and in the order given", () => {
    const file = encodePng(pixel, { text: { Title: "Grüße\nzwei", "my key": "絞り → 3×3", Empty: "" } });
    const got = chunks(file);
    expect(got.map(([type]) => type)).toEqual(["IHDR", "tEXt", "iTXt", "tEXt", "IDAT", "IEND"]);
    expect(got[1][1].toString("latin1")).toBe("Title\0Grüße\nzwei");
    expect(got[2][1].toString("utf8")).toBe("my key\0\0\0\0\0絞り → 3×3");
    expect(got[3][1].toString("latin1")).toBe("Empty\0");
    expect(decodePng(file, "a.png")).toEqual(pixel);
  });

  test("what was written is read again", () => {
    const text = { Title: "Grüße\nzwei", "my key": "絞り → 3×3", Empty: "", constructor: "{}" };
    expect(readPngText(encodePng(pixel, { text }), "a.png")).toEqual(text);
    expect(readPngText(encodePng(pixel), "a.png")).toEqual({});
  });

  test("of two texts with one keyword the first is read; compressed ones, and languages, are passed over", () => {
    const whole = Buffer.from(encodePng(pixel));
    const utf8 = (text: string) => [...Buffer.from(text)];
    const file = Buffer.concat([
      whole.subarray(0, 33),
      chunk("tEXt", utf8("a\0first")),
      chunk("tEXt", utf8("a\0second")),
      chunk("iTXt", [...utf8("packed\0"), 1, 0, 0, 0, 120, 156]),
      chunk("iTXt", [...utf8("b\0"), 0, 0, ...utf8("de\0Wort\0übersetzt")]),
      whole.subarray(33),
    ]);
    expect(readPngText(file, "a.png")).toEqual({ a: "first", b: "übersetzt" });
  });

  test.each<[string, (whole: Buffer) => Buffer, string]>([
    ["another format", () => Buffer.from("GIF89a"), "not a PNG file"],
    ["a cut", (whole) => whole.subarray(0, 60), "cut short: the file ends inside a chunk"],
    ["damage", (whole) => Buffer.from(whole).fill(0, 45, 46), 'damaged PNG (wrong checksum in the chunk "tEXt")'],
  ])("%s is refused when texts are read", (_, damage, message) => {
    const whole = Buffer.from(encodePng(pixel, { text: { Title: "many words" } }));
    expect(() => readPngText(damage(whole), "in/a.png")).toThrow(new UserError(`in/a.png: ${message}`));
  });

  test.each(["", "a".repeat(80), " a", "a ", "a  b", "a\nb", "絞り", "a\0"])("the keyword %j is refused", (keyword) => {
    expect(() => encodePng(pixel, { text: { [keyword]: "x" } })).toThrow(UserError);
    expect(() => encodePng(pixel, { text: { [keyword]: "x" } })).toThrow("is no PNG keyword: 1 to 79 printable");
  });

  test("a NUL in a text is refused", () => {
    expect(() => encodePng(pixel, { text: { a: "x\0y" } })).toThrow(
      new UserError('the PNG text "a" contains a NUL character'),
    );
  });
});

test("a picture whose data does not fit its extents is not written", () => {
  expect(() => encodePng({ width: 2, height: 1, data: new Uint8Array(5) })).toThrow(
    new UserError("a picture of 2×1 RGB pixels cannot have 5 bytes"),
  );
});

describe("refusals", () => {
  const whole = Buffer.from(encodePng({ width: 3, height: 2, data: new Uint8Array(18).fill(77) }));
  const frame = (...parts: Buffer[]) => Buffer.concat([Buffer.from(SIGNATURE), ...parts]);
  const patched = (at: number, value: number) => Buffer.from(whole).fill(value, at, at + 1);
  const rest = whole.subarray(33);
  test.each<[string, Uint8Array, string]>([
    ["no bytes", new Uint8Array(), "the file is empty"],
    ["another format", Buffer.from("GIF89a, or so it says"), "not a PNG file"],
    ["half a signature", whole.subarray(0, 5), "not a PNG file"],
    ["a signature alone", whole.subarray(0, 8), "cut short inside its header"],
    ["half a header", whole.subarray(0, 20), "cut short inside its header"],
    ["no IDAT yet", whole.subarray(0, 33), "cut short: the file ends before its last chunk"],
    ["half an IDAT", whole.subarray(0, 45), "cut short: the file ends inside a chunk"],
    ["no IEND", whole.subarray(0, -12), "cut short: the file ends before its last chunk"],
    ["half an IEND", whole.subarray(0, -1), "cut short: the file ends before its last chunk"],
    [
      "another first chunk",
      frame(chunk("tEXt", Array(13).fill(65)), whole.subarray(8)),
      "damaged PNG (no header chunk)",
    ],
    ["two headers", frame(header(3, 2, 8, 2), header(3, 2, 8, 2), rest), "damaged PNG (two header chunks)"],
    ["no width", frame(header(0, 2, 8, 2), rest), "damaged PNG (0×2 pixels)"],
    ["no height", frame(header(3, 0, 8, 2), rest), "damaged PNG (3×0 pixels)"],
    ["too wide", frame(header(MAX_SIDE + 1, 1, 8, 2), rest), "16385×1 pixels are too many: at most 16384 a side"],
    ["too high", frame(header(1, 2 ** 32 - 1, 8, 2), rest), "1×4294967295 pixels are too many: at most 16384 a side"],
    ["a depth that is none", frame(header(3, 2, 3, 0), rest), "damaged PNG (colour type 0 with 3 bits)"],
    ["RGB of 4 bits", frame(header(3, 2, 4, 2), rest), "damaged PNG (colour type 2 with 4 bits)"],
    ["a palette of 16 bits", frame(header(3, 2, 16, 3), rest), "damaged PNG (colour type 3 with 16 bits)"],
    ["an unknown colour type", frame(header(3, 2, 8, 5), rest), "damaged PNG (colour type 5 with 8 bits)"],
    [
      "an unknown interlacing",
      frame(chunk("IHDR", [0, 0, 0, 3, 0, 0, 0, 2, 8, 2, 0, 0, 2]), rest),
      "damaged PNG (unknown m",
    ],
    ["a wrong CRC", patched(30, 1), 'damaged PNG (wrong checksum in the chunk "IHDR")'],
    ["no IDAT", frame(header(3, 2, 8, 2), chunk("IEND", [])), "damaged PNG (its compressed pixels are broken)"],
    [
      "pixels that are no deflate stream",
      frame(header(3, 2, 8, 2), chunk("IDAT", [1, 2, 3]), chunk("IEND", [])),
      "damaged PNG (its compressed pixels are broken)",
    ],
    ["too few pixels", frame(header(3, 3, 8, 2), rest), "damaged PNG (20 bytes of pixels instead of 30)"],
    ["too many pixels", frame(header(3, 1, 8, 2), rest), "damaged PNG (more than 10 bytes of pixels)"],
    [
      "too few interlaced pixels",
      frame(header(3, 2, 8, 2, true), rest),
      "damaged PNG (20 bytes of pixels instead of 22)",
    ],
    ["a palette that is missing", frame(header(9, 2, 8, 3), rest), "damaged PNG (Expected palette not found)"],
    [
      "a colour that is not in the palette",
      makePng({ width: 2, height: 1, depth: 8, colourType: 3, palette: [[1, 2, 3]], sample: (x) => x }),
      "damaged PNG (index 1 not in palette)",
    ],
  ])("%s", (_, bytes, message) => {
    const attempt = () => decodePng(bytes, "in/a.png");
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(`in/a.png: ${message}`);
    expect(attempt).toThrow(/^.*$/);
  });

  test("every cut of every kind of file is refused", () => {
    for (const kind of KINDS) {
      const palette = kind.colourType === 3 ? Array(2 ** kind.depth).fill([1, 2, 3]) : undefined;
      const file = makePng({ ...kind, width: 5, height: 4, palette, sample: pattern(kind.depth) });
      for (let length = 0; length < file.length; length++) {
        expect(() => decodePng(file.subarray(0, length), "a.png")).toThrow(UserError);
      }
    }
  });

  test("damage gives a picture or a UserError of one line that names the file, nothing else", async () => {
    const files = KINDS.map((kind) => {
      const palette = kind.colourType === 3 ? Array(2 ** kind.depth).fill([1, 2, 3]) : undefined;
      return makePng({ ...kind, width: 9, height: 7, palette, sample: pattern(kind.depth) });
    });
    /** Makes the CRCs good again, so that the damage gets past them. */
    const mend = (file: Buffer) => {
      for (let at = 8; at + 12 <= file.length; ) {
        const end = at + 8 + file.readUInt32BE(at);
        if (end + 4 > file.length) return;
        file.writeUInt32BE(crc32(file.subarray(at + 4, end)), end);
        at = end + 4;
      }
    };
    let refused = 0;
    fc.assert(
      fc.property(
        fc.nat(files.length - 1),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (which, hits, mended) => {
          const bytes = Buffer.from(files[which]);
          // Not the extents: 16384 × 16384 would be decoded in earnest, and take its time.
          for (const [at, value] of hits) bytes[24 + (at % (bytes.length - 24))] = value;
          if (mended) mend(bytes);
          try {
            decodePng(bytes, "in/a.png");
          } catch (error) {
            refused++;
            expect(error).toBeInstanceOf(UserError);
            expect((error as Error).message).toMatch(/^in\/a\.png: [^\n\r]+$/);
          }
        },
      ),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
    // pngjs' zlib stream reports once more on a later tick; nothing may come of it.
    await new Promise((resolve) => setTimeout(resolve, 20));
  });
});
