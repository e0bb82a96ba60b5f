/**
 * Reads zip archives, stored and deflated entries, zip64 included. Node only (zlib). Written for archives that may be
 * hostile: every length is checked against the file before anything is allocated or inflated.
 *
 * Source: APPNOTE.TXT 6.3.10 of PKWARE, sections 4.3 to 4.5.
 */
import { crc32, inflateRawSync } from "node:zlib";
import { type Fail, failer, quote } from "./describe.js";

/** One file of an archive. */
export interface ZipEntry {
  readonly name: string;
  /** Bytes of its content. */
  readonly size: number;
  /**
   * Its content: of a stored entry a view into the archive's bytes, of a deflated one a buffer of its own.
   *
   * @throws UserError when the content is damaged
   */
  read(): Uint8Array;
}

/** Deflate cannot do better than 1032:1; whatever comes near it is no weights. */
const MAX_RATIO = 1000;
const SMALL = 64 * 2 ** 20;

/** All entries' contents together may take 4 times the archive's bytes and 64 MiB. */
export const maxInflated = (archiveBytes: number): number => 4 * archiveBytes + SMALL;

const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const LOCATOR64 = 0x07064b50;
const LOCATOR64_BYTES = 20;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_EXTRA = 1;
/** Flag bits: encrypted (0), patch data (5), strong encryption (6), masked headers (13). */
const UNREADABLE = 1 | (1 << 5) | (1 << 6) | (1 << 13);
const ENCRYPTED = 1 | (1 << 6) | (1 << 13);
const STORED = 0;
const DEFLATED = 8;

/**
 * The entries of an archive by name, in the order of its directory; folders are left out. Nothing is inflated yet.
 *
 * @param name how error lines call the archive.
 * @throws UserError, one line naming the archive: when it is damaged or cut short, two entries have one name or share
 * bytes, an entry is encrypted or compressed in another way, or the contents are too large for the archive (see
 * maxInflated; or 1000 times an entry's own bytes).
 */
export function openZip(bytes: Uint8Array, name: string): Map<string, ZipEntry> {
  const fail = failer(name);
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const directory = findDirectory(file, fail);
  const entries = new Map<string, ZipEntry>();
  const spans: { what: string; begin: number; end: number }[] = [];
  let total = 0;
  for (const record of centralRecords(file, directory, fail)) {
    const what = `the zip entry ${quote(record.name)}`;
    if (entries.has(record.name)) fail(`${what} comes twice`);
    if (record.flags & ENCRYPTED) fail(`${what} is encrypted; unpack it and zip it without a password`);
    if (record.flags & UNREADABLE) fail(`${what} is patch data, which cannot be read`);
    if (record.method !== STORED && record.method !== DEFLATED) {
      fail(`${what} is compressed by method ${record.method}; only stored and deflated entries can be read`);
    }
    if (record.method === STORED && record.size !== record.packed) fail(`${what} is stored, but with two sizes`);
    if (record.size > MAX_RATIO * record.packed) {
      fail(`${what} says that ${record.packed} bytes become ${record.size}, more than ${MAX_RATIO} times as many`);
    }
    total += record.size;
    if (total > maxInflated(file.length)) {
      fail(`the contents are larger than ${maxInflated(file.length)} bytes, the most for a zip of ${file.length}`);
    }
    const begin = dataOffset(file, record, directory.begin, what, fail);
    spans.push({ what, begin: record.local, end: begin + record.packed });
    const packed = file.subarray(begin, begin + record.packed);
    entries.set(record.name, { name: record.name, size: record.size, read: () => content(packed, record, what, fail) });
  }
  let covered = 0;
  for (const { what, begin, end } of spans.sort((a, b) => a.begin - b.begin)) {
    if (begin < covered) fail(`${what} overlaps another one`);
    covered = end;
  }
  for (const key of entries.keys()) if (key.endsWith("/")) entries.delete(key);
  return entries;
}

interface Directory {
  begin: number;
  end: number;
  count: number;
}

function findDirectory(file: Buffer, fail: Fail): Directory {
  const at = findEnd(file) ?? fail("not a whole zip file: it has no directory at its end; is it cut short?");
  const short = {
    disks: file.readUInt16LE(at + 4) + file.readUInt16LE(at + 6),
    here: file.readUInt16LE(at + 8),
    count: file.readUInt16LE(at + 10),
    size: file.readUInt32LE(at + 12),
    begin: file.readUInt32LE(at + 16),
  };
  if (short.disks !== 0 || short.here !== short.count) fail("a zip file in several parts cannot be read");
  const long = readEnd64(file, at, fail);
  const { at: end, count, size, begin } = long ?? { at, ...short };
  if (long) {
    // Two readers must not see two archives in one file.
    const same = (a: number, b: number, none: number) => a === b || a === none;
    const agree = same(short.count, count, 0xffff) && same(short.size, size, 0xffffffff);
    if (!agree || !same(short.begin, begin, 0xffffffff)) fail("damaged zip file (its two directory ends disagree)");
  }
  if (begin + size !== end) fail("damaged zip file (its directory is not where it should be)");
  if (count * CENTRAL_BYTES > size) fail(`damaged zip file (${count} entries in a directory of ${size} bytes)`);
  return { begin, end, count };
}

