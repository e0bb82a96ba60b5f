import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { create, globals } from "webgpu";
import { GpuError } from "../../src/engine/errors.js";
import { type Dispatch, type Node, topological } from "../../src/engine/graph.js";
import { sharing, subgroupTiles } from "../../src/engine/ops/subgroup.js";
import { TILES, tileConstants } from "../../src/engine/ops/tiles/tile.js";
import { weightGradProduct } from "../../src/engine/ops/winograd.js";
import { encodeUniform, type Kernel, reflect, specialise, unroll } from "../../src/engine/shader.js";
import * as shibori from "../../src/index.js";

/** The kernels of a folder and the folders in it. */
const kernelsIn = (folder: URL): Kernel[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter((file) => file.endsWith(".wgsl"))
    .map((file) => ({ name: file.slice(0, -5), source: readFileSync(new URL(file, folder), "utf8") }));
const KERNELS = kernelsIn(new URL("../../shaders/", import.meta.url));
const RUNGS = kernelsIn(new URL("../../bench/kernels/", import.meta.url));

// Dawn's null backend has no GPU and nearly every feature: it checks WGSL, and it does not mind what a machine has.
Object.assign(globalThis, globals);
const dawn = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]);
// V8 must not collect it: see GpuOptions.keepAlive.
Object.assign(globalThis, { shaderTestDawn: dawn });
const adapter = (await dawn.requestAdapter()) as GPUAdapter;
const device = await adapter.requestDevice({ requiredFeatures: ["subgroups", "shader-f16"] });

/** The compiler's complaint about a kernel, bind group layout included; "" if there is none. */
async function complaint(kernel: Kernel): Promise<string> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: kernel.source });
  const entries = reflect(kernel).bindings.map(({ index, type }) => ({
    binding: index,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type },
  }));
  const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
  device.createComputePipeline({ layout, compute: { module, entryPoint: "main" } });
  return (await device.popErrorScope())?.message ?? "";
}

describe("every kernel", () => {
  it("is found", () => {
    expect(KERNELS.length).toBeGreaterThan(12);
    expect(RUNGS.length).toBeGreaterThan(25);
  });

  it.each([...KERNELS, ...RUNGS])("$name is valid as it is written", async (kernel) => {
    expect(await complaint(kernel)).toBe("");
    expect(await complaint(unroll(kernel))).toBe("");
  });

  it.each(KERNELS.filter(({ source }) => source.includes("const LANES") && source.includes("const BIAS")))(
    "$name is valid in all variants",
    async (kernel) => {
      for (const LANES of [1, 4, 8, 16]) {
        for (const BIAS of [0, 1, 2]) {
          for (const ACTIVATION of [0, 1, 2, 3]) {
            const constants = { LANES, BIAS, ACTIVATION };
            expect(await complaint(unroll(specialise(kernel, constants))), JSON.stringify(constants)).toBe("");
          }
        }
      }
    },
  );

  it.each(KERNELS.filter(({ source }) => source.includes("enable subgroups;")))(
    "$name is valid for subgroups of 4, 8 and 16 lanes",
    async (kernel) => {
      for (const SG of [4, 8, 16]) {
        const has = (name: string) => kernel.source.includes(`const ${name}:`);
        const tiles = has("AHEAD")
          ? [4, SG].flatMap((sum4) => [1, SG].map((co4) => weightGradProduct(SG, sum4, co4)))
          : !has("QUADS")
            ? [{ constants: { SG } }]
            : has("PIXELS")
              ? [1, 2, 3, 6, SG].flatMap((co4) => [4, 1000].flatMap((pixels) => subgroupTiles(SG, co4, pixels)))
              : [1, SG].map((blocks) => ({ constants: { SG, STEP: SG / 4, ...sharing(blocks, SG / 4) } }));
        for (const { constants } of tiles) {
          const ready = unroll(specialise(kernel, constants));
          expect(ready.source).not.toContain("// unroll");
          expect(await complaint(ready), JSON.stringify(constants)).toBe("");
        }
      }
    },
  );

  it.each(KERNELS.filter(({ name }) => name.endsWith("_tile")))(
    "$name is valid in all tiles, with what WebGPU grants everywhere",
    async (kernel) => {
      for (const tile of TILES) {
        const weights = kernel.source.includes("const STEP");
        const step: Record<string, number> = weights ? { STEP: tile.step } : { K4: tile.step / 4 };
        const ready = unroll(
          specialise(kernel, { ...tileConstants({ tile, splits: 1, unroll: true }, weights ? 4 : 1), ...step }),
        );
        expect(ready.source).not.toContain("// unroll");
        expect(await complaint(ready), JSON.stringify(tile)).toBe("");
      }
    },
  );

  it("of the pointwise family, which is generated, is valid for dense, single, broadcast and ragged operands", async () => {
    const { add, sub, mul, div, neg, abs, square, sqrt, exp, log, sigmoid, tanh, leakyRelu, clamp, scale } = shibori;
    const shapes = [[2, 3, 5], [5], [], [3, 1], [2, 3, 8], [8]];
    const sources = new Map<string, Kernel>();
    const collect = (outputs: Node[]) => {
      const target = { subgroupSize: 0, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };
      const dispatches = topological(outputs).flatMap((node): Dispatch[] => node.op.lower?.(node, target) ?? []);
      for (const { kernel } of dispatches) sources.set(kernel.source, kernel);
    };
    for (const shape of shapes) {
      const x = shibori.input("x", shape);
      const unary = [neg, abs, square, sqrt, exp, log, sigmoid, tanh, leakyRelu, (a: Node) => clamp(a, 0, 1)];
      for (const f of [...unary, (a: Node) => scale(a, 2)]) collect(shibori.gradients(shibori.sum(f(x)), [x]));
      for (const other of shapes.filter((s) => shape.length === 0 || s.length === 0 || s.at(-1) === shape.at(-1))) {
        const y = shibori.input("y", other);
        for (const f of [add, sub, mul, div]) collect(shibori.gradients(shibori.sum(f(x, y)), [x, y]));
      }
    }
    expect(sources.size).toBeGreaterThan(40);
    for (const kernel of sources.values()) expect(await complaint(kernel), kernel.source).toBe("");
  });

  // WGSL files stand on their own, so each has its copy.
  it.each([
    ["activate", 5],
    ["slope", 5],
    ["finish", 5],
    ["divide", 5],
    ["origin", 2],
  ] as const)("has the same %s as the others that have one", (name, least) => {
    const copies = KERNELS.flatMap(
      ({ source }) => new RegExp(`^fn ${name}\\([\\s\\S]*?^}`, "m").exec(source)?.[0] ?? [],
    );
    expect(copies.length).toBeGreaterThanOrEqual(least);
    expect(new Set(copies).size).toBe(1);
  });

  it("that is broken is noticed", async () => {
    const [{ name, source }] = KERNELS.filter((k) => k.name === "repack");
    expect(await complaint({ name, source: source.replace("y[i] = v", "y[i] = w") })).toMatch(/unresolved value 'w'/);
    expect(await complaint({ name, source: source.replace("read_write", "read") })).toMatch(/cannot store/);
  });
});

