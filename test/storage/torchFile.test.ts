import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { encodeSafetensors, type TensorOut } from "../../src/storage/safetensors.js";
import { decodeTorchFile, readWeights } from "../../src/storage/torchFile.js";
import golden from "../golden/pth.json" with { type: "json" };
import {
  type Code,
  call,
  dict,
  EMPTY_DICT,
  global,
  int,
  list,
  NONE,
  ORDERED_DICT,
  pickle,
  setItems,
  str,
  TRUE,
  tuple,
} from "./pickle-writer.js";
import {
  floats,
  MAGIC,
  type StorageSpec,
  smallFiles,
  type TorchZipOptions,
  tensor,
  torchLegacy,
  torchZip,
  VERSION,
  type ViewSpec,
} from "./torch-writer.js";

const read = (bytes: Uint8Array) => decodeTorchFile(bytes, "w.pth");
const hex = ({ data }: TensorOut) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");

test.each(Object.entries(golden.files))("what PyTorch wrote, to the bit: %s", (_, file) => {
  const tensors = read(new Uint8Array(Buffer.from(file, "base64")));
  const got = Object.entries(tensors).map(([name, t]) => [name, [t.dtype, t.shape, hex(t)]]);
  expect(got).toEqual(Object.entries(golden.tensors));
});

const small = {
  b: { dtype: "F32", shape: [3], data: new Float32Array([1, -2, 3]) },
  w: { dtype: "F32", shape: [3, 2], data: new Float32Array([0, 3, 1, 4, 2, 5]) },
};

test.each(Object.entries(smallFiles()))("a small file: %s", (_, bytes) => {
  expect(read(bytes)).toEqual(small);
  const shifted = new Uint8Array(bytes.length + 8);
  shifted.set(bytes, 3);
  expect(read(shifted.subarray(3, 3 + bytes.length))).toEqual(small);
});

/** A zip file of one storage, 0 … 23, and tensors that view it. */
const range: StorageSpec = floats("0", [...new Float32Array(24).keys()]);
const viewed = (views: Record<string, ViewSpec>, options?: TorchZipOptions) =>
  torchZip(pickle(dict(Object.entries(views).map(([name, view]) => [name, tensor(range, view)]))), [range], options);
const one = (code: Code, storages = [range], options?: TorchZipOptions) =>
  torchZip(pickle(dict([["w", code]])), storages, options);

describe("views", () => {
  const cases: [number[], number[], number][] = [
    [[24], [1], 0],
    [[2, 3, 4], [12, 4, 1], 0],
    [[4, 3, 2], [1, 4, 12], 0],
    [[3, 2, 4], [4, 12, 1], 0],
    [[2, 1, 3], [12, 99, 4], 3],
    [[5], [5], 3],
    [[2, 5, 3], [0, 1, 0], 7],
    [[3, 3], [1, 1], 19],
    [[], [], 23],
    [[1, 1], [1000, 1000], 23],
    [[2, 0, 3], [0, 3, 1], 0],
    [[2, 2, 2, 2], [8, 4, 2, 1], 1],
  ];
  test.each(cases)("shape %j, strides %j, offset %d", (shape, strides, offset) => {
    // By the definition: element (i0, i1, …) is the value at offset + Σ strides·i.
    const places = shape.reduce(
      (from, extent, k) => from.flatMap((at) => Array.from({ length: extent }, (_, i) => at + i * strides[k])),
      [offset],
    );
    const { w } = read(viewed({ w: { shape, strides, offset } }));
    expect(w).toEqual({ dtype: "F32", shape, data: Float32Array.from(places) });
  });

  test("what was read does not hang on the file's bytes, nor on another tensor of the storage", () => {
    const bytes = viewed({ a: { shape: [2], strides: [1] }, b: { shape: [2], strides: [1] } });
    const { a, b } = read(bytes);
    bytes.fill(0);
    a.data[1] = 9;
    expect([...(b.data as Float32Array)]).toEqual([0, 1]);
  });

  test("big-endian values", () => {
    const bytes = Buffer.alloc(8);
    bytes.writeFloatBE(1.5, 0);
    bytes.writeFloatBE(-3, 4);
    const storage = { ...floats("0", [0, 0]), bytes: new Uint8Array(bytes) };
    const { w } = read(one(tensor(storage, { shape: [2], strides: [1] }), [storage], { byteorder: "big" }));
    expect(w.data).toEqual(new Float32Array([1.5, -3]));
  });

  test("a bool that is neither 0 nor 1 is true", () => {
    const storage: StorageSpec = { key: "0", type: "BoolStorage", size: 3, bytes: new Uint8Array([0, 7, 1]) };
    const { w } = read(one(tensor(storage, { shape: [3], strides: [1] }), [storage]));
    expect(w).toEqual({ dtype: "BOOL", shape: [3], data: new Uint8Array([0, 1, 1]) });
  });

  test("a part of a storage, as old files name them", () => {
    const view = tuple(str("part"), int(4), int(6));
    const code = tensor(range, { shape: [5], strides: [1], offset: 1, view }, true);
    const { w } = read(torchLegacy(pickle(dict([["w", code]])), [range]));
    expect([...(w.data as Float32Array)]).toEqual([5, 6, 7, 8, 9]);
  });
});

