import { existsSync, readFileSync } from "node:fs";
import { userError } from "./userError.mjs";

const readJson = (url) => JSON.parse(readFileSync(url, "utf8"));

/**
 * The versions of the peers, which must be those that package.json pins.
 * @param {URL} directory where package.json and node_modules are, with a slash at the end
 * @returns {Record<string, string>} version by package name
 * @throws UserError if one is missing or of another version
 */
export function installedPeers(directory) {
  const { dependencies } = readJson(new URL("package.json", directory));
  for (const [name, version] of Object.entries(dependencies)) {
    const manifest = new URL(`node_modules/${name}/package.json`, directory);
    const found = existsSync(manifest) ? `is installed as ${readJson(manifest).version}` : "is not installed";
    if (found !== `is installed as ${version}`) {
      throw userError(`${name} ${version} ${found} in bench/peers; run: npm ci --prefix bench/peers`);
    }
  }
  return dependencies;
}
