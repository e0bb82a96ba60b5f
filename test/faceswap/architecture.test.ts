import { describe, expect, it } from "vitest";
import { type Architecture, autoencoder, codeLength, mapSizes, SIDES } from "../../src/faceswap/architecture.js";
import { PRESETS, type PresetName, presetNamed } from "../../src/faceswap/presets.js";
import { input, UserError } from "../../src/index.js";

/** Extents of the maps, the code's shape for a batch of 2, and the numbers in a code. */
const KNOWN: Record<PresetName, { maps: number[]; code: number[]; length: number; parameters: number }> = {
  "avatar-64": { maps: [32, 16, 7, 3], code: [2, 3, 3, 64], length: 576, parameters: 189_254 },
  "avatar-64-naive": { maps: [32, 15, 7], code: [2, 7, 7, 64], length: 3136, parameters: 140_518 },
  "avatar-128-naive": { maps: [64, 32, 15, 7], code: [2, 7, 7, 64], length: 3136, parameters: 189_254 },
  "avatar-128-stage": { maps: [64, 32, 16, 7, 3], code: [2, 3, 3, 64], length: 576, parameters: 231_334 },
  "avatar-128-dense": { maps: [64, 32, 15, 7], code: [2, 64], length: 64, parameters: 593_862 },
};

describe.each(Object.entries(KNOWN))("%s", (name, { maps, code, length, parameters }) => {
  const { architecture } = presetNamed(name);
  const model = autoencoder(architecture, 0);
  const x = input("x", [2, architecture.size, architecture.size, 3]);

  it("narrows to the known code", () => {
    expect(mapSizes(architecture)).toEqual(maps);
    expect(model.encode(x).shape).toEqual(code);
    expect(codeLength(architecture)).toBe(length);
    expect(model.parameters.count).toBe(parameters);
  });

  it.each(SIDES)("gives pictures of the input's size by the decoder of %s", (side) => {
    expect(model.decode[side](model.encode(x)).shape).toEqual(x.shape);
  });
});

it("has a row here for every preset", () => {
  expect(Object.keys(KNOWN)).toEqual(Object.keys(PRESETS));
});

it("keeps the proportions at the article's scale: 256 px and four stages 3×3, 512 px 7×7", () => {
  const wide = { stages: [64, 128, 256, 512], mid: 1024, code: 1024 };
  expect(mapSizes({ size: 256, ...wide })).toEqual([128, 64, 32, 16, 7, 3]);
  expect(mapSizes({ size: 512, ...wide })).toEqual([256, 128, 64, 32, 15, 7]);
});

const shapes = (architecture: Architecture) =>
  autoencoder(architecture, 0).parameters.nodes.map(({ attrs }) => [attrs.name, attrs.shape]);

it("names its parameters by network and layer, kernels as [k, k, in, out] and transposed ones as [k, k, out, in]", () => {
  const decoder = (side: string) => [
    [`${side}.0.weight`, [3, 3, 64, 64]],
    [`${side}.0.bias`, [64]],
    [`${side}.1.weight`, [3, 3, 32, 64]],
    [`${side}.1.bias`, [32]],
    [`${side}.2.weight`, [4, 4, 16, 32]],
    [`${side}.2.bias`, [16]],
    [`${side}.3.weight`, [4, 4, 3, 16]],
    [`${side}.3.bias`, [3]],
  ];
  const encoder = [
    ["encoder.0.weight", [3, 3, 3, 16]],
    ["encoder.0.bias", [16]],
    ["encoder.1.weight", [3, 3, 16, 32]],
    ["encoder.1.bias", [32]],
    ["encoder.2.weight", [3, 3, 32, 64]],
    ["encoder.2.bias", [64]],
    ["encoder.3.weight", [3, 3, 64, 64]],
    ["encoder.3.bias", [64]],
  ];
  const { architecture } = PRESETS["avatar-64"];
  expect(shapes(architecture)).toEqual([...encoder, ...decoder("src"), ...decoder("dst")]);
  const pair = [
    ["encoder.down.weight", [576, 10]],
    ["encoder.down.bias", [10]],
    ["encoder.up.weight", [10, 576]],
    ["encoder.up.bias", [576]],
  ];
  expect(shapes({ ...architecture, dense: 10 })).toEqual([...encoder, ...pair, ...decoder("src"), ...decoder("dst")]);
});

