/**
 * Reads the weights that PyTorch's torch.save writes (.pth, .pt), in both of its formats, and never runs anything that
 * a file asks for. Node only.
 *
 * Zip format (since 1.6): an archive with ROOT/data.pkl, the pickle, and ROOT/data/KEY, the raw values of a storage.
 * Legacy format: five parts one behind another: pickles of the magic number, the protocol version, the system's sizes,
 * the object, and the list of storage keys; then for each key a little-endian i64 count and the raw values.
 *
 * Source: torch/serialization.py of https://github.com/pytorch/pytorch, functions _load and _legacy_load.
 */
import fs from "node:fs";
import { UserError } from "../engine/errors.js";
import { type Fail, failer, quote } from "./describe.js";
import { fileError } from "./files.js";
import { unpickle } from "./pickle.js";
import { describe, PickleDict, PickleList, type PickleValue } from "./pickleValues.js";
import { DTYPES, decodeSafetensors, type TensorOut } from "./safetensors.js";
import { type TorchStorage, torchHost } from "./torchPickle.js";
import { materialise, type Source, tensorsOf } from "./torchTensors.js";
import { maxInflated, openZip, type ZipEntry } from "./zip.js";

const MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_VERSION = 1001;
/** The newest version of the zip format that PyTorch 2 knows. */
const NEWEST_VERSION = 10;
/** As much as node reads at once. */
const MAX_FILE = 2 ** 31 - 1;

/**
 * The tensors of a file of torch.save by name, each row-major with data of its own, in the file's order (but names that are
 * whole numbers come first, as in any object). Dtypes come in safetensors' words (F32, I64, …); F16 and BF16 arrive
 * widened to Float32Array.
 *
 * A file whose dict has a dict under "state_dict" gives what stands there. Names of dicts in dicts are joined by dots,
 * those of lists are indices; numbers, texts and the like are left out. The result has no prototype, so that it holds
 * the file's names and nothing else.
 *
 * All tensors together take at most 4 times the file's bytes and 64 MiB, or the file is refused: a tensor can repeat a
 * value without end. So do the entries of a zip, unpacked.
 *
 * @param name how error lines call the file.
 * @throws UserError, one line naming the file: when it is damaged, asks for anything but tensors and plain data (what it
 * asks for is named), a key comes twice, or a tensor does not lie in its storage.
 */
export function decodeTorchFile(bytes: Uint8Array, name: string): Record<string, TensorOut> {
  const fail = failer(name);
  const { value, source, bigEndian } = readParts(bytes, name, fail);
  return materialise(tensorsOf(value, fail), source, { limit: maxInflated(bytes.length), bigEndian }, fail);
}

/**
 * Reads a file of weights, safetensors' or PyTorch's, told apart by its first bytes and not by its name.
 *
 * @throws UserError naming the path, when the file cannot be read, is neither, or is refused by its reader.
 */
export function readWeights(path: string): Record<string, TensorOut> {
  const bytes = readRegularFile(path);
  return formatOf(bytes) === "safetensors" ? decodeSafetensors(bytes, path).tensors : decodeTorchFile(bytes, path);
}

