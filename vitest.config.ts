import { readFileSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { pageVitePlugin } from "./esbuild.page.mjs";

export default defineConfig({
  plugins: [
    {
      name: "wgsl-as-text",
      enforce: "pre",
      load(id) {
        if (id.endsWith(".wgsl")) return `export default ${JSON.stringify(readFileSync(id, "utf8"))};`;
      },
    },
    pageVitePlugin,
  ],
  test: {
    include: ["test/**/*.test.ts"],
    // Dawn in worker threads does not see the driver variables that the embedded adapter sets in-process.
    pool: "forks",
    maxWorkers: 2,
    // Tests that are about the tuner turn it on.
    env: { SHIBORI_TUNE: "off" },
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
