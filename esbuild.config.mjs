// Bundles the library entry points and the command line into dist/. Types come from `tsc -p tsconfig.build.json`.
import { rm } from "node:fs/promises";
import { build } from "esbuild";
import { pagePlugin } from "./esbuild.page.mjs";

await rm("dist", { recursive: true, force: true });
await build({
  entryPoints: {
    index: "src/index.ts",
    faceswap: "src/faceswap/index.ts",
    node: "src/platform/node.ts",
    browser: "src/platform/browser.ts",
    cli: "src/cli/main.ts",
    "bench-kernels": "bench/kernels/main.ts",
    "bench-scaling": "bench/scaling.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true, // one copy of the engine, whichever entry points a program imports
  format: "esm",
  platform: "node",
  target: "node20",
  packages: "external",
  loader: { ".wgsl": "text" },
  plugins: [pagePlugin],
  sourcemap: true,
  logLevel: "warning",
});
