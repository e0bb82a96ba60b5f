import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterEach, describe, expect, it, vi } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { selectAdapter } from "../../src/platform/adapters.js";
import { openGpu } from "../../src/platform/browser.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

const bundle = (entry: { entryPoints: string[] } | { stdin: { contents: string; resolveDir: string } }) =>
  build({
    ...entry,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    platform: "browser",
    loader: { ".wgsl": "text" },
    logLevel: "silent",
  });

const ENTRIES = ["src/index.ts", "src/faceswap/index.ts", "src/platform/browser.ts"];
describe.each(ENTRIES)("%s", (entry) => {
  it("bundles for a browser, with nothing of node in it", async () => {
    const { outputFiles, metafile, warnings } = await bundle({ entryPoints: [join(ROOT, entry)] });
    expect(warnings).toEqual([]);
    expect(outputFiles).toHaveLength(1);
    expect(outputFiles[0].contents.length).toBeGreaterThan(1000);
    const [output] = Object.values(metafile.outputs);
    expect(output.imports).toEqual([]);
    const inputs = Object.keys(metafile.inputs).join("\n");
    expect(inputs).not.toMatch(/node_modules\/webgpu|src\/(storage|cli|report)\//);
    expect(inputs).not.toMatch(/src\/platform\/(?!browser|classify)/);
  });
});

it("an import of node would be noticed", async () => {
  const stdin = { contents: 'export { readFileSync } from "node:fs";', resolveDir: ROOT };
  await expect(bundle({ stdin })).rejects.toThrow(/node:fs/);
});

/** The names that a source file must not use: what only node has, or only a page. */
const FORBIDDEN =
  /(?<![.\w"'])(?:(?:window|document|process|Buffer|localStorage)\s*[.[]|(?:require|setImmediate)\s*\(|__dirname)/;
const withoutComments = (source: string) => source.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");

describe("the source of the engine, of nn, of faceswap and of bench", () => {
  const files = ["src/engine", "src/nn", "src/faceswap", "src/bench"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
      .map((entry) => relative(ROOT, join(entry.parentPath, entry.name))),
  );

  it("is found", () => {
    expect(files.length).toBeGreaterThan(20);
  });

  it.each(files)("%s imports no node module and touches no page", (file) => {
    const source = withoutComments(readFileSync(join(ROOT, file), "utf8"));
    const imports = [...source.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)].map((match) => match[1]);
    expect(imports.filter((name) => isBuiltin(name))).toEqual([]);
    expect(imports.filter((name) => /platform|storage|cli|report/.test(name))).toEqual([]);
    expect(FORBIDDEN.exec(source)?.[0]).toBeUndefined();
  });

  it("a use would be noticed, a word like it would not", () => {
    for (const bad of ["if (process.env.X)", "document.title", "Buffer.from(x)", "require('fs')", "window[0]"]) {
      expect(bad).toMatch(FORBIDDEN);
    }
    for (const fine of ["windows(1)", "parameters.window(state)", '"process.env"', "const window = (s) => s"]) {
      expect(fine).not.toMatch(FORBIDDEN);
    }
  });
});

describe("openGpu in a browser", () => {
  afterEach(() => vi.unstubAllGlobals());
  const fake = (gpu: unknown) => vi.stubGlobal("navigator", { gpu });

  it("says what to do where there is no WebGPU, or no adapter", async () => {
    fake(undefined);
    await expect(openGpu()).rejects.toThrow(
      new UserError("this browser has no WebGPU here: use a current one, and a page from https or localhost"),
    );
    fake({ requestAdapter: async () => null });
    await expect(openGpu()).rejects.toThrow(UserError);
    await expect(openGpu()).rejects.toThrow(/gives no GPU adapter: turn on hardware acceleration/);
  });

  /** This machine's adapter under another name; it gives one device. */
  async function disguised(info: Partial<GPUAdapterInfo>) {
    const { adapter } = await selectAdapter(process.env.SHIBORI_ADAPTER || "auto");
    const { features, limits } = adapter;
    return { features, limits, info, requestDevice: (wanted: GPUDeviceDescriptor) => adapter.requestDevice(wanted) };
  }

  it("opens what the browser gives, and passes the options on", async () => {
    const adapter = await disguised({ vendor: "nvidia", architecture: "hopper" });
    const requestAdapter = vi.fn(async () => adapter);
    fake({ requestAdapter });
    const gpu = await openGpu({ maxBindingBytes: 4096, powerPreference: "low-power" });
    expect(requestAdapter.mock.calls).toEqual([[{ powerPreference: "low-power" }]]);
    expect(gpu.maxBindingBytes).toBe(4096);
    gpu.destroy();
  });

  it.each([
    [{ isFallbackAdapter: true }, "software"],
    [{ description: "SwiftShader driver" }, "software"],
    [{ device: "llvmpipe (LLVM 19)" }, "software"],
    [{ vendor: "microsoft", device: "Microsoft Basic Render Driver" }, "software"],
    [{ vendor: "apple", architecture: "metal-3" }, "hardware"],
  ])("%o is %s", async (info, kind) => {
    const adapter = await disguised(info);
    fake({ requestAdapter: async () => adapter });
    const gpu = await openGpu();
    expect(gpu.kind).toBe(kind);
    gpu.destroy();
  });
});
