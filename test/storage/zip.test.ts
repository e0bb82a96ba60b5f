import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { uniform } from "../../src/engine/philox.js";
import { openZip } from "../../src/storage/zip.js";
import { makeZip, type ZipFile } from "./torch-writer.js";

const text = (name: string, content: string, more: Partial<ZipFile> = {}): ZipFile => ({
  name,
  data: Buffer.from(content),
  ...more,
});
const contents = (bytes: Uint8Array) =>
  [...openZip(bytes, "w.zip")].map(([name, entry]) => [name, entry.size, Buffer.from(entry.read()).toString()]);
const repeated = "shibori ".repeat(50);
const files = [
  text("a/one", "hello"),
  text("a/ß", repeated, { deflate: true }),
  text("empty", ""),
  text("e2", "", { deflate: true }),
];
const want = [
  ["a/one", 5, "hello"],
  ["a/ß", 400, repeated],
  ["empty", 0, ""],
  ["e2", 0, ""],
];

describe("reading", () => {
  test("stored and deflated entries, in order", () => {
    expect(contents(makeZip(files))).toEqual(want);
  });
  test("zip64", () => {
    expect(contents(makeZip(files, { zip64: true }))).toEqual(want);
  });
  test("a comment that holds the mark of a directory's end", () => {
    expect(contents(makeZip(files, { comment: "PK\x05\x06 and more than twenty-two bytes" }))).toEqual(want);
  });
  test("an archive without entries", () => {
    expect(contents(makeZip([]))).toEqual([]);
  });
  test("folders are left out", () => {
    expect(contents(makeZip([text("a/", ""), ...files]))).toEqual(want);
  });
  test("names that objects have of their own", () => {
    const names = ["__proto__", "constructor", "toString"];
    expect([...openZip(makeZip(names.map((name) => text(name, name))), "w.zip").keys()]).toEqual(names);
  });
  test("an archive that stands inside a larger buffer", () => {
    const bytes = makeZip(files);
    const shifted = new Uint8Array(bytes.length + 8);
    shifted.set(bytes, 3);
    expect(contents(shifted.subarray(3, 3 + bytes.length))).toEqual(want);
  });
});

describe("refusals", () => {
  const one = (forged: ZipFile["forged"], more: Partial<ZipFile> = {}) =>
    makeZip([text("a", "hello"), text("b", repeated, { deflate: true, ...more, forged })]);
  const bomb = (bytes: number, name = "b") => ({ name, data: new Uint8Array(bytes), deflate: true });
  test.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(), "not a whole zip file"],
    ["the first half", makeZip(files).subarray(0, 100), "has no directory at its end; is it cut short?"],
    ["bytes behind the end", Uint8Array.from([...makeZip(files), 0]), "not a whole zip file"],
    ["a name twice", makeZip([text("a", "1"), text("a", "2")]), 'the zip entry "a" comes twice'],
    ["encryption", one({ flags: 1 }), 'the zip entry "b" is encrypted'],
    ["strong encryption", one({ flags: 64 }), 'the zip entry "b" is encrypted'],
    ["patch data", one({ flags: 32 }), 'the zip entry "b" is patch data'],
    ["another compression", one({ method: 12 }), "is compressed by method 12; only stored and deflated"],
    ["a wrong checksum", one({ crc: 1 }), 'the zip entry "b" is damaged: its checksum does not fit'],
    ["a wrong checksum, stored", one({ crc: 1 }, { deflate: false }), "its checksum does not fit"],
    ["less than it says", one({ size: 500 }), "is damaged: 400 bytes instead of 500"],
    ["more than it says", one({ size: 300 }), "is damaged: it does not inflate to its 300 bytes"],
    ["more than nothing", one({ size: 0 }), "is damaged: it does not inflate to its 0 bytes"],
    ["two sizes of a stored entry", one({ size: 300 }, { deflate: false }), "is stored, but with two sizes"],
    ["an entry beyond the end", one({ packed: 4000 }), 'the zip entry "b" reaches past the entries\' end'],
    ["an entry elsewhere", one({ offset: 7 }), 'the zip entry "b" is not where the directory says'],
    ["an entry in the directory", one({ offset: 2 ** 31 }), 'the zip entry "b" is not where the directory says'],
    ["another name in the entry", one({ localName: "c" }), "has a header that says something else than the directory"],
    ["two entries in one place", one({ offset: 0, localName: "b" }), "has a header that says something else"],
    [
      "overlapping entries",
      makeZip([text("a", "1"), text("a ", "2", { forged: { packed: 60, size: 60 } }), text("c", "x".repeat(99))]),
      'the zip entry "c" overlaps another one',
    ],
    ["too few entries", makeZip(files, { forged: { count: 3 } }), "its directory is longer than its entries"],
    ["more entries than fit", makeZip(files, { forged: { count: 5 } }), "5 entries in a directory of 200 bytes"],
    [
      "too many entries",
      makeZip([text("n".repeat(99), "")], { forged: { count: 2 } }),
      "damaged zip file (its directory)",
    ],
    ["far too many entries", makeZip(files, { zip64: true, forged: { count: 2 ** 50 } }), "1125899906842624 entries"],
    ["a directory elsewhere", makeZip(files, { forged: { begin: 1 } }), "its directory is not where it should be"],
    [
      "a directory of 2^60",
      makeZip(files, { zip64: true, forged: { size: 2 ** 60 } }),
      "a size or place of 1152921504",
    ],
    ["a bomb", makeZip([bomb(2 ** 20)]), "bytes become 1048576, more than 1000 times as many"],
    ["a bomb that is stored, by its word", one({ size: 2 ** 31 }), "more than 1000 times as many"],
  ])("%s", (_, bytes, message) => {
    const attempt = () => {
      for (const entry of openZip(bytes, "w.zip").values()) entry.read();
    };
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^w\.zip: .*$/);
  });

  test("entries that are too large together are refused before any is inflated", () => {
    const data = Uint8Array.from(uniform(50_000, { seed: 1, step: 0, stream: 0 }), (u) => 256 * u);
    const entry = (name: string) => ({ name, data, deflate: true, forged: { size: 40_000_000 } });
    const bytes = makeZip([entry("a"), entry("b")]);
    expect(() => openZip(bytes, "w.zip")).toThrow(
      `larger than ${4 * bytes.length + 2 ** 26} bytes, the most for a zip`,
    );
    expect(() => openZip(makeZip([entry("a")]), "w.zip")).not.toThrow();
  });

  test("a name that is not UTF-8", () => {
    const bytes = Buffer.from(makeZip([text("abc", "1")]));
    for (let at = bytes.indexOf("abc"); at >= 0; at = bytes.indexOf("abc", at)) bytes[at] = 0xff;
    expect(() => openZip(bytes, "w.zip")).toThrow("a zip entry has a name that is not UTF-8");
  });

  test("the two directory ends of zip64 must agree", () => {
    const bytes = makeZip(files, { zip64: true });
    new DataView(bytes.buffer).setUint16(bytes.length - 22 + 10, 3, true);
    new DataView(bytes.buffer).setUint16(bytes.length - 22 + 8, 3, true);
    expect(() => openZip(bytes, "w.zip")).toThrow("its two directory ends disagree");
  });

  test("without its zip64 field an entry has no size", () => {
    const bytes = Buffer.from(makeZip([text("abc", "1")], { zip64: true }));
    bytes[bytes.lastIndexOf("abc") + 3] = 9;
    expect(() => openZip(bytes, "w.zip")).toThrow('the zip64 sizes of "abc" are missing');
  });
});
