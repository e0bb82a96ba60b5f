// The script and the style of the report's pages, bundled into one module of texts: `dist/` and vitest both import it as
// "virtual:report-page". Pages are written by node and opened without a network, so everything stands in them.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const NAME = "virtual:report-page";
const here = (path) => fileURLToPath(new URL(path, import.meta.url));

async function pageModule() {
  const licence = readFileSync(here("node_modules/uplot/LICENSE"), "utf8").trim();
  const { version } = JSON.parse(readFileSync(here("node_modules/uplot/package.json"), "utf8"));
  const { outputFiles } = await build({
    entryPoints: [here("src/report/page/main.ts"), here("src/report/page/page.css")],
    outdir: "page",
    write: false,
    bundle: true,
    minify: true,
    format: "iife",
    target: "es2022",
    charset: "utf8",
    banner: { js: `/*! The charts are drawn by uPlot ${version}:\n${licence}\n*/` },
    logLevel: "warning",
  });
  const text = (ending) => JSON.stringify(outputFiles.find(({ path }) => path.endsWith(ending)).text);
  return `export const script = ${text(".js")};\nexport const style = ${text(".css")};\n`;
}

/** For esbuild. */
export const pagePlugin = {
  name: "report-page",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${NAME}$`) }, () => ({ path: NAME, namespace: "report-page" }));
    build.onLoad({ filter: /.*/, namespace: "report-page" }, async () => ({ contents: await pageModule() }));
  },
};

/** For vitest. */
export const pageVitePlugin = {
  name: "report-page",
  resolveId: (id) => (id === NAME ? `\0${NAME}` : undefined),
  load: (id) => (id === `\0${NAME}` ? pageModule() : undefined),
};
