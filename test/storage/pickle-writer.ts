/** A second, independent writer of pickles: opcode by opcode, so that tests can write what no pickler would. */

/** Bytes of opcodes; they are joined by concatenation. */
export type Code = readonly number[];

const utf8 = (text: string) => [...Buffer.from(text, "utf8")];
export const u16 = (value: number): Code => [value & 0xff, (value >> 8) & 0xff];
export const u32 = (value: number): Code => [0, 8, 16, 24].map((shift) => (value >>> shift) & 0xff);
export const u64 = (value: number | bigint): Code => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return [...buffer];
};

export const MARK: Code = [0x28];
export const STOP: Code = [0x2e];
export const REDUCE: Code = [0x52];
export const BUILD: Code = [0x62];
export const NONE: Code = [0x4e];
export const TRUE: Code = [0x88];
export const FALSE: Code = [0x89];
export const EMPTY_LIST: Code = [0x5d];
export const EMPTY_TUPLE: Code = [0x29];
export const EMPTY_DICT: Code = [0x7d];
export const BINPERSID: Code = [0x51];
export const MEMOIZE: Code = [0x94];
export const STACK_GLOBAL: Code = [0x93];

/** BINUNICODE */
export const str = (text: string): Code => [0x58, ...u32(utf8(text).length), ...utf8(text)];
/** SHORT_BINUNICODE */
export const shortStr = (text: string): Code => [0x8c, utf8(text).length, ...utf8(text)];
/** LONG1 of eight bytes holds any size; BININT1 where it fits, as Python does. */
export const int = (value: number | bigint): Code =>
  value >= 0 && value < 256 ? [0x4b, Number(value)] : [0x8a, 8, ...u64(value)];
export const global = (module: string, name: string): Code => [0x63, ...utf8(`${module}\n${name}\n`)];
export const stackGlobal = (module: string, name: string): Code => [
  ...shortStr(module),
  ...shortStr(name),
  ...STACK_GLOBAL,
];
export const put = (index: number): Code => [0x71, index];
export const get = (index: number): Code => [0x68, index];
export const tuple = (...items: Code[]): Code => [...MARK, ...items.flat(), 0x74];
export const list = (...items: Code[]): Code => [...EMPTY_LIST, ...MARK, ...items.flat(), 0x65];
export const call = (callee: Code, ...args: Code[]): Code => [...callee, ...tuple(...args), ...REDUCE];
export const setItems = (dict: Code, entries: readonly (readonly [Code, Code])[]): Code => [
  ...dict,
  ...MARK,
  ...entries.flat(2),
  0x75,
];
export const ORDERED_DICT = global("collections", "OrderedDict");
/** An OrderedDict with texts as keys. */
export const dict = (entries: readonly (readonly [string, Code])[]): Code =>
  setItems(
    call(ORDERED_DICT),
    entries.map(([key, value]) => [str(key), value]),
  );

/** A whole pickle: PROTO, the code, STOP. */
export const pickle = (code: Code, protocol = 2): Uint8Array => Uint8Array.from([0x80, protocol, ...code, ...STOP]);
