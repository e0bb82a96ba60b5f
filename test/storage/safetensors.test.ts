import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { decodeSafetensors, encodeSafetensors, type TensorData } from "../../src/storage/safetensors.js";

/** A file from a header (an object, or text as it stands) and the bytes of the data section. */
function file(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setUint32(0, json.length, true);
  bytes.set(json, 8);
  bytes.set(Uint8Array.from(data), 8 + json.length);
  return bytes;
}

const u8 = (begin: number, end: number) => ({ dtype: "U8", shape: [end - begin], data_offsets: [begin, end] });

test("a tiny file, byte for byte", () => {
  const bytes = encodeSafetensors({ w: { shape: [2], data: new Float32Array([1, -2]) } }, { format: "pt" });
  const json = '{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}';
  expect(json.length).toBe(85);
  const expected = [88, 0, 0, 0, 0, 0, 0, 0, ...Buffer.from(`${json}   `), 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0];
  expect([...bytes]).toEqual(expected);
});

test("no tensors at all is the shortest file", () => {
  const bytes = encodeSafetensors({});
  expect(Buffer.from(bytes).toString("latin1")).toBe("\x08\0\0\0\0\0\0\0{}      ");
  expect(decodeSafetensors(bytes)).toEqual({ tensors: {}, metadata: {} });
});

test("tensors are laid out in the order given, each behind the other", () => {
  const bytes = encodeSafetensors({
    z: { shape: [3], data: new Uint8Array([1, 2, 3]) },
    a: { shape: [], data: new Uint32Array([7]) },
    empty: { shape: [0, 5], data: new Float32Array() },
  });
  const headerLength = new DataView(bytes.buffer).getUint32(0, true);
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + headerLength)).toString());
  expect(Object.keys(header)).toEqual(["z", "a", "empty"]);
  expect(Object.values(header).map((h) => (h as { data_offsets: number[] }).data_offsets)).toEqual([
    [0, 3],
    [3, 7],
    [7, 7],
  ]);
  expect(headerLength % 8).toBe(0);
  const { tensors } = decodeSafetensors(bytes);
  expect(tensors.a).toEqual({ dtype: "U32", shape: [], data: new Uint32Array([7]) }); // stands at an odd address
  expect(tensors.empty).toEqual({ dtype: "F32", shape: [0, 5], data: new Float32Array() });
});

test("a view into a larger buffer is written and read as the view", () => {
  const data = new Float32Array([9, 1, 2, 9]).subarray(1, 3);
  const bytes = encodeSafetensors({ w: { shape: [1, 2], data } });
  const shifted = new Uint8Array(bytes.length + 3);
  shifted.set(bytes, 3);
  const { tensors } = decodeSafetensors(shifted.subarray(3));
  expect([...(tensors.w.data as Float32Array)]).toEqual([1, 2]);
});

test("what was read does not hang on the file's bytes", () => {
  const bytes = encodeSafetensors({ w: { shape: [1], data: new Uint8Array([5]) } });
  const { tensors } = decodeSafetensors(bytes);
  bytes.fill(0);
  expect(tensors.w.data[0]).toBe(5);
});

test.each([
  [0x0000, 0],
  [0x8000, -0],
  [0x0001, 2 ** -24],
  [0x03ff, 1023 * 2 ** -24],
  [0x0400, 2 ** -14],
  [0x3c00, 1],
  [0xc000, -2],
  [0x3555, 0.333251953125],
  [0x7bff, 65504],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x7e00, Number.NaN],
])("F16 0x%s is %d", (half, value) => {
  const entry = { dtype: "F16", shape: [], data_offsets: [0, 2] };
  const { data } = decodeSafetensors(file({ h: entry }, [half & 0xff, half >> 8])).tensors.h;
  expect(data).toBeInstanceOf(Float32Array);
  expect(data[0]).toBe(value);
});

test("BF16 is the upper half of an F32", () => {
  const entry = { dtype: "BF16", shape: [2], data_offsets: [0, 4] };
  const { data } = decodeSafetensors(file({ h: entry }, [0x80, 0x3f, 0x49, 0xc0])).tensors.h;
  expect(data).toEqual(new Float32Array([1, -3.140625]));
});

