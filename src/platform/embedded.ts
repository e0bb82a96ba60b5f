import { createHash, randomUUID } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { brotliDecompressSync } from "node:zlib";
import { UserError } from "../engine/errors.js";
import { cacheFolder } from "./cacheFolder.js";

/**
 * The embedded adapter: SwiftShader, Google's Vulkan driver for CPUs (Apache-2.0), taken from the npm package
 * `@sparticuz/chromium` (MIT), an optional dependency that carries it next to a Chromium that we leave packed.
 */
const PACKAGE = "@sparticuz/chromium";
const VERSION = "147.0.0";
const ARCHIVE_SHA256 = "f957ea867313f9815b71dc2ed30cce301e01db4f3973fbdb31ffa5391b0ec45a";
/** The members that we keep, with their SHA-256. The archive's EGL and GLES libraries are of no use here. */
const FILES = {
  "libvulkan.so.1": "fe17a77c1f2df38d3b6a935140f746fd80aac564bb44eb3e4f6b75a504295a41",
  "libvk_swiftshader.so": "5b9e8591c7c2d1c9618c3ad485d0cdffb81f5f1ffd6a982fdb6578c2d8d3213e",
  "vk_swiftshader_icd.json": "c9eef28b6b984fec220ef0abfecc40b502d46946706e47bfe97707027cb818bd",
};

export interface EmbeddedDriver {
  /** Folder of the unpacked files. */
  directory: string;
  /** The Vulkan loader, for machines that have none. */
  loader: string;
  /** The driver's manifest, to be named in VK_DRIVER_FILES. */
  manifest: string;
}

/** Why this machine cannot have the embedded adapter, in one line; undefined if it can. Unpacks nothing. */
export function whyNoEmbedded(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") {
    return `the embedded adapter exists for Linux on x64 only (this is ${process.platform} on ${process.arch})`;
  }
  return archivePath()
    ? undefined
    : `the optional package ${PACKAGE} is not installed: run "npm install ${PACKAGE}@${VERSION}"`;
}

/**
 * Unpacks the driver into the user's cache, or finds it there. Every call checks the hash of every file (10 ms) and
 * repairs what is missing or wrong. Processes may race: each file is renamed into place whole, and all write the same.
 * @throws UserError if the package is missing or another version, or if no cache folder can be written.
 */
export function unpackEmbedded(): EmbeddedDriver {
  const directory = cacheFolder(`swiftshader-${VERSION}-${ARCHIVE_SHA256.slice(0, 8)}`, "the embedded adapter");
  const names = Object.keys(FILES) as (keyof typeof FILES)[];
  const wrong = names.filter((name) => !isIntact(join(directory, name), FILES[name]));
  if (wrong.length > 0) {
    const members = readTar(brotliDecompressSync(readArchive()));
    for (const name of wrong) place(directory, name, members.get(name)!);
  }
  const [loader, , manifest] = names.map((name) => join(directory, name));
  return { directory, loader, manifest };
}

function archivePath(): string | undefined {
  try {
    // The package exports only its entry point, build/cjs/index.cjs.
    return join(dirname(createRequire(import.meta.url).resolve(PACKAGE)), "../../bin/swiftshader.tar.br");
  } catch {
    return undefined;
  }
}

function readArchive(): Buffer {
  const reason = whyNoEmbedded();
  if (reason) throw new UserError(reason);
  const path = archivePath()!;
  const archive = readFileSync(path);
  if (sha256(archive) !== ARCHIVE_SHA256) {
    throw new UserError(`${path} is not the one of ${PACKAGE} ${VERSION}: run "npm install ${PACKAGE}@${VERSION}"`);
  }
  return archive;
}

/** The regular files of a ustar archive by name: 512-byte headers, each followed by its data padded to 512 bytes. */
function readTar(tar: Buffer): Map<string, Buffer> {
  const members = new Map<string, Buffer>();
  for (let at = 0; at < tar.length && tar[at] !== 0; ) {
    const field = (offset: number, length: number) =>
      tar.toString("latin1", at + offset, at + offset + length).replace(/\0.*$/s, "");
    const size = Number.parseInt(field(124, 12), 8);
    members.set(field(0, 100), tar.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return members;
}

function sha256(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

function isIntact(path: string, hash: string): boolean {
  try {
    return sha256(readFileSync(path)) === hash;
  } catch {
    return false;
  }
}

/** Writes a file under another name, then renames it: a process that has the old file mapped keeps the old file. */
function place(directory: string, name: string, data: Buffer): void {
  const temporary = join(directory, `.${name}.${randomUUID()}`);
  try {
    const file = openSync(temporary, "wx", 0o600);
    try {
      for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, join(directory, name));
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new UserError(
      `cannot write ${join(directory, name)}: ${(error as Error).message}; set SHIBORI_CACHE to another folder`,
    );
  }
}