it("works without stages, and with odd sizes then", () => {
  for (const size of [7, 8, 13, 14]) {
    const model = autoencoder({ size, stages: [], mid: 5, code: 3 }, 0);
    const x = input("x", [2, size, size, 3]);
    expect(model.decode.dst(model.encode(x)).shape).toEqual(x.shape);
  }
});

describe("initial weights", () => {
  const initial = (seed: number) => {
    const { parameters } = autoencoder(PRESETS["avatar-64"].architecture, seed);
    const flat = parameters.window("values").initial?.() as Float32Array;
    const { offsets } = parameters.layout();
    return new Map(
      parameters.nodes.map(({ attrs: { name }, shape }, i) => [
        name,
        flat.subarray(offsets[i] / 4, offsets[i] / 4 + shape.reduce((a, b) => a * b)),
      ]),
    );
  };
  const weights = initial(7);

  it("are the same for one seed, and others for another", () => {
    expect(initial(7)).toEqual(weights);
    for (const [name, values] of initial(8)) {
      if (name.endsWith("weight")) expect(values, name).not.toEqual(weights.get(name));
    }
  });

  it("are zero for biases, and differ between the decoders", () => {
    for (const [name, values] of weights)
      expect(
        values.some((v) => v !== 0),
        name,
      ).toBe(name.endsWith("weight"));
    expect(weights.get("src.0.weight")).not.toEqual(weights.get("dst.0.weight"));
  });

  it("have He's deviation, √(2 / (1.01 · fan-in)), fan-in k² · in / stride² where transposed", () => {
    // A sample deviation over n numbers is off by more than 5 / √(2 n) of itself once in a million.
    const fanIn = { "encoder.3.weight": 9 * 64, "src.0.weight": (9 * 64) / 4, "dst.2.weight": (16 * 32) / 4 };
    for (const [name, fan] of Object.entries(fanIn)) {
      const values = weights.get(name) as Float32Array;
      const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
      const ratio = deviation / Math.sqrt(2 / (1.01 * fan));
      expect(Math.abs(ratio - 1), name).toBeLessThan(5 / Math.sqrt(2 * values.length));
    }
  });
});

describe("refuses, naming the fault:", () => {
  const fits: Architecture = { size: 64, stages: [16, 32], mid: 64, code: 64 };
  it.each<[string, object, string]>([
    ["a size that does not halve", { size: 66 }, "must be a multiple of 4 and at least 28"],
    ["a size too small for the bottleneck", { size: 24 }, "24 pixels do not fit 2 stages and the bottleneck"],
    ["no size", { size: undefined }, "size undefined must be a whole number from 1"],
    ["a fraction", { code: 1.5 }, "code 1.5 must be a whole number from 1"],
    ["none", { mid: 0 }, "mid 0 must be a whole number from 1"],
    ["a dense code of none", { dense: 0 }, "dense 0 must be a whole number from 1"],
    ["a stage of none", { stages: [16, 0] }, "stage 1 0 must be a whole number from 1"],
    ["a text for a number", { stages: ["16", 32] }, "stage 0 16 must be a whole number from 1"],
    ["no stages", { stages: undefined }, "stages must be a list of channels"],
  ])("%s", (_, change, message) => {
    const wrong = () => autoencoder({ ...fits, ...change } as Architecture, 0);
    expect(wrong).toThrow(UserError);
    expect(wrong).toThrow(message);
  });
});
