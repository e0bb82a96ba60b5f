import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Inspection, inspectionOf } from "../../src/cli/inspect.js";
import { inspectionText, large } from "../../src/cli/inspectText.js";
import { layersOf } from "../../src/faceswap/architecture.js";
import { PRESETS, type PresetName } from "../../src/faceswap/presets.js";
import { openGpu } from "../../src/platform/node.js";
import { gpu } from "../gpu.js";
import { ensureBuilt, Shell } from "./shell.js";

const known = new Map<PresetName, Inspection>();
function inspected(preset: PresetName): Inspection {
  const { description: _, ...config } = PRESETS[preset];
  const found = known.get(preset) ?? inspectionOf({ preset, config }, gpu);
  known.set(preset, found);
  return found;
}

describe("what is printed", () => {
  it.each<[PresetName, RegExp[]]>([
    [
      "article-256",
      [
        /^article-256: 256×256×3 → 3×3×1024 → 256×256×3; 2 decoders, src and dst$/m,
        /^encoder\.5 +conv 3×3 s2 p0 +1024 → 1024 +7×7 +3×3 +9,438,208 +170 M +127 px$/m,
        /^src\.1 +transposed 3×3 s2 p0\+1 +1024 → 512 +7×7 +16×16 +4,719,104 +462 M +-$/m,
        /^bottleneck +3×3×1024 = 9,216 numbers$/m,
        /^compression +21\.3 values of the picture for each number \(4\.7 %\)$/m,
        /^ +7,282 pixels for each cell of the grid$/m,
        /^a cell sees +127 px, 50 % of the picture's width$/m,
        /^parameters +49,535,494$/m,
      ],
    ],
    [
      "article-512-naive",
      [
        /^bottleneck +7×7×1024 = 50,176 numbers$/m,
        /^compression +15\.7 values .* \(6\.4 %\)$/m,
        /^ +5,350 pixels for each cell of the grid$/m,
        /^a cell sees +127 px, 25 % of the picture's width$/m,
      ],
    ],
    ["article-512-dense", [/^bottleneck +7×7×1024, then 512 dense numbers$/m, /^compression +1536\.0 values/m]],
    [
      "article-512-small-input",
      [/: 512×512×3, averaged to 256×256 → /, /^encoder\.average +average 2×2 +3 → 3 +512×512 +256×256/m],
    ],
  ])("of %s", (preset, lines) => {
    const inspection = inspected(preset);
    const text = inspectionText(inspection);
    for (const line of lines) expect(text).toMatch(line);
    for (const { name } of inspection.layers) expect(text).toContain(`\n${name} `);
    expect(text).toMatch(/^memory +[\d,]+ MiB, planned:$/m);
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object/);
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(110);
  });

  it("of wider kernels: their padding, and what each layer sees", () => {
    const { description: _, ...config } = PRESETS["avatar-64"];
    const wide = { ...config, architecture: { ...config.architecture, kernel: 5 } };
    const text = inspectionText(inspectionOf({ preset: "avatar-64", config: wide }, gpu));
    expect(text).toMatch(/^encoder\.1 +conv 5×5 s2 p2 +16 → 32 +32×32 +16×16 .* 13 px$/m);
    expect(text).toMatch(/^encoder\.3 +conv 5×5 s2 p1 +64 → 64 +7×7 +3×3 .* 61 px$/m);
    expect(text).toMatch(/^a cell sees +61 px, 95 % of the picture's width$/m);
  });

  it("of warped pictures: by how much", () => {
    const { description: _, ...config } = PRESETS["avatar-64"];
    const inspection = inspectionOf({ preset: "avatar-64", config: { ...config, warp: 0.06 } }, gpu);
    expect(inspectionText(inspection)).toMatch(/^warp +0\.06 of the picture's width, of what the encoder sees in/m);
    expect(inspection.flopsPerStep).toBeGreaterThan(inspected("avatar-64").flopsPerStep);
    expect(inspectionText(inspected("avatar-64"))).not.toMatch(/^warp/m);
  });

  it("of poses apart: whose are which", () => {
    const { description: _, ...config } = PRESETS["avatar-64"];
    const text = inspectionText(inspectionOf({ preset: "avatar-64", config: { ...config, apart: true } }, gpu));
    expect(text).toMatch(/^poses +in training src hardleft, dst hardright; judged on demo$/m);
    expect(inspectionText(inspected("avatar-64"))).not.toMatch(/^poses/m);
  });

  it("says why a step does not fit, and how large a batch would", () => {
    const inspection = inspected("avatar-64");
    const { memory } = inspection;
    const none = { ...memory, fits: false, reason: "3 MiB are needed, but 2 MiB are free", largestBatch: 0 };
    const text = inspectionText({ ...inspection, memory: none });
    expect(text).toMatch(/^batch 2 +does not fit: 3 MiB are needed, but 2 MiB are free$/m);
    expect(text).toMatch(/^largest batch +not even 2 fit$/m);
  });

  it("says what a GPU does not tell", () => {
    const inspection = inspected("avatar-64");
    const adapter = { ...inspection.memory.adapter, kind: "hardware" as const, memory: null, free: null };
    const text = inspectionText({ ...inspection, memory: { ...inspection.memory, adapter, largestBatch: null } });
    expect(text).toMatch(/its memory is not known: Dawn does not tell$/m);
    expect(text).toMatch(/^batch 2 +fits the adapter's buffers and bindings$/m);
    expect(text).toMatch(/^largest batch +not known$/m);
  });

  it.each([
    [0, "0 "],
    [999, "999 "],
    [1000, "1.00 k"],
    [56_623_104, "56.6 M"],
    [999_600, "1.00 M"],
    [2.5e15, "2500 T"],
  ])("writes %d as %s", (n, text) => {
    expect(large(n)).toBe(text);
  });
});

it("plans beyond an adapter's bindings, and says so", async () => {
  const { description: _, ...config } = PRESETS["avatar-64"];
  const small = await openGpu({ maxBindingBytes: 4096 });
  const { memory, flopsPerStep } = inspectionOf({ preset: "avatar-64", config }, small);
  expect(memory).toMatchObject({ fits: false, largestBatch: 0, adapter: { largestBinding: 4096 } });
  expect(memory.reason).toMatch(/, but this adapter binds at most 4096/);
  expect(flopsPerStep).toBe(inspected("avatar-64").flopsPerStep);
});

describe("shibori inspect", () => {
  const shell = new Shell();
  beforeAll(ensureBuilt);
  afterAll(() => shell.remove());

  it("--json: what is needed to build the network elsewhere, and nothing else", async () => {
    const printed = await shell.do("inspect --preset avatar-128 --batch 3 --set architecture.upsampling=resize --json");
    const found = JSON.parse(printed) as Inspection;
    expect(Object.keys(found)).toEqual([
      "preset",
      "config",
      "bottleneck",
      "layers",
      "parameters",
      "flopsPerStep",
      "memory",
    ]);
    expect(found).toMatchObject({
      preset: "avatar-128",
      config: { batch: 3, architecture: { upsampling: "resize", dense: 128 } },
    });
    expect(found.bottleneck).toMatchObject({ height: 7, width: 7, channels: 64, floats: 128, compression: 384 });
    const listed = layersOf(found.config.architecture, found.config.identities);
    expect(found.layers).toMatchObject(JSON.parse(JSON.stringify(listed)));
    expect(found.layers.reduce((total, { parameters }) => total + parameters, 0)).toBe(found.parameters);
    const { memory } = found;
    expect(memory).toMatchObject({ batch: 3, fits: true, reason: null, total: expect.any(Number) });
    expect(memory.largestBatch).toBeGreaterThanOrEqual(3);
    expect(found.flopsPerStep).toBeGreaterThan(1e9);
    expect(shell.list()).toEqual([]);
  });

  it("prints it for people, of the default preset too", async () => {
    const printed = await shell.do("inspect");
    expect(printed).toMatch(/^avatar-64: 64×64×3 → 3×3×64 → 64×64×3; 2 decoders, src and dst$/m);
    expect(printed).toMatch(/^largest batch +[\d,]+ fit$/m);
  });

  it.each([
    ["inspect --preset article-1024", 'there is no preset "article-1024"'],
    ["inspect --set architecture.input=48", "architecture: input 48 must be the size, 64, divided by a power of two"],
    ["inspect --set architecture.upsampling=bicubic", "architecture.upsampling"],
    ["inspect --adapter voodoo", 'no adapter "voodoo" was found'],
  ])("refuses: %s", async (command, message) => {
    expect(await shell.mistake(command)).toContain(message);
  });
});
