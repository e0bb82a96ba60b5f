import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/storage/safetensors.js";
import { decodeTorchFile } from "../../src/storage/torchFile.js";
import { openZip } from "../../src/storage/zip.js";
import golden from "../golden/pth.json" with { type: "json" };
import { attack, damaged, NAME } from "./attack.js";
import {
  BUILD,
  type Code,
  call,
  dict,
  EMPTY_DICT,
  EMPTY_LIST,
  EMPTY_TUPLE,
  get,
  global,
  int,
  list,
  MARK,
  NONE,
  ORDERED_DICT,
  pickle,
  put,
  REDUCE,
  setItems,
  stackGlobal,
  str,
  tuple,
  u32,
  u64,
} from "./pickle-writer.js";
import { floats, MAGIC, makeZip, smallFiles, tensor, torchLegacy, torchZip, VERSION } from "./torch-writer.js";

const { zip, legacy, deflated } = smallFiles();
const safetensors = encodeSafetensors(
  { b: { shape: [3], data: new Float32Array([1, -2, 3]) }, w: { shape: [2, 2], data: new Uint8Array([1, 2, 3, 4]) } },
  { format: "pt" },
);
/** A safetensors file around a header that is text. */
const headed = (header: string, data = new Uint8Array()) => {
  const json = Buffer.from(header);
  return new Uint8Array(Buffer.concat([Buffer.from(u64(json.length)), json, data]));
};

describe("the attack notices", () => {
  const fail = (message: string) => () => {
    throw new UserError(`${NAME}: ${message}`);
  };
  test.each<[string, () => unknown, string]>([
    ["another class of error", () => new Uint8Array(-1), "not a UserError: RangeError"],
    ["two lines", fail("a\nb"), "not one line"],
    ["a line separator", fail("a\u2028b"), "not one line"],
    ["a long message", fail("a".repeat(400)), "a message of"],
    [
      "a message without the file",
      () => {
        throw new UserError("no");
      },
      "does not name the file",
    ],
    ["a huge buffer", () => new Uint8Array(2 ** 28), "bytes: undefined"],
  ])("%s", (_, read, message) => {
    let noticed: unknown;
    try {
      attack(read, new Uint8Array());
    } catch (error) {
      noticed = error;
    }
    expect((noticed as Error | undefined)?.message).toContain(message);
    expect(noticed).not.toBeInstanceOf(UserError);
  });
});

test("the attack notices a long time", () => {
  const wait = () => {
    for (const used = process.cpuUsage(); process.cpuUsage(used).user < 50_000; );
  };
  expect(() => attack(wait, new Uint8Array(), 20)).toThrow(/took \d\d.* ms/);
});