function readRegularFile(path: string): Uint8Array {
  const refuse: Fail = (why) => {
    throw new UserError(`cannot read ${path}: ${why}`);
  };
  try {
    const stat = fs.statSync(path);
    if (stat.isDirectory()) refuse("it is a folder, not a file");
    // A pipe would be waited for, and a device read without end.
    if (!stat.isFile()) refuse("it is no regular file");
    if (stat.size > MAX_FILE) refuse(`it has ${stat.size} bytes; files of up to ${MAX_FILE} can be read`);
    return fs.readFileSync(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

function formatOf(bytes: Uint8Array): "safetensors" | "zip" | "legacy" | undefined {
  // Byte 8, where a safetensors header begins, is 0 or 8 in a zip file and no "{" where torch.save begins a pickle.
  if (bytes[8] === 0x7b) return "safetensors";
  if (bytes[0] === 0x50 && bytes[1] === 0x4b && bytes[2] === 3 && bytes[3] === 4) return "zip";
  return bytes[0] === 0x80 ? "legacy" : undefined;
}

interface Parts {
  value: PickleValue;
  source: Source;
  bigEndian: boolean;
}

function readParts(bytes: Uint8Array, name: string, fail: Fail): Parts {
  if (bytes.length === 0) fail("the file is empty");
  const format = formatOf(bytes);
  if (format === "zip") return readZip(bytes, name, fail);
  if (format === "legacy") return readLegacy(bytes, fail);
  if (format === "safetensors") return fail("a safetensors file, not one of PyTorch");
  const beginning = Buffer.from(bytes.subarray(0, 16)).toString("latin1");
  return fail(`neither a PyTorch nor a safetensors file: it begins with ${quote(beginning)}`);
}

function readZip(bytes: Uint8Array, name: string, fail: Fail): Parts {
  const entries = openZip(bytes, name);
  const pickles = [...entries.keys()].filter((key) => /^[^/]+\/data\.pkl$/.test(key));
  if (pickles.length !== 1) return fail(`a zip file, but not of PyTorch: it has ${pickles.length} pickles, not 1`);
  const root = pickles[0].slice(0, pickles[0].indexOf("/"));
  if (entries.has(`${root}/constants.pkl`)) {
    fail("a TorchScript program; save the weights alone: torch.save(model.state_dict(), …)");
  }
  const version = smallText(entries.get(`${root}/version`), fail) ?? "1";
  if (!/^\d+$/.test(version)) fail(`its version is ${quote(version)}, which is no number`);
  if (Number(version) > NEWEST_VERSION) fail(`its format has version ${version}; up to ${NEWEST_VERSION} can be read`);
  const order = smallText(entries.get(`${root}/byteorder`), fail) ?? "little";
  if (order !== "little" && order !== "big") fail(`its byte order is ${quote(order)}, neither little nor big`);

  const pickle = entries.get(pickles[0])!.read();
  const { value, end } = unpickle(pickle, 0, torchHost(fail), fail);
  if (end !== pickle.length) fail(`${pickle.length - end} bytes after its pickle`);
  const contents = new Map<string, Uint8Array>();
  const source: Source = (storage) => {
    const entry = entries.get(`${root}/data/${storage.key}`);
    if (!entry) return fail(`the values of storage ${quote(storage.key)} are missing`);
    const size = byteLength(storage);
    if (entry.size !== size) fail(`storage ${quote(storage.key)} needs ${size} bytes, but ${entry.size} are there`);
    const content = contents.get(storage.key) ?? entry.read();
    contents.set(storage.key, content);
    return content;
  };
  return { value, source, bigEndian: order === "big" };
}

/** A short text in an archive, without space around it. */
function smallText(entry: ZipEntry | undefined, fail: Fail): string | undefined {
  if (entry && entry.size > 16) fail(`${quote(entry.name)} has ${entry.size} bytes, too many`);
  return entry && Buffer.from(entry.read()).toString("latin1").trim();
}

function readLegacy(bytes: Uint8Array, fail: Fail): Parts {
  const host = torchHost(fail);
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = unpickle(bytes, at, host, fail);
    at = end;
    return value;
  };
  if (next() !== MAGIC) fail("a pickle, but not of torch.save: it does not begin with its magic number");
  const version = next();
  if (version !== LEGACY_VERSION) fail(`its legacy format has version ${describe(version)}, not ${LEGACY_VERSION}`);
  // Sizes of C types where it was written. Its byte order says nothing: the values are little-endian in any case.
  if (!(next() instanceof PickleDict)) fail("damaged: it does not describe the system that wrote it");
  const value = next();
  const keys = next();
  if (!(keys instanceof PickleList)) return fail("damaged: it has no list of storages");

  const contents = new Map<string, Uint8Array>();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const key of keys.items) {
    const storage = typeof key === "string" ? host.storages.get(key) : undefined;
    if (!storage) return fail(`damaged: its list of storages has ${describe(key)}, which no tensor names`);
    const what = `storage ${quote(storage.key)}`;
    if (contents.has(storage.key)) fail(`${what} is listed twice`);
    if (bytes.length - at < 8) fail(`cut short before ${what}`);
    const count = view.getBigInt64(at, true);
    at += 8;
    if (count !== BigInt(storage.size)) fail(`${what} has ${count} values, but its tensors say ${storage.size}`);
    const size = byteLength(storage);
    if (size > bytes.length - at) fail(`cut short inside ${what}: ${size} bytes wanted, ${bytes.length - at} left`);
    contents.set(storage.key, bytes.subarray(at, at + size));
    at += size;
  }
  if (at !== bytes.length) fail(`${bytes.length - at} bytes after the last storage`);
  const source: Source = ({ key }) => contents.get(key) ?? fail(`the values of storage ${quote(key)} are missing`);
  return { value, source, bigEndian: false };
}

function byteLength({ dtype, size }: TorchStorage): number {
  return size * DTYPES.get(dtype)!.bytes;
}
