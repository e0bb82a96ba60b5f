import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

// Adapters are chosen by what the process finds when it starts, so every situation gets a fresh process.

/** What the child script below prints: what `act` returned, or the error. */
export interface Outcome {
  kind?: string;
  name?: string;
  values?: number[];
  features?: string[];
  driverFiles?: string;
  line?: string;
  reports?: import("../../src/platform/report.js").AdapterReport[];
  error?: string;
  /** All that the process wrote to stderr, native libraries included. */
  stderr: string;
}

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

const SCRIPT = `
import * as platform from "./platform.mjs";

async function compute(device) {
  const module = device.createShaderModule({ code: \`
    @group(0) @binding(0) var<storage, read_write> y: array<u32>;
    @compute @workgroup_size(4) fn main(@builtin(global_invocation_id) id: vec3u) { y[id.x] = 3u * id.x + 1u; }\` });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const y = device.createBuffer({ size: 32, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
  const copy = device.createBuffer({ size: 32, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const layout = pipeline.getBindGroupLayout(0);
  const group = device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: y } }] });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(2);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, copy, 0, 32);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  return [...new Uint32Array(copy.getMappedRange())];
}

const acts = {
  async select(spec, options) {
    let selected = await platform.selectAdapter(spec, options);
    const { adapter, kind } = selected;
    selected = undefined; // so that only the module itself keeps Dawn's instance from the collector
    const device = await adapter.requestDevice();
    for (let i = 0; i < 3; i++) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const values = await compute(device);
    const { info, features } = adapter;
    return { kind, name: info.device, features: [...features], values, driverFiles: process.env.VK_DRIVER_FILES };
  },
  async open(options) {
    const gpu = await platform.openGpu(options);
    return { kind: gpu.kind, line: platform.adapterLine(gpu), values: await compute(gpu.device) };
  },
  async unpack() {
    return platform.unpackEmbedded();
  },
  async inspect() {
    return { reports: await platform.inspectAdapters() };
  },
};

const [act, ...args] = JSON.parse(process.argv[2]);
try {
  console.log(JSON.stringify(await acts[act](...args)));
} catch (error) {
  console.log(JSON.stringify({ error: error.name + ": " + error.message }));
}
console.error("end");
`;

/** A folder with the platform modules in one bundle, the child script, the named packages and zod; nothing else to resolve. */
export async function makeHouse(packages = ["webgpu", "@sparticuz/chromium"]): Promise<string> {
  const house = mkdtempSync(join(tmpdir(), "shibori-platform-"));
  const modules = ["adapters", "embedded", "node", "report"];
  await build({
    stdin: {
      contents: modules.map((name) => `export * from "./src/platform/${name}.js";`).join("\n"),
      resolveDir: ROOT,
    },
    outfile: join(house, "platform.mjs"),
    bundle: true,
    format: "esm",
    platform: "node",
    packages: "external",
    loader: { ".wgsl": "text" },
    logLevel: "error",
  });
  writeFileSync(join(house, "child.mjs"), SCRIPT);
  const require = createRequire(join(ROOT, "package.json"));
  for (const name of [...packages, "zod"]) {
    const link = join(house, "node_modules", name);
    const [packageRoot] = require.resolve(name).split(`/${name}/`);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(packageRoot, name), link);
  }
  return house;
}

/**
 * Runs one act of the child script. Its stderr is a pipe made by the shell, like a terminal and unlike the sockets that
 * node makes, on which native warnings cannot be held back (see src/platform/quiet.ts).
 */
export function runChild(house: string, act: unknown[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const out = join(mkdtempSync(join(house, "run-")), "stdout");
  const inherited = { ...process.env };
  for (const name of Object.keys(inherited)) {
    if (/^(VK_|SHIBORI_|XDG_|LD_LIBRARY_PATH|NODE_)/.test(name)) delete inherited[name];
  }
  const command = ["-c", 'out="$1"; shift; timeout 100 "$@" 2>&1 >"$out" | cat', "sh", out];
  const child = [process.execPath, "--expose-gc", join(house, "child.mjs"), JSON.stringify(act)];
  return new Promise((resolve, reject) => {
    const options = { env: { ...inherited, SHIBORI_CACHE: join(house, "cache"), ...env } };
    execFile("sh", [...command, ...child], options, (error, stderr) => {
      const printed = readFileSync(out, "utf8");
      if (error || printed === "") reject(error ?? new Error(`the child died: ${stderr}`));
      else resolve({ ...JSON.parse(printed), stderr });
    });
  });
}

/** What the child prints when the GPU computed 3 i + 1 for i = 0 ... 7. */
export const COMPUTED = [1, 4, 7, 10, 13, 16, 19, 22];
/** The child's own last word: any other stderr line is a native one. */
export const SILENT = "end\n";
