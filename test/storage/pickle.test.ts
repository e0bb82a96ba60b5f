import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { failer } from "../../src/storage/describe.js";
import { MAX_MEMO, MAX_OPCODES, MAX_OPEN, MAX_STACK, type PickleHost, unpickle } from "../../src/storage/pickle.js";
import { PickleDict, PickleGlobal, PickleList, PickleTuple, type PickleValue } from "../../src/storage/pickleValues.js";
import {
  BUILD,
  type Code,
  call,
  EMPTY_DICT,
  EMPTY_LIST,
  EMPTY_TUPLE,
  get,
  global,
  int,
  list,
  MARK,
  MEMOIZE,
  NONE,
  ORDERED_DICT,
  pickle,
  put,
  REDUCE,
  setItems,
  shortStr,
  stackGlobal,
  str,
  TRUE,
  tuple,
  u32,
  u64,
} from "./pickle-writer.js";

const fail = failer("w.pth");
const host: PickleHost = {
  globals: new Map(
    [
      new PickleGlobal("collections.OrderedDict", () => new PickleDict(true), true),
      new PickleGlobal("torch.pair", (args) => new PickleTuple(args)),
      new PickleGlobal("torch.FloatStorage"),
    ].map((known) => [known.name, known]),
  ),
  persistent: () => fail("no persistent ids here"),
};

const load = (code: Code, protocol?: number) => plain(unpickle(pickle(code, protocol), 0, host, fail).value);

/** Lists as arrays, tuples as ["tuple", …], dicts as Maps. */
function plain(value: PickleValue): unknown {
  if (value instanceof PickleList) return value.items.map(plain);
  if (value instanceof PickleTuple) return ["tuple", ...value.items.map(plain)];
  if (value instanceof PickleDict) return new Map([...value.entries].map(([key, item]) => [key, plain(item)]));
  return value instanceof PickleGlobal ? value.name : value;
}

