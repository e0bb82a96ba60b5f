import { describe, expect, it } from "vitest";
import type { Target } from "../../src/engine/graph.js";
import { targetOf } from "../../src/engine/program.js";
import { type Architecture, UPSAMPLINGS } from "../../src/faceswap/architecture.js";
import { bottleneckOf, type InspectedLayer, inspectLayers } from "../../src/faceswap/inspect.js";
import { modelOf } from "../../src/faceswap/model.js";
import { PRESETS, type PresetName } from "../../src/faceswap/presets.js";
import { largestBatch, planStep, whyTooLarge } from "../../src/faceswap/stepPlan.js";
import { compileTraining } from "../../src/faceswap/training.js";
import { Gpu, UserError } from "../../src/index.js";
import { gpu } from "../gpu.js";

const architectureOf = (name: PresetName): Architecture => PRESETS[name].architecture;

describe("the bottleneck", () => {
  it.each<[PresetName, object, string[]]>([
    [
      "article-256",
      { height: 3, width: 3, channels: 1024, floats: 9216, receptiveField: 127 },
      ["21.3", "4.7", "7282"],
    ],
    ["article-512-naive", { height: 7, channels: 1024, floats: 50_176, receptiveField: 127 }, ["15.7", "6.4", "5350"]],
    ["article-512-stage", { height: 3, floats: 9216, receptiveField: 255 }, ["85.3", "1.2", "29127"]],
    ["article-512-small-input", { height: 3, floats: 9216, receptiveField: 254 }, ["85.3", "1.2", "29127"]],
    ["article-512-dense", { height: 7, channels: 1024, floats: 512, receptiveField: 127 }, ["1536.0", "0.1", "5350"]],
    ["avatar-64", { height: 3, channels: 64, floats: 576, receptiveField: 31 }, ["21.3", "4.7", "455"]],
  ])("of %s", (name, facts, [compression, percent, spatial]) => {
    const found = bottleneckOf(architectureOf(name));
    expect(found).toMatchObject(facts);
    expect(found.compression.toFixed(1)).toBe(compression);
    expect(found.percent.toFixed(1)).toBe(percent);
    expect(found.spatialCompression.toFixed(0)).toBe(spatial);
    expect(Object.keys(found)).toEqual([
      ...["height", "width", "channels", "floats", "compression", "percent", "spatialCompression", "receptiveField"],
    ]);
  });
});

describe("layers", () => {
  /** From one output backwards: n pixels of a map come from (n − 1) · stride + kernel of the map before. */
  const backwards = (path: InspectedLayer[]) =>
    path.reduceRight((n, { kernel, stride }) => (n - 1) * stride + kernel, 1);

  const presets = Object.keys(PRESETS).map((name) => [name, undefined] as [PresetName, number | undefined]);
  const wide: typeof presets = [
    ["avatar-64", 5],
    ["article-512-small-input", 7],
  ];
  it.each([...presets, ...wide])("of %s see what they are made of, kernel %s", (name, kernel) => {
    const { identities } = PRESETS[name];
    const architecture = { ...architectureOf(name), kernel };
    const layers = inspectLayers(architecture, identities);
    const path = layers.filter(({ role, kind }) => role === "encoder" && kind !== "dense");
    path.forEach((layer, i) => {
      expect(layer.receptiveField, layer.name).toBe(backwards(path.slice(0, i + 1)));
    });
    for (const { role, kind, receptiveField } of layers) {
      if (kind === "dense" && role === "encoder") expect(receptiveField).toBe(architecture.size);
      if (role === "decoder" || role === "widen") expect(receptiveField).toBeNull();
    }
  });

  it("see more with wider kernels, on maps of the same extents", () => {
    const architecture = architectureOf("avatar-64");
    const sees = (kernel: number) =>
      inspectLayers({ ...architecture, kernel }, ["a", "b"]).flatMap(({ receptiveField }) => receptiveField ?? []);
    expect(sees(3)).toEqual([3, 7, 15, 31]);
    expect(sees(5)).toEqual([5, 13, 29, 61]);
    expect(sees(7)).toEqual([7, 19, 43, 91]);
    for (const [kernel, receptiveField] of [
      [5, 61],
      [7, 91],
    ]) {
      expect(bottleneckOf({ ...architecture, kernel })).toEqual({ ...bottleneckOf(architecture), receptiveField });
    }
  });

  it("of a second head see what the code sees", () => {
    const layers = inspectLayers({ ...architectureOf("avatar-64"), sampled: true }, ["a", "b"]);
    expect(layers.at(-1)).toMatchObject({ name: "encoder.logVariance", receptiveField: 31 });
  });

  it.each(UPSAMPLINGS)("count the operations that the engine's kernels do, growing by %s", (upsampling) => {
    const config = { ...PRESETS["avatar-64"], lossWeights: { l1: 1 } };
    const architecture = { size: 64, input: 32, stages: [5], mid: 6, code: 7, dense: 9, upsampling };
    const model = modelOf({ ...config, architecture });
    const target: Target = { ...targetOf(gpu), maxBindingBytes: 2 ** 27 };
    // Of forward and backward, the convolutions of the first layer have no gradient for the picture.
    const layers = inspectLayers(architecture, config.identities);
    const own = layers.filter(({ parameters }) => parameters);
    const weights = (list: InspectedLayer[]) => list.reduce((total, { flops }) => total + flops, 0);
    const shared = own.filter(({ role }) => role === "encoder");
    const widen = own.filter(({ role }) => role === "widen");
    const decoders = own.filter(({ role }) => role === "decoder");
    // Each identity's pictures pass the encoder, the dense layer and one of two decoders, three times, but for the first.
    const expected = 2 * (3 * 2 * (weights(shared) + weights(widen)) + 3 * weights(decoders) - 2 * own[0].flops);
    const { flops } = planStep(model, { ...config, architecture, batch: 2 }, target);
    // Sums and averages are some percent of that in a network as narrow as this one.
    expect(flops / expected).toBeGreaterThanOrEqual(1);
    expect(flops / expected).toBeLessThan(1.1);
  });
});