describe("nothing is run, and what was asked for is named", () => {
  const shell = str("touch was-here");
  const code: [string, Code, string][] = [
    ["os.system", call(global("os", "system"), shell), "run os.system"],
    ["os.system by STACK_GLOBAL", call(stackGlobal("os", "system"), shell), "run os.system"],
    ["posix.system", call(global("posix", "system"), shell), "run posix.system"],
    ["builtins.eval", call(global("builtins", "eval"), shell), "run builtins.eval"],
    ["__builtin__.exec", call(global("__builtin__", "exec"), shell), "run __builtin__.exec"],
    ["getattr", call(global("builtins", "getattr"), global("torch", "Size"), str("__class__")), "run builtins.getattr"],
    ["subprocess", call(global("subprocess", "Popen"), list(shell)), "run subprocess.Popen"],
    [
      "a chain behind a dot",
      call(stackGlobal("collections", "OrderedDict.__class__")),
      "run collections.OrderedDict.__",
    ],
    ["a global beside the list", call(stackGlobal("torch._utils", "importlib")), "run torch._utils.importlib"],
    ["INST", [...MARK, ...shell, 0x69, ...Buffer.from("os\nsystem\n")], "run os.system"],
    ["OBJ", [...MARK, ...ORDERED_DICT, 0x6f], "uses opcode 0x6f"],
    ["NEWOBJ", [...global("subprocess", "Popen"), ...tuple(shell), 0x81], "run subprocess.Popen"],
    ["NEWOBJ_EX", [...ORDERED_DICT, ...EMPTY_TUPLE, ...EMPTY_DICT, 0x92], "uses opcode 0x92"],
    ["__setstate__", [...call(ORDERED_DICT), ...tuple(shell, shell), ...BUILD], "set the state of a dict to a tuple"],
    [
      "the state of a tensor",
      [...tensor(floats("0", [1]), { shape: [1], strides: [1] }), ...EMPTY_DICT, ...BUILD],
      "set the state of a tensor to a dict",
    ],
    ["a call of a storage", call(global("torch", "FloatStorage"), int(9)), "call torch.FloatStorage"],
    ["a call of a text", call(str("eval"), shell), 'call the text "eval"'],
    ["a call of a tensor's result", call(call(ORDERED_DICT), shell), "call a dict"],
    ["a name of many lines", call(stackGlobal("o\ns", "sys\u2028tem"), shell), 'run "o\\ns.sys\\u2028tem"'],
    ["a name of many letters", call(global("o".repeat(5000), "x"), shell), 'run "oooo'],
    ["a name that is not there", call(stackGlobal("__proto__", "constructor"), shell), "run __proto__.constructor"],
    [
      "deep inside, through the memo",
      dict([
        ["a", [...str("system"), ...put(9)]],
        ["b", list(tuple(call([...str("os"), ...get(9), 0x93], shell)))],
      ]),
      "run os.system",
    ],
  ];
  test.each(code)("%s", (_, attempt, want) => {
    for (const whole of [attempt, dict([["w", attempt]])]) {
      const bytes = pickle(whole);
      const files = [torchZip(bytes, []), torchLegacy(bytes, [])];
      // Also in the pickles that stand before the one that counts.
      for (let i = 0; i < 3; i++) files.push(torchLegacy(bytes, [], { head: [MAGIC, VERSION, bytes].slice(2 - i) }));
      for (const file of files) {
        expect(attack(decodeTorchFile, file)).toMatch(/asks to|uses opcode|damaged|magic/);
      }
      expect(attack(decodeTorchFile, files[0])).toContain(want);
      expect(attack(decodeTorchFile, files[1])).toContain(want);
    }
  });
});

