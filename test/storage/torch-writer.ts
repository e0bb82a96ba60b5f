/** A second, independent writer of zip archives and of the files of torch.save, with every field open to forgery. */
import { crc32, deflateRawSync } from "node:zlib";
import {
  BINPERSID,
  type Code,
  call,
  dict,
  FALSE,
  global,
  int,
  list,
  NONE,
  pickle,
  str,
  tuple,
} from "./pickle-writer.js";

export interface ZipFile {
  name: string;
  data: Uint8Array;
  deflate?: boolean;
  /** What the directory says instead of the truth. */
  forged?: Partial<{
    size: number;
    packed: number;
    crc: number;
    flags: number;
    method: number;
    offset: number;
    localName: string;
  }>;
}

export interface ZipOptions {
  /** Sizes, places and counts in zip64 fields only. */
  zip64?: boolean;
  comment?: string;
  /** What the end of the directory says instead of the truth. */
  forged?: Partial<{ count: number; size: number; begin: number }>;
}

const le = (bytes: number, value: number | bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return buffer.subarray(0, bytes);
};

export function makeZip(files: readonly ZipFile[], options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, comment = "" } = options;
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let at = 0;
  const add = (...buffers: Buffer[]) => {
    parts.push(...buffers);
    for (const buffer of buffers) at += buffer.length;
  };
  for (const { name, data, deflate = false, forged = {} } of files) {
    const packed = deflate ? deflateRawSync(data) : Buffer.from(data);
    const method = forged.method ?? (deflate ? 8 : 0);
    const flags = (forged.flags ?? 0) | 0x0800;
    const crc = forged.crc ?? crc32(data);
    const size = forged.size ?? data.length;
    const packedSize = forged.packed ?? packed.length;
    const offset = forged.offset ?? at;
    const [rawName, localName] = [Buffer.from(name), Buffer.from(forged.localName ?? name)];
    const sizes = [le(4, crc), le(4, packed.length), le(4, data.length)];
    add(le(4, 0x04034b50), le(2, 20), le(2, flags), le(2, method), le(4, 0), ...sizes);
    add(le(2, localName.length), le(2, 0), localName, packed);

    const extra = zip64
      ? Buffer.concat([le(2, 1), le(2, 24), le(8, size), le(8, packedSize), le(8, offset)])
      : le(0, 0);
    const field = (value: number) => le(4, zip64 ? 0xffffffff : value);
    directory.push(le(4, 0x02014b50), le(2, 20), le(2, 20), le(2, flags), le(2, method), le(4, 0), le(4, crc));
    directory.push(field(packedSize), field(size), le(2, rawName.length), le(2, extra.length), le(2, 0), le(2, 0));
    directory.push(le(2, 0), le(4, 0), field(offset), rawName, extra);
  }
  const { count = files.length, size = Buffer.concat(directory).length, begin = at } = options.forged ?? {};
  add(...directory);
  if (zip64) {
    const end = at;
    add(le(4, 0x06064b50), le(8, 44), le(2, 20), le(2, 20), le(4, 0), le(4, 0), le(8, count), le(8, count));
    add(le(8, size), le(8, begin), le(4, 0x07064b50), le(4, 0), le(8, end), le(4, 1));
  }
  const short = (bytes: number, value: number) => le(bytes, zip64 ? 0xffffffff : value);
  add(le(4, 0x06054b50), le(4, 0), short(2, count), short(2, count), short(4, size), short(4, begin));
  add(le(2, Buffer.from(comment).length), Buffer.from(comment));
  return new Uint8Array(Buffer.concat(parts));
}

/** Values of a storage: `type` is PyTorch's class, `size` counts values. */
export interface StorageSpec {
  key: string;
  type: string;
  size: number | bigint;
  bytes: Uint8Array;
}

export const floats = (key: string, values: readonly number[]): StorageSpec => ({
  key,
  type: "FloatStorage",
  size: values.length,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});

export interface ViewSpec {
  shape: readonly (number | bigint)[];
  strides: readonly (number | bigint)[];
  offset?: number | bigint;
  /** Legacy files: the code of the persistent id's last item. */
  view?: Code;
}

/** The code of a tensor. `legacy` adds the view item to the persistent id. */
export function tensor(storage: StorageSpec, { shape, strides, offset = 0, view }: ViewSpec, legacy = false): Code {
  const id = [str("storage"), global("torch", storage.type), str(storage.key), str("cpu"), int(storage.size)];
  return call(
    global("torch._utils", "_rebuild_tensor_v2"),
    [...tuple(...id, ...(legacy ? [view ?? NONE] : [])), ...BINPERSID],
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    FALSE,
    call(global("collections", "OrderedDict")),
  );
}

export interface TorchZipOptions {
  root?: string;
  byteorder?: string;
  deflate?: boolean;
  more?: readonly ZipFile[];
  zip?: ZipOptions;
}

/** A file in the zip format, around a whole pickle. */
export function torchZip(
  data: Uint8Array,
  storages: readonly StorageSpec[],
  options: TorchZipOptions = {},
): Uint8Array {
  const { root = "archive", byteorder, deflate, more = [], zip } = options;
  const text = (name: string, content: string) => ({ name: `${root}/${name}`, data: Buffer.from(content) });
  const values = storages.map(({ key, bytes }) => ({ name: `${root}/data/${key}`, data: bytes, deflate }));
  const order = byteorder === undefined ? [] : [text("byteorder", byteorder)];
  const head = { name: `${root}/data.pkl`, data, deflate };
  return makeZip([head, ...order, ...values, text("version", "3\n"), ...more], zip);
}

export const MAGIC = pickle([0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19]);
export const VERSION = pickle([0x4d, 0xe9, 0x03]);
const SYSTEM = pickle([0x7d]);

export interface LegacyOptions {
  head?: readonly Uint8Array[];
  /** The list of keys; the storages' own by default. */
  keys?: readonly string[];
  counts?: readonly (number | bigint)[];
}

/** A file in the legacy format, around a whole pickle. */
export function torchLegacy(
  data: Uint8Array,
  storages: readonly StorageSpec[],
  options: LegacyOptions = {},
): Uint8Array {
  const { head = [MAGIC, VERSION, SYSTEM], keys = storages.map(({ key }) => key), counts } = options;
  const values = storages.flatMap(({ size, bytes }, i) => [le(8, counts?.[i] ?? size), bytes]);
  return new Uint8Array(Buffer.concat([...head, data, pickle(list(...keys.map(str))), ...values]));
}

/** Small sound files of both formats: three floats, a transposed pair of rows in another storage. */
export function smallFiles(): { zip: Uint8Array; legacy: Uint8Array; deflated: Uint8Array } {
  const storages = [floats("0", [1, -2, 3]), floats("1", [0, 1, 2, 3, 4, 5])];
  const code = (legacy: boolean) =>
    pickle(
      dict([
        ["b", tensor(storages[0], { shape: [3], strides: [1] }, legacy)],
        ["w", tensor(storages[1], { shape: [3, 2], strides: [1, 3] }, legacy)],
      ]),
    );
  return {
    zip: torchZip(code(false), storages),
    legacy: torchLegacy(code(true), storages),
    deflated: torchZip(code(false), storages, { deflate: true, zip: { zip64: true } }),
  };
}