describe("opcodes", () => {
  test.each<[string, Code, unknown]>([
    ["NONE", NONE, null],
    ["NEWTRUE", TRUE, true],
    ["BININT", [0x4a, 0xfe, 0xff, 0xff, 0xff], -2],
    ["BININT1", [0x4b, 255], 255],
    ["BININT2", [0x4d, 0x34, 0x12], 0x1234],
    ["LONG1 of nothing", [0x8a, 0], 0],
    ["LONG1, negative", [0x8a, 1, 0x80], -128],
    ["LONG1 of 2^40", [0x8a, 6, 0, 0, 0, 0, 0, 1], 2 ** 40],
    ["LONG1 beyond 2^53", [0x8a, 8, ...u64(-(2n ** 60n) - 1n)], -(2n ** 60n) - 1n],
    ["LONG4", [0x8b, ...u32(2), 0xff, 0x7f], 32767],
    ["BINFLOAT", [0x47, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], 1.5],
    ["BINUNICODE", str("ß\n重"), "ß\n重"],
    ["SHORT_BINUNICODE", shortStr("a"), "a"],
    ["BINUNICODE8", [0x8d, ...u64(1), 0x61], "a"],
    ["a text that begins with a byte order mark", str("\ufeffa"), "\ufeffa"],
    ["SHORT_BINSTRING", [0x55, 2, 0x61, 0x62], "ab"],
    ["BINSTRING", [0x54, ...u32(1), 0x61], "a"],
    ["SHORT_BINBYTES", [0x43, 2, 1, 2], new Uint8Array([1, 2])],
    ["BINBYTES", [0x42, ...u32(1), 7], new Uint8Array([7])],
    ["BINBYTES8", [0x8e, ...u64(1), 7], new Uint8Array([7])],
    ["BYTEARRAY8", [0x96, ...u64(1), 7], new Uint8Array([7])],
    ["APPEND", [...EMPTY_LIST, ...int(1), 0x61, ...int(2), 0x61], [1, 2]],
    ["APPENDS", list(int(1), int(2)), [1, 2]],
    ["TUPLE1 to TUPLE3", [...int(1), 0x85, ...int(2), 0x86, ...int(3), ...int(4), 0x87], 0],
    ["TUPLE", tuple(int(1), tuple()), ["tuple", 1, ["tuple"]]],
    ["SETITEM", [...EMPTY_DICT, ...int(1), ...str("x"), 0x73], new Map([[1, "x"]])],
    ["SETITEMS", setItems(EMPTY_DICT, [[str("a"), NONE]]), new Map([["a", null]])],
    ["POP", [...int(1), ...int(2), 0x30], 1],
    ["POP of a mark", [...int(1), ...MARK, 0x30], 1],
    ["POP_MARK", [...int(1), ...MARK, ...int(2), ...int(3), 0x31], 1],
    ["DUP", [...int(1), 0x32, 0x86], ["tuple", 1, 1]],
    ["BINPUT and BINGET", [...int(7), ...put(3), ...get(3), 0x86], ["tuple", 7, 7]],
    ["LONG_BINPUT and LONG_BINGET", [...int(7), 0x72, ...u32(2 ** 31), 0x6a, ...u32(2 ** 31), 0x86], ["tuple", 7, 7]],
    ["MEMOIZE counts", [...int(5), ...MEMOIZE, ...int(6), ...MEMOIZE, ...get(0), 0x87], ["tuple", 5, 6, 5]],
    ["FRAME", [0x95, ...u64(3), ...int(1)], 1],
    ["GLOBAL", global("torch", "FloatStorage"), "torch.FloatStorage"],
    ["STACK_GLOBAL", stackGlobal("torch", "FloatStorage"), "torch.FloatStorage"],
    ["REDUCE", call(global("torch", "pair"), int(1), int(2)), ["tuple", 1, 2]],
    ["NEWOBJ", [...ORDERED_DICT, ...EMPTY_TUPLE, 0x81], new Map()],
    [
      "BUILD drops the attributes of an OrderedDict",
      [...call(ORDERED_DICT), ...setItems(EMPTY_DICT, [[str("_metadata"), NONE]]), ...BUILD],
      new Map(),
    ],
  ])("%s", (name, code, value) => {
    const want = name === "TUPLE1 to TUPLE3" ? ["tuple", ["tuple", ["tuple", 1], 2], 3, 4] : value;
    expect(load(code)).toEqual(want);
  });

  test("the end is told, so that another pickle can follow", () => {
    const two = Uint8Array.from([...pickle(int(1)), ...pickle(str("b"), 5)]);
    const first = unpickle(two, 0, host, fail);
    expect(first).toEqual({ value: 1, end: 5 });
    expect(unpickle(two, first.end, host, fail)).toEqual({ value: "b", end: two.length });
  });

  test("a list may hold itself", () => {
    const { value } = unpickle(pickle([...EMPTY_LIST, ...put(0), ...get(0), 0x61]), 0, host, fail);
    expect((value as PickleList).items[0]).toBe(value);
  });
});