describe("bombs", () => {
  const base = floats("0", [1]);
  const t = tensor(base, { shape: [1], strides: [1] });
  const refused = (bytes: Uint8Array, message: string) => {
    expect(attack(decodeTorchFile, bytes)).toContain(message);
  };
  test("a zip bomb", () => {
    const huge = { key: "0", type: "FloatStorage", size: 2 ** 22, bytes: new Uint8Array(2 ** 24) };
    refused(
      torchZip(pickle(dict([["w", tensor(huge, { shape: [1], strides: [1] })]])), [huge], { deflate: true }),
      "1000",
    );
  });
  test("one value, repeated", () => {
    const view = { shape: [2 ** 26], strides: [0] };
    refused(torchZip(pickle(dict([["w", tensor(base, view)]])), [base]), "its tensors repeat values");
  });
  test("up to the limit it is read, in time", () => {
    const view = { shape: [2 ** 12, 2 ** 11, 2], strides: [0, 0, 0] };
    const bytes = { key: "0", type: "FloatStorage", size: 1, bytes: new Uint8Array(4) };
    expect(attack(decodeTorchFile, torchZip(pickle(dict([["w", tensor(bytes, view)]])), [bytes]))).toBeUndefined();
  });
  test("one value, repeated by many tensors", () => {
    const view = { shape: [2 ** 20], strides: [0] };
    const tensors = Array.from({ length: 40 }, (_, i): [string, Code] => [`w${i}`, tensor(base, view)]);
    refused(torchZip(pickle(dict(tensors)), [base]), "its tensors repeat values");
    refused(
      torchLegacy(pickle(dict(tensors.map(([name]) => [name, tensor(base, view, true)]))), [base]),
      "its tensors repeat values",
    );
  });
  test.each<[string, Code, string]>([
    ["a tensor", t, "it holds more than 50000 tensors"],
    ["nothing", NONE, "it holds more than 500000 values"],
  ])("a dict of %s that doubles forty times", (_, leaf, message) => {
    let code: Code = [...dict([["w", leaf]]), ...put(0)];
    for (let i = 1; i < 40; i++) {
      const twice: [Code, Code][] = [
        [str("a"), get(i - 1)],
        [str("b"), get(i - 1)],
      ];
      code = [...code, 0x30, ...setItems(EMPTY_DICT, twice), ...put(i)];
    }
    refused(torchZip(pickle(code), [base]), message);
  });
  test("a dict in itself, a list in itself", () => {
    refused(torchZip(pickle(setItems([...EMPTY_DICT, ...put(0)], [[str("a"), get(0)]])), []), "more than 64 deep");
    const self: Code = [...EMPTY_LIST, ...put(0), ...get(0), 0x61];
    refused(torchZip(pickle(dict([["a", self]])), []), "more than 64 deep");
  });
  test("a long list that is made a dict many times", () => {
    const pairs = Array.from({ length: 20_000 }, (_, i) => list(str(`${i}`), NONE));
    const again: Code = [...ORDERED_DICT, ...get(0), 0x85, ...REDUCE];
    const code = tuple([...list(...pairs), ...put(0)], ...Array.from({ length: 1000 }, () => again));
    refused(torchZip(pickle(code), []), "OrderedDicts of more than 200000 entries");
  });
  test("a long shape that many tensors share", () => {
    const shape: Code = [...tuple(...Array.from({ length: 20_000 }, () => int(1))), ...put(0), 0x30];
    const id = [...tuple(str("storage"), global("torch", "FloatStorage"), str("0"), str("cpu"), int(1)), 0x51];
    const view = call(global("torch._utils", "_rebuild_tensor"), id, int(0), get(0), get(0));
    const tensors = Array.from({ length: 2000 }, (_, i): [string, Code] => [`${i}`, view]);
    refused(torchZip(pickle([...shape, ...dict(tensors)]), [base]), 'tensor "0" has no valid shape');
  });
  test("a hundred thousand tuples in each other", () => {
    const nested = [...NONE, ...Buffer.alloc(100_000, 0x85)];
    refused(torchZip(pickle(setItems(EMPTY_DICT, [[str("a"), nested]])), []), "more than 64 deep");
    refused(torchZip(pickle([...nested, ...nested, ...REDUCE]), []), "asks to call a tuple");
  });
  test("absurd lengths", () => {
    const sizes: [Code, string][] = [
      [[0x58, ...u32(2 ** 32 - 1)], "cut short"],
      [[0x8d, ...u64(2n ** 63n)], "cut short"],
      [[0x8e, ...u64(2n ** 40n)], "cut short"],
      [[0x96, ...u64(-1)], "cut short"],
      [[0x8b, ...u32(2 ** 31)], "a whole number of 2147483648 bytes"],
      [[...NONE, 0x72, ...u32(2 ** 32 - 1), 0x6a, ...u32(2 ** 32 - 2)], "nothing under memo 4294967294"],
    ];
    for (const [code, message] of sizes) {
      refused(torchZip(pickle(code), []), message);
      refused(torchLegacy(pickle(code), []), message);
    }
    for (const size of [2 ** 31, 2 ** 52, 2n ** 62n]) {
      const storage = { ...base, size };
      const whole = pickle(dict([["w", tensor(storage, { shape: [2 ** 31], strides: [1] })]]));
      refused(torchZip(whole, [storage]), "");
      refused(torchLegacy(whole, [storage]), "");
    }
  });
});

