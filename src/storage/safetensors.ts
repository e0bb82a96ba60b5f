/**
 * The safetensors file format: a little-endian u64 header length, a JSON header, then the raw little-endian tensors.
 * Source: https://github.com/huggingface/safetensors, section "Format". Pure functions on bytes.
 */
import { UserError } from "../engine/errors.js";
import { type Fail, failer, quote, showShape } from "./describe.js";
import { jsonDepth, repeatedKey } from "./jsonKeys.js";

/** The arrays that can be written; the array's type decides the dtype. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** A tensor to write: `data` is row-major and holds exactly the product of `shape` values (a scalar has shape []). */
export interface TensorIn {
  shape: readonly number[];
  data: TensorData;
}

/** A tensor that was read. F16 and BF16 arrive widened to Float32Array, BOOL as Uint8Array of 0 and 1. */
export interface TensorOut {
  dtype: string;
  shape: number[];
  data: TensorData;
}

export interface Dtype {
  /** Bytes of a value in a file. */
  bytes: number;
  /** Bytes of a value in memory. */
  widened: number;
  /** `raw` is a copy of its own that starts at an aligned address, so that a typed array may take it over. */
  read(raw: ArrayBuffer): TensorData;
}

/** The dtypes that can be read, by name. PyTorch files are read by them too. */
export const DTYPES: ReadonlyMap<string, Dtype> = new Map<string, Dtype>([
  ["F64", { bytes: 8, widened: 8, read: (raw) => new Float64Array(raw) }],
  ["F32", { bytes: 4, widened: 4, read: (raw) => new Float32Array(raw) }],
  ["F16", { bytes: 2, widened: 4, read: halvesToFloats }],
  ["BF16", { bytes: 2, widened: 4, read: upperHalvesToFloats }],
  ["I64", { bytes: 8, widened: 8, read: (raw) => new BigInt64Array(raw) }],
  ["U64", { bytes: 8, widened: 8, read: (raw) => new BigUint64Array(raw) }],
  ["I32", { bytes: 4, widened: 4, read: (raw) => new Int32Array(raw) }],
  ["U32", { bytes: 4, widened: 4, read: (raw) => new Uint32Array(raw) }],
  ["I16", { bytes: 2, widened: 2, read: (raw) => new Int16Array(raw) }],
  ["U16", { bytes: 2, widened: 2, read: (raw) => new Uint16Array(raw) }],
  ["I8", { bytes: 1, widened: 1, read: (raw) => new Int8Array(raw) }],
  ["U8", { bytes: 1, widened: 1, read: (raw) => new Uint8Array(raw) }],
  ["BOOL", { bytes: 1, widened: 1, read: (raw) => new Uint8Array(raw).map((v) => (v ? 1 : 0)) }],
]);

const METADATA = "__metadata__";
/** As in the reference implementation (MAX_HEADER_SIZE). */
const MAX_HEADER = 100_000_000;
/** The header, an entry of it, a list of that. */
const HEADER_DEPTH = 3;

/**
 * Writes tensors, in the order given, without gaps, the header padded with spaces to a multiple of 8 bytes.
 * The same input gives the same bytes.
 *
 * @throws UserError when a shape does not fit its data, a dtype cannot be written, or a tensor is named `__metadata__`.
 */
export function encodeSafetensors(tensors: Record<string, TensorIn>, metadata?: Record<string, string>): Uint8Array {
  const header: [string, unknown][] = metadata === undefined ? [] : [[METADATA, metadata]];
  let end = 0;
  for (const [name, { shape, data }] of Object.entries(tensors)) {
    const what = `safetensors: tensor ${quote(name)}`;
    if (name === METADATA) throw new UserError(`${what} has the name that the format keeps for metadata; rename it`);
    const count = elementCount(shape);
    if (count !== data.length) {
      throw new UserError(`${what} has shape ${showShape(shape)}, which does not fit its ${data.length} values`);
    }
    const begin = end;
    end += data.byteLength;
    header.push([name, { dtype: dtypeOf(data, what), shape: [...shape], data_offsets: [begin, end] }]);
  }
  // fromEntries defines own properties, so that even a tensor called "__proto__" is written.
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerLength + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.fill(0x20, 8, 8 + headerLength);
  file.set(json, 8);
  let at = 8 + headerLength;
  for (const { data } of Object.values(tensors)) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * Reads a safetensors file. Every tensor gets a copy of its data, so it owns it and its alignment in the file is free.
 * Tensors come in the order of the header. As in the reference implementation, the tensors must fill the data section
 * without gaps or overlaps.
 *
 * @param name how error lines call the file.
 * @throws UserError, one line naming the file, on anything that the format forbids.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  name = "safetensors data",
): { tensors: Record<string, TensorOut>; metadata: Record<string, string> } {
  const fail = failer(name);
  if (bytes.length < 8) fail(`not a safetensors file: ${bytes.length} bytes, the header length alone takes 8`);
  const room = bytes.length - 8;
  const declared = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (declared > BigInt(room)) {
    fail(`not a safetensors file, or cut short: it declares a header of ${declared} bytes and only ${room} follow`);
  }
  if (declared > MAX_HEADER) fail(`it declares a header of ${declared} bytes; the format allows ${MAX_HEADER}`);
  const start = 8 + Number(declared);
  const { metadata, entries } = parseHeader(bytes.subarray(8, start), fail);

  const found: { key: string; dtype: string; type: Dtype; shape: number[]; begin: number; end: number }[] = [];
  for (const [key, entry] of entries) {
    const what = `tensor ${quote(key)}`;
    const { dtype, shape, begin, end } = parseEntry(entry, what, fail);
    const type = DTYPES.get(dtype) ?? fail(`${what} has the dtype ${quote(dtype)}, which is unknown`);
    if (end > bytes.length - start) {
      fail(`${what} ends at byte ${end} of the data, but the file holds ${bytes.length - start}; is it cut short?`);
    }
    const size = elementCount(shape) * type.bytes;
    if (size !== end - begin) {
      fail(`${what} of ${dtype} ${showShape(shape)} needs ${size} bytes, but its offsets span ${end - begin}`);
    }
    found.push({ key, dtype, type, shape, begin, end });
  }

  // Before anything is copied: overlapping tensors could be as large as the file, each.
  let covered = 0;
  for (const { key, begin, end } of found.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin < covered) fail(`tensor ${quote(key)} overlaps another one: it begins at ${begin}, before ${covered}`);
    if (begin > covered) fail(`bytes ${covered} to ${begin} of the data belong to no tensor`);
    covered = end;
  }
  if (start + covered !== bytes.length) fail(`${bytes.length - start - covered} bytes after the last tensor`);
  const tensors = found.map(({ key, dtype, type, shape, begin, end }): [string, TensorOut] => {
    const raw = new Uint8Array(bytes.subarray(start + begin, start + end)).buffer;
    return [key, { dtype, shape, data: type.read(raw) }];
  });
  return { tensors: Object.fromEntries(tensors), metadata };
}

