/** A folder of PNG files as one training set. Node only. */
import fs from "node:fs";
import { join } from "node:path";
import { UserError } from "../engine/errors.js";
import { fileError } from "./files.js";
import { checkSize, cropAndResize } from "./picture.js";
import { decodePng } from "./png.js";

export { cropAndResize, type Picture } from "./picture.js";
export { decodePng, encodePng } from "./png.js";

/** What `loadFolder` found. */
export interface PictureSet {
  /** [count][size][size][3], RGB bytes. */
  pictures: Uint8Array;
  count: number;
  /** File names of the pictures, in their order. */
  names: string[];
  /** Files that look like PNGs by name and could not be used. */
  skipped: { name: string; reason: string }[];
}

/**
 * Loads the *.png files (any case) that stand directly in a folder, in the order of their names by code unit, each cut
 * to its centred square and resized to size × size. A file that cannot be used is skipped and named, with the reason.
 *
 * @throws UserError naming the folder, when it cannot be read or has fewer than two usable pictures, or when `size` is no size.
 */
export function loadFolder(dir: string, size: number): PictureSet {
  checkSize(size);
  const names: string[] = [];
  const loaded: Uint8Array[] = [];
  const skipped: PictureSet["skipped"] = [];
  const entries = listFolder(dir);
  const candidates = entries.filter((name) => /\.png$/i.test(name)).sort();
  for (const name of candidates) {
    try {
      const picture = decodePng(readFile(join(dir, name)), name);
      loaded.push(cropAndResize(picture, size).data);
      names.push(name);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      const prefix = `${name}: `;
      skipped.push({
        name,
        reason: error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message,
      });
    }
  }
  if (loaded.length < 2) throw new UserError(tooFew(dir, entries.length, candidates.length, skipped));

  const stride = size * size * 3;
  const pictures = new Uint8Array(loaded.length * stride);
  loaded.forEach((data, i) => {
    pictures.set(data, i * stride);
  });
  return { pictures, count: loaded.length, names, skipped };
}

function listFolder(dir: string): string[] {
  try {
    return fs.readdirSync(dir);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT") throw new UserError(`the picture folder ${dir} does not exist; check the path`);
    if (code === "ENOTDIR") throw new UserError(`${dir} is a file; give the folder that holds the pictures`);
    throw fileError("read the folder", dir, error);
  }
}

function readFile(path: string): Uint8Array {
  try {
    return fs.readFileSync(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

function tooFew(dir: string, files: number, candidates: number, skipped: PictureSet["skipped"]): string {
  const advice = "put at least 2 PNG pictures directly into it";
  if (files === 0) return `the picture folder ${dir} is empty; ${advice}`;
  if (candidates === 0) return `the picture folder ${dir} has no PNG among its ${files} entries; ${advice}`;
  const broken = skipped.length === 0 ? "" : ` (${skipped[0].name} skipped: ${skipped[0].reason})`;
  return `the picture folder ${dir} has ${candidates - skipped.length} usable PNG of ${candidates}${broken}; ${advice}`;
}
