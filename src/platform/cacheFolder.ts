import { lstatSync, mkdirSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { UserError } from "../engine/errors.js";

/**
 * A folder of the user's cache: in SHIBORI_CACHE if set, else in the user's cache folder, else (home not writable) in a
 * private one for temporary files.
 * @param use what it is for, in words
 * @throws UserError if no such folder can be made
 */
export function cacheFolder(name: string, use: string): string {
  const { SHIBORI_CACHE, XDG_CACHE_HOME } = process.env;
  const user = XDG_CACHE_HOME && isAbsolute(XDG_CACHE_HOME) ? XDG_CACHE_HOME : join(homedir(), ".cache");
  const temporary = join(tmpdir(), `shibori-${process.getuid?.()}`);
  const roots = SHIBORI_CACHE ? [SHIBORI_CACHE] : [join(user, "shibori"), temporary];
  let reason = "";
  for (const root of roots) {
    const directory = join(root, name);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
      if (root === temporary) checkPrivate(root);
      return directory;
    } catch (error) {
      reason ||= (error as Error).message;
    }
  }
  throw new UserError(`no folder for ${use}: ${reason}; set SHIBORI_CACHE to a folder that you can write to`);
}

/** Anybody may make a folder of any name in /tmp, and swap a library in it after we checked its hash. */
function checkPrivate(root: string): void {
  const { uid, mode } = lstatSync(root);
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new Error(`${root} can be changed by other users`);
}