describe("dicts", () => {
  const t = tensor(range, { shape: [1], strides: [1] });
  const names = (code: Code) => Object.keys(read(torchZip(pickle(code), [range])));
  test("nested dicts and lists are joined by dots; what is no tensor is left out", () => {
    const inner = dict([
      ["weight", t],
      ["epoch", int(3)],
    ]);
    const numbered = setItems(EMPTY_DICT, [[int(7), t]]);
    const whole: [string, Code][] = [
      ["net", inner],
      ["state", numbered],
      ["list", list(NONE, t, tuple(t))],
    ];
    expect(names(dict([...whole, ["lr", TRUE]]))).toEqual(["net.weight", "state.7", "list.1", "list.2.0"]);
  });
  test('a dict under "state_dict" is the whole; a tensor of that name is a tensor', () => {
    const inner = dict([["w", t]]);
    expect(
      names(
        dict([
          ["state_dict", inner],
          ["optimizer", dict([["m", t]])],
        ]),
      ),
    ).toEqual(["w"]);
    expect(names(dict([["state_dict", t]]))).toEqual(["state_dict"]);
  });
  test("an OrderedDict of Python 2", () => {
    expect(names(call(ORDERED_DICT, list(list(str("a"), t), tuple(str("b"), t))))).toEqual(["a", "b"]);
  });
  test("an empty dict", () => {
    expect(names(dict([]))).toEqual([]);
  });
  test("names that objects have of their own", () => {
    const own = ["__proto__", "constructor", "toString"];
    const tensors = read(torchZip(pickle(dict(own.map((name) => [name, t]))), [range]));
    expect(Object.keys(tensors)).toEqual(own);
    expect(tensors.hasOwnProperty).toBeUndefined();
    expect(Object.getOwnPropertyDescriptor(tensors, "__proto__")?.value.shape).toEqual([1]);
  });
});