describe("the plan of a step", () => {
  const { description: _, ...preset } = PRESETS["avatar-64"];
  const config = {
    ...preset,
    architecture: { size: 32, stages: [8], mid: 8, code: 8 },
    lossWeights: { l1: 1, latent: 1 },
  };

  it("has the memory that a program allocates, to the byte", async () => {
    const made = new Map<string, number>();
    gpu.createBuffer = (label, size, usage) => {
      made.set(label, (made.get(label) ?? 0) + size);
      return Gpu.prototype.createBuffer.call(gpu, label, size, usage);
    };
    try {
      const model = modelOf(config);
      const program = await compileTraining(gpu, model, config);
      const { memory, flops, dispatches } = planStep(modelOf(config), config, targetOf(gpu));
      const sum = (pattern: RegExp) =>
        [...made].filter(([label]) => pattern.test(label)).reduce((all, [, n]) => all + n, 0);
      expect(memory.activations + memory.parameters).toBe(sum(/^slot |^parameters/));
      expect(memory.constants).toBe(sum(/^constant|^input/));
      expect(memory.total).toBe(memory.activations + memory.parameters + memory.constants);
      expect(memory.slots).toBe([...made.keys()].filter((label) => label.startsWith("slot ")).length - 1);
      expect(flops).toBe(program.flops);
      // The program's own adds one to the step.
      expect(dispatches + 1).toBe(program.dispatches);
      program.destroy();
    } finally {
      Reflect.deleteProperty(gpu, "createBuffer");
    }
  });

  it("counts the weights of a loss's network, which are not trained", () => {
    const target = targetOf(gpu);
    const [plain, random] = [{ l1: 1 }, { l1: 1, "random-features": 1 }].map((lossWeights) =>
      planStep(modelOf(config), { ...config, lossWeights }, target),
    );
    expect(random.memory.constants).toBeGreaterThan(plain.memory.constants + 1000);
    expect(random.memory.parameters).toBe(plain.memory.parameters);
  });

  it("plans for identities that no avatars are of", () => {
    const others = { ...config, identities: ["a", "b", "c"] };
    expect(planStep(modelOf(others), others, targetOf(gpu)).flops).toBeGreaterThan(0);
  });

  it("says why a step does not fit", () => {
    const plan = planStep(modelOf(config), config, targetOf(gpu));
    const { total, largestBuffer } = plan.memory;
    expect(whyTooLarge(plan, { buffer: largestBuffer, memory: total })).toBeUndefined();
    expect(whyTooLarge(plan, { buffer: largestBuffer })).toBeUndefined();
    expect(whyTooLarge(plan, { buffer: largestBuffer, memory: total - 1 })).toMatch(/KiB are needed, but .* are free$/);
    expect(whyTooLarge(plan, { buffer: largestBuffer - 1 })).toMatch(/^the largest buffer needs .* holds at most/);
  });

  it("finds the largest batch that fits", () => {
    const model = modelOf(config);
    const target = targetOf(gpu);
    const need = (batch: number) => planStep(model, { ...config, batch }, target).memory.total;
    for (const batch of [2, 3, 11, 64]) {
      expect(largestBatch(model, config, target, { buffer: 2 ** 30, memory: need(batch) })).toBe(batch);
      expect(need(batch + 1)).toBeGreaterThan(need(batch));
    }
    expect(largestBatch(model, config, target, { buffer: 2 ** 30, memory: need(2) - 1 })).toBe(0);
  });

  it("cuts what a small binding does not hold, and refuses what cannot be cut", () => {
    const model = modelOf(config);
    const small = { ...targetOf(gpu), maxBindingBytes: 2 ** 16 };
    const { dispatches } = planStep(model, { ...config, batch: 16 }, small);
    expect(dispatches).toBeGreaterThan(planStep(model, { ...config, batch: 16 }, targetOf(gpu)).dispatches);
    const tiny = { ...targetOf(gpu), maxBindingBytes: 2 ** 10 };
    expect(() => planStep(model, config, tiny)).toThrow(UserError);
    expect(largestBatch(model, config, tiny, { buffer: 2 ** 30, memory: 2 ** 30 })).toBe(0);
  });

  it("takes little time for the article's largest networks", () => {
    for (const name of ["article-512-naive", "article-512-dense"] as const) {
      const begin = performance.now();
      const model = modelOf(PRESETS[name]);
      const { memory } = planStep(model, PRESETS[name], { ...targetOf(gpu), maxBindingBytes: 2 ** 27 });
      expect(memory.total).toBeGreaterThan(2 ** 30);
      expect(performance.now() - begin).toBeLessThan(5000);
    }
  });
});
