/** Files that are written whole or not at all. Node only. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../engine/errors.js";

/**
 * Writes a file so that a reader, or a crash at any moment, sees the old content or the new one, never a part: the
 * bytes go to a temporary file in the same folder, are forced to the disk, and the file is renamed into place.
 *
 * @throws UserError naming the path, when the file system refuses; the temporary file is gone then.
 */
export function writeFileAtomic(path: string, content: Uint8Array | string): void {
  const temporary = join(dirname(path), `.shibori-${randomBytes(6).toString("hex")}.tmp`); // see removeTemporaries
  let descriptor: number | undefined;
  try {
    descriptor = fs.openSync(temporary, "wx");
    fs.writeFileSync(descriptor, content);
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
    descriptor = undefined;
    fs.renameSync(temporary, path);
  } catch (error) {
    // What goes wrong while tidying up must not hide what went wrong first.
    if (descriptor !== undefined) quietly(() => fs.closeSync(descriptor as number));
    quietly(() => fs.rmSync(temporary, { force: true }));
    throw fileError("write", path, error);
  }
  syncFolder(dirname(path));
}

/** Removes what writeFileAtomic left in a folder when its process was killed. */
export function removeTemporaries(folder: string): void {
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const names = fs.readdirSync(folder).filter((name) => /^\.shibori-[0-9a-f]{12}\.tmp$/.test(name));
  for (const name of names) quietly(() => fs.rmSync(join(folder, name), { force: true }));
}

/** Adds text to a file. @throws UserError naming the path; a part of the text may have been written then */
export function appendText(path: string, text: string): void {
  try {
    fs.appendFileSync(path, text);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** Forces a file to the disk, if it is there. @throws UserError naming the path */
export function syncFile(path: string): void {
  if (!fs.existsSync(path)) return;
  try {
    const descriptor = fs.openSync(path, "r+");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/**
 * Creates a folder and its parents; does nothing where it already stands.
 *
 * @throws UserError naming the path, when the file system refuses or a file stands in the way.
 */
export function ensureDir(path: string): void {
  try {
    fs.mkdirSync(path, { recursive: true });
  } catch (error) {
    throw fileError("create the folder", path, error);
  }
}

/**
 * Refuses a path at which no folder can be made or filled, before there is anything to lose. Writes nothing.
 *
 * @throws UserError naming the path
 */
export function checkFolderPath(path: string): void {
  let existing = resolve(path);
  while (!fs.existsSync(existing)) existing = dirname(existing);
  try {
    // The dot asks for a folder: a file answers ENOTDIR.
    fs.accessSync(`${existing}/.`, fs.constants.W_OK | fs.constants.X_OK);
  } catch (error) {
    throw fileError("write to the folder", path, error);
  }
}

/**
 * Refuses a path at which no file can be written, before there is anything to lose. Writes nothing.
 *
 * @throws UserError naming the path
 */
export function checkFilePath(path: string): void {
  const refuse = (why: string): never => {
    throw new UserError(`cannot write ${path}: ${why}`);
  };
  if (!fs.existsSync(dirname(path))) refuse(`the folder ${dirname(path)} does not exist`);
  if (fs.existsSync(path) && fs.statSync(path).isDirectory()) refuse("it is a folder, not a file");
  checkFolderPath(dirname(path));
}

const REASONS: Record<string, string> = {
  EACCES: "permission denied; choose another place or change its permissions",
  EPERM: "the operation is not permitted there; choose another place",
  ENOENT: "a part of the path does not exist; check its spelling",
  ENOTDIR: "a part of the path is a file, not a folder",
  EISDIR: "it is a folder, not a file",
  EEXIST: "a file of that name is in the way",
  EFBIG: "the system allows no larger files; raise the limit (ulimit -f)",
  ENOSPC: "the disk is full; free some space and try again",
  EDQUOT: "the disk quota is used up; free some space and try again",
  EROFS: "the file system is read-only; choose another place",
  ENAMETOOLONG: "the name is too long",
};

/**
 * Turns what node:fs threw into one clear line, "cannot <action> <path>: <reason>". Anything that is not a system
 * error (a fault of this project) comes back unchanged, to be thrown on.
 */
export function fileError(action: string, path: string, error: unknown): unknown {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  if (!(error instanceof Error) || code === undefined || !("syscall" in error)) return error;
  return new UserError(`cannot ${action} ${path}: ${REASONS[code] ?? `the system says ${code}`}`);
}

/** Makes what was renamed or made in a folder durable. Not every system can open or sync a folder; the file is in place either way. */
export function syncFolder(folder: string): void {
  quietly(() => {
    const descriptor = fs.openSync(folder, "r");
    try {
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
  });
}

function quietly(attempt: () => void): void {
  try {
    attempt();
  } catch {
    return;
  }
}