describe("refusals", () => {
  const t = tensor(range, { shape: [1], strides: [1] });
  const top = (code: Code) => torchZip(pickle(code), [range]);
  const view = (spec: ViewSpec) => viewed({ w: spec });
  const complex: StorageSpec = { key: "0", type: "ComplexFloatStorage", size: 1, bytes: new Uint8Array(8) };
  const legacyPickle = pickle(dict([["w", tensor(range, { shape: [1], strides: [1] }, true)]]));
  const stored = { name: "archive/constants.pkl", data: pickle(NONE) };
  test.each<[string, Uint8Array, string]>([
    ["an empty file", new Uint8Array(), "the file is empty"],
    [
      "another file",
      Buffer.from("<!DOCTYPE html>\n<p>"),
      'neither a PyTorch nor a safetensors file: it begins with "<!',
    ],
    ["a safetensors file", encodeSafetensors({}), "a safetensors file, not one of PyTorch"],
    ["another zip", torchZip(pickle(NONE), [], { root: "a/b" }), "a zip file, but not of PyTorch: it has 0 pickles"],
    ["two pickles", one(t, [range], { more: [{ ...stored, name: "b/data.pkl" }] }), "it has 2 pickles, not 1"],
    ["TorchScript", one(t, [range], { more: [stored] }), "a TorchScript program; save the weights alone"],
    ["another byte order", one(t, [range], { byteorder: "middle" }), 'its byte order is "middle"'],
    ["a plain pickle", pickle(dict([])), "a pickle, but not of torch.save"],
    [
      "another version",
      torchLegacy(legacyPickle, [range], { head: [MAGIC, pickle(int(9))] }),
      "has version the number 9",
    ],
    [
      "no system",
      torchLegacy(legacyPickle, [range], { head: [MAGIC, VERSION, pickle(NONE)] }),
      "it does not describe the system",
    ],
    ["no more", Buffer.concat([MAGIC, VERSION, pickle(EMPTY_DICT), legacyPickle]), "its pickle is cut short"],
    [
      "no list of storages",
      Buffer.concat([MAGIC, VERSION, pickle(EMPTY_DICT), legacyPickle, pickle(NONE)]),
      "damaged: it has no list of storages",
    ],
    ["a storage listed twice", torchLegacy(legacyPickle, [range, range]), 'storage "0" is listed twice'],
    ["a storage of no tensor", torchLegacy(pickle(dict([])), [range]), "which no tensor names"],
    ["no data", torchLegacy(legacyPickle, [], { keys: ["0"] }), 'cut short before storage "0"'],
    ["another count", torchLegacy(legacyPickle, [range], { counts: [23] }), "has 23 values, but its tensors say 24"],
    ["a negative count", torchLegacy(legacyPickle, [range], { counts: [-1] }), "has -1 values, but its tensors say 24"],
    ["data cut short", torchLegacy(legacyPickle, [range]).slice(0, -1), "96 bytes wanted, 95 left"],
    [
      "bytes at the end",
      Buffer.concat([torchLegacy(legacyPickle, [range]), Buffer.alloc(2)]),
      "2 bytes after the last",
    ],
    ["a storage that is not there", torchZip(pickle(dict([["w", t]])), []), 'values of storage "0" are missing'],
    ["a storage not listed", torchLegacy(legacyPickle, [], { keys: [] }), 'values of storage "0" are missing'],
    [
      "a storage of another size",
      torchZip(pickle(dict([["w", t]])), [floats("0", [1])]),
      'storage "0" needs 96 bytes, but 4 are there',
    ],
    [
      "a storage in two ways",
      top(
        dict([
          ["a", t],
          ["b", tensor({ ...range, size: 25 }, { shape: [1], strides: [1] })],
        ]),
      ),
      'the storage "0" is described in two ways',
    ],
    [
      "complex values",
      one(tensor(complex, { shape: [], strides: [] }), [complex]),
      'the storage "0" is torch.ComplexFloatStorage, which cannot be read',
    ],
    ["one value too many", view({ shape: [25], strides: [1] }), "of shape [25] reaches outside of its storage of 24"],
    [
      "an offset too far",
      view({ shape: [1], strides: [1], offset: 24 }),
      "reaches outside of its storage of 24 values",
    ],
    ["a stride too far", view({ shape: [2, 2], strides: [23, 1] }), "of shape [2,2] reaches outside of its storage"],
    [
      "a stride beyond 2^53",
      view({ shape: [2, 2], strides: [2 ** 52, 2 ** 53 - 1] }),
      "reaches outside of its storage",
    ],
    ["a huge product", view({ shape: [2 ** 50, 2 ** 50], strides: [0, 0] }), "whose product no number holds"],
    ["a product that wraps", view({ shape: [2 ** 32, 2 ** 32], strides: [0, 0] }), "whose product no number holds"],
    ["a value without end", view({ shape: [2 ** 40], strides: [0] }), "its tensors repeat values until they take more"],
    [
      "too many extents",
      view({ shape: Array(65).fill(1), strides: Array(65).fill(1) }),
      'tensor "w" has no valid shape',
    ],
    ["a negative extent", view({ shape: [-1], strides: [1] }), 'tensor "w" has no valid shape'],
    ["an extent beyond 2^53", view({ shape: [2n ** 60n], strides: [1] }), 'tensor "w" has no valid shape'],
    ["a negative stride", view({ shape: [1], strides: [-1] }), 'tensor "w" of shape [1] has no valid strides'],
    ["a stride too few", view({ shape: [1, 1], strides: [1] }), 'tensor "w" of shape [1,1] has no valid strides'],
    ["a negative offset", view({ shape: [1], strides: [1], offset: -1 }), "begins at the number -1 of its storage"],
    ["a long shape", view({ shape: Array(50).fill(2), strides: Array(50).fill(1) }), "[2,2,2,2,2,2,2,2, … 50 extents]"],
    ["one tensor", top(t), "it holds one tensor without a name"],
    ["a list", top(list(t)), "it holds a list and no dict of tensors"],
    ["a number", top(int(3)), "it holds the number 3 and no dict of tensors"],
    ["no tensors", top(dict([["lr", int(1)]])), "it holds a dict without a single tensor"],
    [
      "one name twice, by dots",
      top(
        dict([
          ["a.b", t],
          ["a", dict([["b", t]])],
        ]),
      ),
      'two tensors have the name "a.b"',
    ],
    [
      "one name twice, of a number and a text",
      top(
        setItems(EMPTY_DICT, [
          [str("1"), t],
          [int(1), t],
        ]),
      ),
      'two tensors have the name "1"',
    ],
    [
      "a key twice",
      top(
        dict([
          ["a", t],
          ["a", t],
        ]),
      ),
      'the key "a" comes twice in one dict',
    ],
    [
      "a key twice in an OrderedDict of Python 2",
      top(call(ORDERED_DICT, list(list(str("a"), t), list(str("a"), t)))),
      'the key "a" comes twice in one dict',
    ],
    ["an OrderedDict of a text", top(call(ORDERED_DICT, str("ab"))), 'makes an OrderedDict of the text "ab"'],
    ["an OrderedDict of triples", top(call(ORDERED_DICT, list(list(t, t, t)))), "makes an OrderedDict of a list"],
    ["a long name", top(dict([["n".repeat(1001), t]])), "it has a name of more than 1000 characters"],
    ["a parameter of nothing", top(call(global("torch._utils", "_rebuild_parameter"))), "a parameter of nothing"],
    [
      "a tensor of a text",
      top(call(global("torch._utils", "_rebuild_tensor_v2"), str("x"))),
      'a tensor of the text "x"',
    ],
    ["another persistent id", top([...tuple(str("module")), 0x51]), "its pickle names a tuple as a storage"],
    [
      "a module",
      top(call(global("__main__", "Net"))),
      "it asks to run __main__.Net, which is never done; a file of weights",
    ],
  ])("%s", (_, bytes, message) => {
    const attempt = () => read(new Uint8Array(bytes));
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^w\.pth: .*$/);
  });
});