test("BOOL is bytes", () => {
  const entry = { dtype: "BOOL", shape: [2], data_offsets: [0, 2] };
  expect(decodeSafetensors(file({ h: entry }, [1, 0])).tensors.h.data).toEqual(new Uint8Array([1, 0]));
});

const ARRAYS: [string, (bytes: ArrayBuffer) => TensorData][] = [
  ["F32", (b) => new Float32Array(b)],
  ["F64", (b) => new Float64Array(b)],
  ["I8", (b) => new Int8Array(b)],
  ["U8", (b) => new Uint8Array(b)],
  ["I16", (b) => new Int16Array(b)],
  ["U16", (b) => new Uint16Array(b)],
  ["I32", (b) => new Int32Array(b)],
  ["U32", (b) => new Uint32Array(b)],
  ["I64", (b) => new BigInt64Array(b)],
  ["U64", (b) => new BigUint64Array(b)],
];

const aTensor = fc.tuple(fc.nat(ARRAYS.length - 1), fc.uint8Array({ maxLength: 40 }), fc.boolean());
/** Object.keys puts whole numbers first whatever the order of insertion, in `want` and in what is read alike. */
const aFile = fc.dictionary(fc.string({ unit: "binary" }), aTensor, { maxKeys: 6 }).map((entries) =>
  Object.fromEntries(
    Object.entries(entries)
      .filter(([name]) => name !== "__metadata__")
      .map(([name, [kind, seed, rank2]]) => {
        const data = ARRAYS[kind][1](new Uint8Array(seed.subarray(0, seed.length & ~7)).buffer);
        return [name, { dtype: ARRAYS[kind][0], shape: rank2 ? [1, data.length, 1] : [data.length], data }];
      }),
  ),
);
const someMetadata = fc.dictionary(fc.string(), fc.string());

test('a tensor may be called "__proto__"', () => {
  const tensors = Object.fromEntries([["__proto__", { shape: [1], data: new Uint8Array([4]) }]]);
  const read = decodeSafetensors(encodeSafetensors(tensors)).tensors;
  expect(Object.entries(read)).toEqual([["__proto__", { dtype: "U8", shape: [1], data: new Uint8Array([4]) }]]);
});

