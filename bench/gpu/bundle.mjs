// Bundles what has to run where npm is not: the command line, the ladder of kernels and tests, into dist-gpu/. All that
// they then need are node, Dawn's binding (npm `webgpu`) and the checkout.
import { readdirSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { pagePlugin } from "../../esbuild.page.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const FOLDERS = ["test/engine", "test/nn", "test/faceswap", "test/bench"];
/** One bundles for browsers, one runs packages of its own: both need npm, and neither is about a GPU. */
const LEFT_OUT = ["test/engine/bundle.test.ts", "test/bench/peers.test.ts"];

const ours = () =>
  FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(folder, name)))
    .map((file) => file.split(sep).join("/"))
    .filter((file) => file.endsWith(".test.ts") && !LEFT_OUT.includes(file));

/** Tests find fixtures and sources beside themselves: they keep the address that they have in the checkout. */
const addresses = (outdir) => ({
  name: "addresses-of-tests",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]test[/\\].*\.ts$/ }, async ({ path }) => {
      const from = JSON.stringify(relative(outdir, path).split(sep).join("/"));
      const source = await readFile(path, "utf8");
      return { contents: source.replaceAll("import.meta.url", `new URL(${from}, import.meta.url).href`), loader: "ts" };
    });
  },
});

/**
 * @param outdir is emptied
 * @param tests files to run, relative to the checkout
 */
export async function bundle(outdir, tests = ours()) {
  await rm(outdir, { recursive: true, force: true });
  const flat = (file) =>
    `test-${file
      .replace(/^test\//, "")
      .replace(".test.ts", "")
      .replaceAll("/", "-")}`;
  await build({
    entryPoints: {
      cli: join(ROOT, "src/cli/main.ts"),
      "bench-kernels": join(ROOT, "bench/kernels/main.ts"),
      summary: here("summary.ts"),
      shibori: here("shibori.ts"),
      tests: here("tests.ts"),
      "test-file": here("testFile.ts"),
      ...Object.fromEntries(tests.map((file) => [flat(file), join(ROOT, file)])),
    },
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true, // one instance of the runner, which the tests register with
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["webgpu", "@sparticuz/chromium"],
    alias: { vitest: here("vitest.ts"), esbuild: here("esbuild.ts") },
    // CommonJS packages call `require`, which modules do not have.
    banner: {
      js: 'import { createRequire as toRequire } from "node:module"; const require = toRequire(import.meta.url);',
    },
    loader: { ".wgsl": "text" },
    plugins: [pagePlugin, addresses(outdir)],
    sourcemap: "linked",
    sourcesContent: false,
    logLevel: "warning",
  });
  return tests.length;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const count = await bundle(join(ROOT, "dist-gpu"));
  console.log(`dist-gpu: the command line, the ladder and ${count} files of tests; left out ${LEFT_OUT.join(", ")}`);
}