function parseHeader(
  bytes: Uint8Array,
  fail: Fail,
): { metadata: Record<string, string>; entries: [string, unknown][] } {
  // The format asks for "{" as the first byte; this also tells other binary formats apart before the JSON parser does.
  if (bytes[0] !== 0x7b) fail('not a safetensors file: its header does not begin with "{"');
  const header = parseJson(bytes, fail);
  const metadata: [string, string][] = [];
  const entries: [string, unknown][] = [];
  for (const [key, value] of Object.entries(header as object)) {
    if (key !== METADATA) {
      entries.push([key, value]);
      continue;
    }
    if (!isObject(value)) fail(`${METADATA} must be an object of strings`);
    for (const [k, v] of Object.entries(value as object)) {
      if (typeof v !== "string") fail(`${METADATA} must hold strings, but ${quote(k)} is not one`);
      metadata.push([k, v as string]);
    }
  }
  return { metadata: Object.fromEntries(metadata), entries };
}

/** @throws UserError also on a key that comes twice, of which JSON.parse would keep the last */
function parseJson(bytes: Uint8Array, fail: Fail): unknown {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (jsonDepth(text) > HEADER_DEPTH) return fail(`the header is not valid JSON of at most ${HEADER_DEPTH} levels`);
    header = JSON.parse(text);
  } catch (error) {
    if (error instanceof UserError) throw error;
    return fail("the header is not valid JSON; the file is damaged");
  }
  const repeated = repeatedKey(text);
  if (repeated === undefined) return header;
  const { key, parent } = repeated;
  if (parent === undefined) return fail(`tensor ${quote(key)} is described twice`);
  return fail(`${parent === METADATA ? METADATA : `tensor ${quote(parent)}`} has the key ${quote(key)} twice`);
}

function parseEntry(entry: unknown, what: string, fail: Fail) {
  if (!isObject(entry)) fail(`${what} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = entry as Record<string, unknown>;
  if (typeof dtype !== "string") return fail(`${what} has no dtype`);
  if (!isCounts(shape)) return fail(`${what} has no valid shape: it must be a list of whole numbers from 0`);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    return fail(`${what} has no valid data_offsets: they must be two whole numbers, begin and end`);
  }
  return { dtype, shape, begin: offsets[0], end: offsets[1] };
}

function dtypeOf(data: TensorData, what: string): string {
  if (data instanceof Float32Array) return "F32";
  if (data instanceof Float64Array) return "F64";
  if (data instanceof Int8Array) return "I8";
  if (data instanceof Uint8Array) return "U8";
  if (data instanceof Int16Array) return "I16";
  if (data instanceof Uint16Array) return "U16";
  if (data instanceof Int32Array) return "I32";
  if (data instanceof Uint32Array) return "U32";
  if (data instanceof BigInt64Array) return "I64";
  if (data instanceof BigUint64Array) return "U64";
  throw new UserError(`${what} is a ${(data as object).constructor.name}, which safetensors cannot hold`);
}

/** Product of a shape; NaN for a shape that is none, which then equals no length. */
function elementCount(shape: readonly number[]): number {
  return isCounts(shape) ? shape.reduce((product, extent) => product * extent, 1) : Number.NaN;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && v >= 0 && !Object.is(v, -0));
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function halvesToFloats(raw: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(raw);
  const floats = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) floats[i] = halfToFloat(halves[i]);
  return floats;
}

/** A bfloat16 is the upper half of a float32. */
function upperHalvesToFloats(raw: ArrayBuffer): Float32Array {
  const halves = new Uint16Array(raw);
  const words = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) words[i] = halves[i] << 16;
  return new Float32Array(words.buffer);
}

/** IEEE 754 binary16 to a number: 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. */
function halfToFloat(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const exponent = (h >> 10) & 0x1f;
  const fraction = h & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