const kernelOf = (source: string): Kernel => ({ name: "made_up", source });

describe("specialise", () => {
  const kernel = kernelOf("const TILE: u32 = 8;\nconst FLAG = 0; // off\nconst TILES = TILE * 2;\n");

  it("rewrites the named lines, their types and comments kept, and no other", () => {
    expect(specialise(kernel, { TILE: 4, FLAG: 1 }).source).toBe(
      "const TILE: u32 = 4;\nconst FLAG = 1; // off\nconst TILES = TILE * 2;\n",
    );
    expect(kernel.source).toContain("TILE: u32 = 8");
    expect(specialise(kernelOf("  let bound = p.k; // a loop's\n"), { bound: "K4" }).source).toBe(
      "  let bound = K4; // a loop's\n",
    );
  });

  it("refuses a name that the kernel does not have", () => {
    expect(() => specialise(kernel, { TIL: 4 })).toThrow(GpuError);
    expect(() => specialise(kernel, { TIL: 4 })).toThrow('kernel made_up has no line "const TIL = …;" to specialise');
  });
});

describe("unroll", () => {
  const unrolled = (source: string) => unroll(kernelOf(source)).source;

  it("copies a loop's body, once a value, and replaces the variable as a whole word only", () => {
    const source = "for (var i = 0u; i < 2; i++) { // unroll\n  a[i] = p.i + ii + f(i);\n}\nend\n";
    expect(unrolled(source)).toBe("{\n  a[0u] = p.i + ii + f(0u);\n}\n{\n  a[1u] = p.i + ii + f(1u);\n}\nend\n");
  });

  it("takes bounds from constants of the file, and unrolls nested loops from the inside", () => {
    const source =
      "const A: u32 = 4;\nconst B = A / 2;\nfor (var i = 0u; i < B; i++) { // unroll\n" +
      "  for (var j = 0u; j < A / B; j++) { // unroll\n    s(i, j);\n  }\n}\n";
    expect(unrolled(source).match(/s\(.*\)/g)).toEqual(["s(0u, 0u)", "s(0u, 1u)", "s(1u, 0u)", "s(1u, 1u)"]);
  });

  it("computes products before sums", () => {
    const source = "const N = 6;\nvar s: array<f32, 9>; // unroll\ns[1 + N / 4 * 3 + 2 * 2] = 1;\n";
    expect(unrolled(source)).toContain("\ns_8 = 1;");
  });

  it("makes shuffles from a constant lane broadcasts, within a quad if the lane is of the own one", () => {
    const source =
      "for (var i = 0u; i < 2; i++) { // unroll\n  a = subgroupShuffle(v, lane / 4 * 4 + i % 4);\n" +
      "  b = subgroupShuffle(v, i);\n  c = subgroupShuffle(v, lane % 4 + i * 4);\n}\n";
    expect(
      unrolled(source)
        .match(/[abc] = .*;/g)
        ?.slice(3),
    ).toEqual([
      "a = quadBroadcast(v, 1u % 4);",
      "b = subgroupBroadcast(v, 1u);",
      "c = subgroupShuffle(v, lane % 4 + 1u * 4);",
    ]);
  });

  it("turns a marked array into variables, with the indices computed", () => {
    const source =
      "const N = 2;\nvar s: array<vec4f, N * 2>; // unroll\n" +
      "for (var k = 0u; k < N; k++) { // unroll\n  for (var i = 0u; i < N; i++) { // unroll\n" +
      "    s[k * N + i] = p.s[k];\n  }\n}\n";
    const result = unrolled(source);
    expect(result.match(/var s_\d: vec4f;/g)).toEqual([0, 1, 2, 3].map((i) => `var s_${i}: vec4f;`));
    expect(result.match(/s_\d = .*;/g)).toEqual([
      "s_0 = p.s[0u];",
      "s_1 = p.s[0u];",
      "s_2 = p.s[1u];",
      "s_3 = p.s[1u];",
    ]);
  });

  it("leaves what is not marked", () => {
    const source = "var s: array<f32, 4>;\nfor (var i = 0u; i < 4; i++) {\n  s[i] = 0.0;\n}\n";
    expect(unrolled(source)).toBe(source);
  });

  it.each([
    ["a bound that is not constant", "for (var i = 0u; i < p.n; i++) { // unroll\n}\n"],
    ["an unknown constant", "for (var i = 0u; i < N; i++) { // unroll\n}\n"],
    ["an operator that it does not know", "var s: array<f32, 7 % 4>; // unroll\n"],
    ["what is no whole number", "const N = 1.5;\nvar s: array<f32, N>; // unroll\n"],
    ["an index that is not constant", "var s: array<f32, 4>; // unroll\ns[j] = 0.0;\n"],
  ])("refuses %s", (_, source) => {
    expect(() => unrolled(source)).toThrow(GpuError);
    expect(() => unrolled(source)).toThrow(/^kernel made_up: unroll/);
  });
});