describe("readWeights", () => {
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), "shibori-weights-"));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const write = (name: string, bytes: Uint8Array) => {
    fs.writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };

  test("tells formats apart by content, whatever the name", () => {
    const { zip, legacy } = smallFiles();
    const tensors = encodeSafetensors({ b: small.b, w: small.w });
    for (const [i, bytes] of [zip, legacy, tensors].entries()) {
      for (const name of [`${i}.safetensors`, `${i}.pth`, `${i}`])
        expect(readWeights(write(name, bytes))).toEqual(small);
    }
  });

  test.each<[string, () => string, RegExp]>([
    [
      "no file",
      () => join(folder, "none"),
      /^cannot read .*none: a part of the path does not exist; check its spelling$/,
    ],
    ["a folder", () => folder, /^cannot read .*: it is a folder, not a file$/],
    ["a device", () => "/dev/zero", /^cannot read \/dev\/zero: it is no regular file$/],
    [
      "a text",
      () => write("a.pth", Buffer.from("hello")),
      /a\.pth: neither a PyTorch nor a safetensors file: .*"hello"$/,
    ],
    ["damaged safetensors", () => write("a", Buffer.from("\x09\0\0\0\0\0\0\0{}")), /a: not a safetensors file, or cut/],
  ])("refuses %s in one line", (_, path, message) => {
    expect(() => readWeights(path())).toThrow(UserError);
    expect(() => readWeights(path())).toThrow(message);
  });

  test("a pipe is not waited for", () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    expect(() => readWeights(pipe)).toThrow("it is no regular file");
  });
});
