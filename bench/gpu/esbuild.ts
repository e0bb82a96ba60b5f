/** Stands in for esbuild in bundled tests: what they bundle, the engine with node's adapters, lies ready beside them. */
import { writeFileSync } from "node:fs";

export async function build({ outfile }: { outfile: string }): Promise<void> {
  writeFileSync(outfile, `export * from ${JSON.stringify(new URL("shibori.mjs", import.meta.url).href)};\n`);
}