describe("properties", () => {
  test("decode(encode(x)) is x, to the bit, NaN payloads and order included", () => {
    const raw = (data: TensorData) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
    fc.assert(
      fc.property(aFile, someMetadata, (want, metadata) => {
        const got = decodeSafetensors(encodeSafetensors(want, metadata));
        expect(Object.entries(got.metadata).sort()).toEqual(Object.entries(metadata).sort());
        expect(Object.keys(got.tensors)).toEqual(Object.keys(want));
        for (const [name, tensor] of Object.entries(want)) {
          const read = Object.getOwnPropertyDescriptor(got.tensors, name)!.value;
          expect([read.dtype, read.shape, raw(read.data)]).toEqual([tensor.dtype, tensor.shape, raw(tensor.data)]);
        }
      }),
      { numRuns: 300 },
    );
  });

  test("damage gives a result or a UserError of one line that names the file, nothing else", () => {
    let refused = 0;
    fc.assert(
      fc.property(aFile, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.nat(), (want, hits, cut) => {
        const whole = encodeSafetensors(want, { a: "b" });
        const bytes = whole.subarray(0, cut % 3 === 0 ? cut % (whole.length + 1) : whole.length);
        for (const [at, value] of hits) bytes[at % (bytes.length || 1)] = value;
        try {
          decodeSafetensors(bytes, "run/w.safetensors");
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(UserError);
          expect((error as Error).message).toMatch(/^run\/w\.safetensors: [^\n\r]+$/);
        }
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });
});

describe("refusals while reading", () => {
  const declared = (length: bigint) => {
    const bytes = file({});
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    return bytes;
  };
  const f32 = { dtype: "F32", shape: [1], data_offsets: [0, 4] };
  test.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(), "not a safetensors file: 0 bytes, the header length alone takes 8"],
    ["seven bytes", new Uint8Array(7), "not a safetensors file: 7 bytes"],
    ["a header beyond the file", declared(3n), "it declares a header of 3 bytes and only 2 follow"],
    ["a header beyond 2^53", declared(2n ** 64n - 1n), "it declares a header of 18446744073709551615 bytes"],
    ["a header of nothing", declared(0n), 'its header does not begin with "{"'],
    ["a header that is a list", file("[]"), 'its header does not begin with "{"'],
    ["broken JSON", file('{"w":'), "the header is not valid JSON"],
    ["broken UTF-8", file({}).fill(0xff, 9, 10), "the header is not valid JSON"],
    ["JSON too deep", file(`{"w":${"[".repeat(200_000)}`), "the header is not valid JSON"],
    ["metadata that is no object", file({ __metadata__: ["a"] }), "__metadata__ must be an object of strings"],
    [
      "metadata that is no text",
      file({ __metadata__: { a: 1 } }),
      '__metadata__ must hold strings, but "a" is not one',
    ],
    ["an entry that is no object", file({ w: 3 }), 'tensor "w" is not described by an object'],
    ["no dtype", file({ w: { ...f32, dtype: undefined } }, [0, 0, 0, 0]), 'tensor "w" has no dtype'],
    ["an unknown dtype", file({ w: { ...f32, dtype: "F33" } }, [0, 0, 0, 0]), 'has the dtype "F33", which is unknown'],
    ["no shape", file({ w: { ...f32, shape: undefined } }, [0, 0, 0, 0]), 'tensor "w" has no valid shape'],
    ["a negative extent", file({ w: { ...f32, shape: [-1, -1] } }, [0, 0, 0, 0]), 'tensor "w" has no valid shape'],
    ["a broken extent", file({ w: { ...f32, shape: [0.5, 2] } }, [0, 0, 0, 0]), 'tensor "w" has no valid shape'],
    ["a shape that does not fit", file({ w: { ...f32, shape: [2] } }, [0, 0, 0, 0]), "F32 [2] needs 8 bytes, but its"],
    ["a shape beyond 2^53", file({ w: { ...f32, shape: [2 ** 40, 2 ** 40] } }, [0, 0, 0, 0]), "but its offsets span 4"],
    ["no offsets", file({ w: { ...f32, data_offsets: undefined } }), 'tensor "w" has no valid data_offsets'],
    ["three offsets", file({ w: { ...f32, data_offsets: [0, 4, 4] } }, [0, 0, 0, 0]), "no valid data_offsets"],
    ["offsets backwards", file({ w: { ...f32, data_offsets: [4, 0] } }, [0, 0, 0, 0]), "no valid data_offsets"],
    ["data cut short", file({ w: f32 }, [0, 0]), 'tensor "w" ends at byte 4 of the data, but the file holds 2'],
    ["an overlap", file({ a: u8(0, 3), b: u8(2, 4) }, [0, 0, 0, 0]), 'tensor "b" overlaps another one: it begins at 2'],
    ["a gap", file({ a: u8(0, 1), b: u8(2, 4) }, [0, 0, 0, 0]), "bytes 1 to 2 of the data belong to no tensor"],
    ["bytes at the end", file({ a: u8(0, 1) }, [0, 0, 0, 0]), "3 bytes after the last tensor"],
  ])("%s", (_, bytes, message) => {
    const attempt = () => decodeSafetensors(bytes, "w.safetensors");
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^w\.safetensors: .*$/);
  });

  test("a long name with line breaks stays one short line", () => {
    const name = `a\n${"b".repeat(5000)}`;
    expect(() => decodeSafetensors(file({ [name]: 1 }))).toThrow(
      /^safetensors data: tensor "a\\nb{78}…" is not desc.*$/,
    );
  });
});

describe("refusals while writing", () => {
  test.each<[string, Parameters<typeof encodeSafetensors>[0], string]>([
    [
      "a wrong shape",
      { w: { shape: [2, 2], data: new Float32Array(3) } },
      '"w" has shape [2,2], which does not fit its 3',
    ],
    ["a broken shape", { w: { shape: [-1, -3], data: new Float32Array(3) } }, "which does not fit its 3 values"],
    ["the reserved name", { __metadata__: { shape: [0], data: new Uint8Array() } }, "the name that the format keeps"],
    [
      "an array without dtype",
      { w: { shape: [1], data: new Uint8ClampedArray(1) as unknown as Uint8Array } },
      "is a Uint8ClampedArray, which safetensors cannot hold",
    ],
  ])("%s", (_, tensors, message) => {
    expect(() => encodeSafetensors(tensors)).toThrow(UserError);
    expect(() => encodeSafetensors(tensors)).toThrow(message);
  });
});