/** Where the end-of-directory record stands: the last place whose comment reaches exactly to the file's end. */
function findEnd(file: Buffer): number | undefined {
  for (let at = file.length - END_BYTES; at >= Math.max(0, file.length - END_BYTES - 0xffff); at--) {
    if (file.readUInt32LE(at) === END && at + END_BYTES + file.readUInt16LE(at + 20) === file.length) return at;
  }
  return undefined;
}

function readEnd64(file: Buffer, end: number, fail: Fail): (Directory & { at: number; size: number }) | undefined {
  const locator = end - LOCATOR64_BYTES;
  if (locator < 0 || file.readUInt32LE(locator) !== LOCATOR64) return undefined;
  const at = readU64(file, locator + 8, fail);
  if (at + END64_BYTES > locator || file.readUInt32LE(at) !== END64) fail("damaged zip file (no zip64 directory end)");
  if (file.readUInt32LE(at + 16) || file.readUInt32LE(at + 20)) fail("a zip file in several parts cannot be read");
  const count = readU64(file, at + 32, fail);
  const size = readU64(file, at + 40, fail);
  const begin = readU64(file, at + 48, fail);
  return { at, count, size, begin, end: at };
}

interface Central {
  name: string;
  flags: number;
  method: number;
  crc: number;
  packed: number;
  size: number;
  /** Where the local header stands. */
  local: number;
}

function* centralRecords(file: Buffer, { begin, end, count }: Directory, fail: Fail): Generator<Central> {
  let at = begin;
  for (let i = 0; i < count; i++) {
    if (at + CENTRAL_BYTES > end || file.readUInt32LE(at) !== CENTRAL) fail("damaged zip file (its directory)");
    const nameEnd = at + CENTRAL_BYTES + file.readUInt16LE(at + 28);
    const extraEnd = nameEnd + file.readUInt16LE(at + 30);
    const next = extraEnd + file.readUInt16LE(at + 32);
    if (next > end) fail("damaged zip file (its directory)");
    const name = decodeName(file.subarray(at + CENTRAL_BYTES, nameEnd), fail);
    const record: Central = {
      name,
      flags: file.readUInt16LE(at + 8),
      method: file.readUInt16LE(at + 10),
      crc: file.readUInt32LE(at + 16),
      packed: file.readUInt32LE(at + 20),
      size: file.readUInt32LE(at + 24),
      local: file.readUInt32LE(at + 42),
    };
    widen(record, file.subarray(nameEnd, extraEnd), fail);
    yield record;
    at = next;
  }
  if (at !== end) fail("damaged zip file (its directory is longer than its entries)");
}

/** Fills in, from the zip64 extra field, the numbers that 32 bits cannot hold: they come in this order. */
function widen(record: Central, extra: Buffer, fail: Fail): void {
  const missing = (["size", "packed", "local"] as const).filter((key) => record[key] === 0xffffffff);
  if (missing.length === 0) return;
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (end > extra.length) break;
    if (extra.readUInt16LE(at) === ZIP64_EXTRA && at + 4 + 8 * missing.length <= end) {
      missing.forEach((key, i) => {
        record[key] = readU64(extra, at + 4 + 8 * i, fail);
      });
      return;
    }
    at = end;
  }
  fail(`damaged zip file (the zip64 sizes of ${quote(record.name)} are missing)`);
}

/** Where an entry's data begins: behind its local header, which must be of the same entry. */
function dataOffset(file: Buffer, record: Central, limit: number, what: string, fail: Fail): number {
  const at = record.local;
  if (at + LOCAL_BYTES > limit || file.readUInt32LE(at) !== LOCAL) fail(`${what} is not where the directory says`);
  const nameEnd = at + LOCAL_BYTES + file.readUInt16LE(at + 26);
  const begin = nameEnd + file.readUInt16LE(at + 28);
  if (begin + record.packed > limit) fail(`${what} reaches past the entries' end; is the file cut short?`);
  const sameName = Buffer.from(record.name).equals(file.subarray(at + LOCAL_BYTES, nameEnd));
  if (!sameName || file.readUInt16LE(at + 8) !== record.method) {
    fail(`${what} has a header that says something else than the directory`);
  }
  return begin;
}

function content(packed: Buffer, record: Central, what: string, fail: Fail): Uint8Array {
  let data: Uint8Array = packed;
  if (record.method === DEFLATED) {
    try {
      data = inflateRawSync(packed, { maxOutputLength: Math.max(1, record.size) });
    } catch {
      fail(`${what} is damaged: it does not inflate to its ${record.size} bytes`);
    }
    if (data.length !== record.size) fail(`${what} is damaged: ${data.length} bytes instead of ${record.size}`);
  }
  if (crc32(data) !== record.crc) fail(`${what} is damaged: its checksum does not fit`);
  return data;
}

function decodeName(raw: Buffer, fail: Fail): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(raw);
  } catch {
    return fail("a zip entry has a name that is not UTF-8");
  }
}

function readU64(file: Buffer, at: number, fail: Fail): number {
  const value = file.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) fail(`damaged zip file (a size or place of ${value})`);
  return Number(value);
}