describe("safetensors", () => {
  const entry = (end: number) => `{"dtype":"U8","shape":[${end}],"data_offsets":[0,${end}]}`;
  test.each<[string, Uint8Array, string]>([
    ["a tensor twice", headed(`{"w":${entry(1)},"w":${entry(1)}}`, new Uint8Array(1)), 'tensor "w" is described twice'],
    [
      "a tensor twice, spelled in two ways",
      headed(`{"w":${entry(1)},"\\u0077" :${entry(1)}}`),
      '"w" is described twice',
    ],
    ["metadata twice", headed('{"__metadata__":{},"__metadata__":{}}'), '"__metadata__" is described twice'],
    ["a key of the metadata twice", headed('{"__metadata__":{"a":"1","a":"2"}}'), '__metadata__ has the key "a" twice'],
    [
      "a dtype twice",
      headed('{"w":{"dtype":"U8","dtype":"F64","shape":[0],"data_offsets":[0,0]}}'),
      'tensor "w" has the key "dtype" twice',
    ],
    ["deep lists", headed(`{"w":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), "not valid JSON of at most 3 levels"],
    ["deep objects", headed(`${'{"w":'.repeat(50_000)}1${"}".repeat(50_000)}`), "not valid JSON of at most 3 levels"],
    ["NaN", headed('{"w":{"dtype":"U8","shape":[NaN],"data_offsets":[0,0]}}'), "the header is not valid JSON"],
    ["an extent beyond floats", headed('{"w":{"dtype":"U8","shape":[1e400],"data_offsets":[0,0]}}'), "no valid shape"],
    ["minus nothing", headed('{"w":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}'), "no valid shape"],
    [
      "a product beyond 2^53",
      headed('{"w":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}}'),
      "span 0",
    ],
    [
      "a long shape",
      headed(`{"w":{"dtype":"U8","shape":[${Array(5000).fill(9)}],"data_offsets":[0,0]}}`),
      "5000 extents",
    ],
    [
      "a dtype of control characters",
      headed('{"w":{"dtype":"\\u001b[2J\\u2028\\u202e","shape":[],"data_offsets":[0,0]}}'),
      "2028",
    ],
    [
      `a name of ${"\\u0000".length * 80} escapes`,
      headed(`{"${"\\u0000".repeat(80)}":1}`),
      "is not described by an object",
    ],
  ])("%s", (_, bytes, message) => {
    expect(attack(decodeSafetensors, bytes)).toContain(message);
  });

  test("a text in a text is no key", () => {
    const bytes = encodeSafetensors({}, { 'a":"1","a': '{"b":1,"b":2}', "\\": '\\"a":', "": '"' });
    expect(decodeSafetensors(bytes).metadata).toEqual({ 'a":"1","a': '{"b":1,"b":2}', "\\": '\\"a":', "": '"' });
  });

  test("a header of more than 100 MB", () => {
    const bytes = new Uint8Array(100_000_001 + 8);
    bytes.set(u64(100_000_001));
    bytes[8] = 0x7b;
    expect(attack(decodeSafetensors, bytes)).toContain("a header of 100000001 bytes; the format allows 100000000");
  });

  test("a thousand tensors over one megabyte are refused before any is copied", () => {
    const entries = Array.from({ length: 1000 }, (_, i) => `"${i}":${entry(2 ** 20)}`);
    expect(attack(decodeSafetensors, headed(`{${entries}}`, new Uint8Array(2 ** 20)))).toContain(
      "overlaps another one",
    );
  });
});

describe("damage", () => {
  test.each<[string, Uint8Array, typeof decodeTorchFile]>([
    ["zip", zip, decodeTorchFile],
    ["zip, deflated", deflated, decodeTorchFile],
    ["legacy", legacy, decodeTorchFile],
    ["safetensors", safetensors, (bytes, name) => decodeSafetensors(bytes, name).tensors],
  ])("%s cut short at every byte is refused", (_, file, read) => {
    expect(attack(read, file)).toBeUndefined();
    for (let length = 0; length < file.length; length++) {
      expect(attack(read, file.subarray(0, length)), `${length}`).toBeDefined();
    }
  });

  const real = (name: keyof typeof golden.files) => new Uint8Array(Buffer.from(golden.files[name], "base64"));
  /** The checksum guards a pickle in a zip: this damages a real one, and makes a zip of it afterwards. */
  const entries = [...openZip(real("zip"), NAME).values()].map(({ name, read }) => ({ name, data: read() }));
  const isPickle = ({ name }: { name: string }) => name === "archive/data.pkl";
  const inner = entries.find(isPickle)!.data;
  const rezipped: typeof decodeTorchFile = (data, name) =>
    decodeTorchFile(makeZip(entries.map((entry) => (isPickle(entry) ? { ...entry, data } : entry))), name);
  const ROUNDS = process.env.SHIBORI_FULL === "1" ? 20_000 : 500;
  test.each<[string, Uint8Array, Uint8Array, (bytes: Uint8Array, name: string) => unknown]>([
    ["zip", zip, legacy, decodeTorchFile],
    ["zip, deflated", deflated, zip, decodeTorchFile],
    ["legacy", legacy, zip, decodeTorchFile],
    ["a real legacy file", real("legacy-protocol-4"), legacy, decodeTorchFile],
    ["a real pickle in a sound zip", inner, legacy, rezipped],
    ["safetensors", safetensors, legacy, decodeSafetensors],
  ])("%s, at random: read or refused in one line", (_, file, other, read) => {
    const before = process.resourceUsage().maxRSS;
    let refused = 0;
    for (let i = 0; i < ROUNDS; i++) if (attack(read, damaged(file, other, 20, i)) !== undefined) refused++;
    // Both happen, or the damage would be too small or too large to say anything.
    expect(refused).toBeGreaterThan(ROUNDS / 2);
    expect(refused).toBeLessThan(ROUNDS);
    // maxRSS counts KiB and never falls.
    expect(process.resourceUsage().maxRSS - before).toBeLessThan(600 * 1024);
  });
});
