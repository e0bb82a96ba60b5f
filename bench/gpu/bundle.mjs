// Bundles what has to run where npm is not: the command line, the ladder of kernels and tests. All that they then need are
// node, Dawn's binding (npm `webgpu`) and the checkout: `node bench/gpu/bundle.mjs [FOLDER [TEST-FILE ...]]`, by default
// into dist-gpu/, with the project's own tests.
import { readdirSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { pagePlugin } from "../../esbuild.page.mjs";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

const FOLDERS = ["test/engine", "test/nn", "test/faceswap", "test/bench"];
/** They need esbuild or packages of their own, and are not about a GPU. */
const LEFT_OUT = ["test/engine/bundle.test.ts", "test/bench/gpu.test.ts", "test/bench/peers.test.ts"];

const ours = () =>
  FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true }).map((name) => join(folder, name)))
    .map((file) => file.split(sep).join("/"))
    .filter((file) => file.endsWith(".test.ts") && !LEFT_OUT.includes(file));

const [folder = join(ROOT, "dist-gpu"), ...given] = process.argv.slice(2).map((path) => resolve(path));
const tests = given.length ? given : ours().map((file) => join(ROOT, file));

/** Tests find fixtures and sources beside themselves: they keep the address that they have in the checkout. */
const addresses = {
  name: "addresses-of-tests",
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]test[/\\].*\.ts$/ }, async ({ path }) => {
      const from = JSON.stringify(relative(folder, path).split(sep).join("/"));
      const source = await readFile(path, "utf8");
      return { contents: source.replaceAll("import.meta.url", `new URL(${from}, import.meta.url).href`), loader: "ts" };
    });
  },
};

/** test/nn/ssim.test.ts: test-nn-ssim */
const flat = (file) => `test-${relative(join(ROOT, "test"), file).replace(".test.ts", "").replaceAll(/\W+/g, "-")}`;

await rm(folder, { recursive: true, force: true });
await build({
  entryPoints: {
    cli: join(ROOT, "src/cli/main.ts"),
    "bench-kernels": join(ROOT, "bench/kernels/main.ts"),
    summary: here("summary.ts"),
    shibori: here("shibori.ts"),
    tests: here("tests.ts"),
    "test-file": here("testFile.ts"),
    ...Object.fromEntries(tests.map((file) => [flat(file), file])),
  },
  outdir: folder,
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
  plugins: [pagePlugin, addresses],
  sourcemap: "linked",
  sourcesContent: false,
  logLevel: "warning",
});

const where = relative(process.cwd(), folder);
console.log(
  `${where}: the command line, the ladder and ${tests.length} files of tests; left out ${LEFT_OUT.join(", ")}`,
);
