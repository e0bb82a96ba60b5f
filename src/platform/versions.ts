import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The versions of what computes. */
export const versions = () => ({
  shibori: versionOf(dirname(fileURLToPath(import.meta.url))),
  node: process.versions.node,
  dawn: versionOf(dirname(createRequire(import.meta.url).resolve("webgpu"))),
});

/** The version in the package.json of the package that a folder is part of. */
function versionOf(folder: string): string {
  const path = join(folder, "package.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")).version;
  return dirname(folder) === folder ? "unknown" : versionOf(dirname(folder));
}