describe("reflect and encodeUniform", () => {
  const kernel = kernelOf(`
struct P { count: u32, from: i32, k: f32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  y[id.x] = x[id.x] * p.k;
}
`);
  const face = reflect(kernel);

  it("find bindings and fields by name", () => {
    expect(face.bindings).toEqual([
      { name: "x", index: 0, type: "read-only-storage" },
      { name: "p", index: 1, type: "uniform" },
      { name: "y", index: 2, type: "storage" },
    ]);
    expect(face.fields.map(({ name, offset, type }) => [name, offset, type])).toEqual([
      ["count", 0, "u32"],
      ["from", 4, "i32"],
      ["k", 8, "f32"],
    ]);
    expect(face.uniformBytes).toBe(16);
  });

  it("encode each field with its type", () => {
    const view = new DataView(encodeUniform(kernel, face, { from: -2, k: 0.5, count: 2 ** 32 - 1 }));
    expect([view.getUint32(0, true), view.getInt32(4, true), view.getFloat32(8, true)]).toEqual([2 ** 32 - 1, -2, 0.5]);
  });

  it("refuse fields that are missing or unknown", () => {
    expect(() => encodeUniform(kernel, face, { count: 1, k: 1, form: 2 })).toThrow(
      "kernel made_up: uniform fields missing: [from], unknown: [form]",
    );
  });

  it("a kernel without a uniform has none", () => {
    const advance = KERNELS.find((k) => k.name === "advance") as Kernel;
    expect(reflect(advance)).toMatchObject({ fields: [], uniformBytes: 0, bindings: [{ name: "clock" }] });
  });
});