describe("refusals", () => {
  const many = (count: number, code: Code) => Array.from({ length: count }, () => code).flat();
  test.each<[string, Code | Uint8Array, string]>([
    ["protocol 1", pickle(NONE, 1), "has protocol 1; 2 to 5 can be read"],
    ["protocol 6", pickle(NONE, 6), "has protocol 6; 2 to 5 can be read"],
    ["an empty stack", [], "it takes what is not there"],
    ["a stack that ends at a mark", [...int(1), ...MARK, 0x85], "it takes what is not there"],
    ["a closed value that was not open", [...int(1), 0x74], "it closes a value that is not open"],
    ["an open value at the end", [...int(1), ...MARK], "it stops inside a value, at byte 5"],
    ["no end", pickle(NONE).subarray(0, 3), "cut short (1 bytes wanted, 0 left)"],
    ["a text beyond the end", [0x58, ...u32(1000)], "cut short (1000 bytes wanted, 1 left)"],
    ["a text of 2^64 bytes", [0x8d, ...u64(-1)], "cut short (18446744073709552000 bytes wanted, 1 left)"],
    ["bytes of 2^53", [0x8e, ...u64(2n ** 53n)], "cut short (9007199254740992 bytes wanted"],
    ["a frame beyond the end", [0x95, ...u64(99)], "cut short (99 bytes wanted, 1 left)"],
    ["a number of 4 GB", [0x8b, ...u32(0xfffffff0)], "a whole number of 4294967280 bytes"],
    ["a text that is not UTF-8", [0x8c, 1, 0xff], "a text that is not UTF-8"],
    ["an unknown memo", get(3), "it has nothing under memo 3"],
    ["an append to a tuple", [...EMPTY_TUPLE, ...int(1), 0x61], "it appends to a tuple"],
    ["items of a list", setItems(EMPTY_LIST, [[str("a"), NONE]]), "it sets items of a list"],
    ["a key without a value", [...EMPTY_DICT, ...MARK, ...str("a"), 0x75], "a dict has a key without a value"],
    ["a tuple as a key", setItems(EMPTY_DICT, [[tuple(), NONE]]), "it has a dict with a tuple as a key"],
    [
      "a key twice",
      setItems(EMPTY_DICT, [
        [str("a"), int(1)],
        [str("a"), int(2)],
      ]),
      'the key "a" comes twice in one dict',
    ],
    ["a call of a text", call(str("os.system"), str("ls")), 'asks to call the text "os.system", which is never done'],
    ["a call of a mere name", call(global("torch", "FloatStorage")), "asks to call torch.FloatStorage, which is never"],
    ["a call with a list", [...global("torch", "pair"), ...EMPTY_LIST, ...REDUCE], "it calls with a list"],
    ["a function as a class", [...global("torch", "pair"), ...EMPTY_TUPLE, 0x81], "asks to call torch.pair, which is"],
    ["the state of a list", [...EMPTY_LIST, ...EMPTY_DICT, ...BUILD], "set the state of a list to a dict, which is"],
    ["the state of a plain dict", [...EMPTY_DICT, ...EMPTY_DICT, ...BUILD], "set the state of a dict to a dict"],
    [
      "a state that is a tuple",
      [...call(ORDERED_DICT), ...EMPTY_TUPLE, ...BUILD],
      "set the state of a dict to a tuple",
    ],
    ["a text persistent id", [0x50, 0x61, 0x0a], "uses opcode 0x50 at byte 2, which torch.save does not write"],
    ["an extension code", [0x82, 1], "uses opcode 0x82 at byte 2"],
    ["an unknown opcode", [0xff], "uses opcode 0xff at byte 2"],
    ["a global named by numbers", [...int(1), ...int(2), 0x93], "a global is named by the number 1 and the number 2"],
    ["a global cut short", Uint8Array.from([0x80, 2, 0x63, 0x61]), "cut short (inside the name of a global)"],
    ["too deep", many(MAX_OPEN + 1, MARK), `nested more than ${MAX_OPEN} deep`],
  ])("%s", (_, code, message) => {
    const bytes = code instanceof Uint8Array ? code : pickle(code);
    const attempt = () => unpickle(bytes, 0, host, fail);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(/^w\.pth: .*$/);
  });

  /** `count` times `unit`, without a list of numbers in between. */
  const repeated = (unit: Code, count: number) => pickle([...Buffer.alloc(unit.length * count, Uint8Array.from(unit))]);
  test("too many opcodes", () => {
    expect(() => unpickle(repeated([0x4e, 0x30], MAX_OPCODES / 2), 0, host, fail)).toThrow(
      `more than ${MAX_OPCODES} op`,
    );
  });
  test("too many values on the stack", () => {
    expect(() => unpickle(repeated(NONE, MAX_STACK + 1), 0, host, fail)).toThrow(`more than ${MAX_STACK} values`);
  });
  test("too many memos", () => {
    const bytes = pickle([...NONE, ...Buffer.alloc(MAX_MEMO + 1, 0x94)]);
    expect(() => unpickle(bytes, 0, host, fail)).toThrow(`more than ${MAX_MEMO} values`);
  });
});
