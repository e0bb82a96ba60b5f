import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import {
  type Architecture,
  autoencoder,
  checkArchitecture,
  codeLength,
  KERNELS,
  layersOf,
  mapSizes,
  SIDES,
  UPSAMPLINGS,
} from "../../src/faceswap/architecture.js";
import { parametersOf } from "../../src/faceswap/layerList.js";
import { PRESETS, type PresetName, presetNamed } from "../../src/faceswap/presets.js";
import { input, UserError } from "../../src/index.js";

const WIDE = 1024;

/** Extents of the maps, the code's shape for a batch of 2, and the numbers in a code and in the network. */
const KNOWN: Record<PresetName, { maps: number[]; code: number[]; length: number; parameters: number }> = {
  "avatar-64": { maps: [32, 16, 7, 3], code: [2, 3, 3, 64], length: 576, parameters: 189_254 },
  "avatar-64-naive": { maps: [32, 15, 7], code: [2, 7, 7, 64], length: 3136, parameters: 140_518 },
  "avatar-128": { maps: [64, 32, 15, 7], code: [2, 128], length: 128, parameters: 995_334 },
  "avatar-128-leak": { maps: [64, 32, 15, 7], code: [2, 7, 7, 64], length: 3136, parameters: 189_254 },
  "avatar-128-naive": { maps: [64, 32, 15, 7], code: [2, 7, 7, 64], length: 3136, parameters: 189_254 },
  "avatar-128-stage": { maps: [64, 32, 16, 7, 3], code: [2, 3, 3, 64], length: 576, parameters: 231_334 },
  "avatar-128-dense": { maps: [64, 32, 15, 7], code: [2, 64], length: 64, parameters: 593_862 },
  "article-256": { maps: [128, 64, 32, 16, 7, 3], code: [2, 3, 3, WIDE], length: 9216, parameters: 49_535_494 },
  "article-512-naive": {
    maps: [256, 128, 64, 32, 15, 7],
    code: [2, 7, 7, WIDE],
    length: 50_176,
    parameters: 49_535_494,
  },
  "article-512-stage": {
    maps: [256, 128, 64, 32, 16, 7, 3],
    code: [2, 3, 3, WIDE],
    length: 9216,
    parameters: 60_284_934,
  },
  "article-512-small-input": {
    maps: [128, 64, 32, 16, 7, 3],
    code: [2, 3, 3, WIDE],
    length: 9216,
    parameters: 49_598_022,
  },
  "article-512-dense": { maps: [256, 128, 64, 32, 15, 7], code: [2, 512], length: 512, parameters: 100_966_406 },
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

it("builds the article's networks at once, without their weights", () => {
  const begin = performance.now();
  for (const name of ["article-256", "article-512-naive", "article-512-dense"] as const) {
    autoencoder(PRESETS[name].architecture, 0);
  }
  // 200 M weights would take half a minute to draw.
  expect(performance.now() - begin).toBeLessThan(2000);
});

const shapes = (architecture: Architecture, identities?: string[]) =>
  autoencoder(architecture, 0, identities).parameters.nodes.map(({ attrs }) => [attrs.name, attrs.shape]);

const { architecture: small } = PRESETS["avatar-64"];
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

describe("parameters", () => {
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
  const decoders = SIDES.flatMap(decoder);
  const pair = [
    ["encoder.down.weight", [576, 10]],
    ["encoder.down.bias", [10]],
    ["encoder.up.weight", [10, 576]],
    ["encoder.up.bias", [576]],
  ];

  it("are named by network and layer; kernels are [k, k, in, out], transposed ones [k, k, out, in]", () => {
    expect(shapes(small)).toEqual([...encoder, ...decoders]);
    expect(shapes({ ...small, dense: 10 })).toEqual([...encoder, ...pair, ...decoders]);
  });

  it("of any number of identities follow in their order", () => {
    const names = ["b", "a-2", "0"];
    expect(shapes(small, names)).toEqual([...encoder, ...names.flatMap(decoder)]);
    const model = autoencoder(small, 0, names);
    expect(Object.keys(model.decode).sort()).toEqual([...names].sort());
    const x = input("x", [1, 64, 64, 3]);
    for (const name of names) expect(model.decode[name](model.encode(x)).shape).toEqual(x.shape);
  });

  it("of a second head come last", () => {
    const head = (weight: number[]) => [
      ["encoder.logVariance.weight", weight],
      ["encoder.logVariance.bias", weight.slice(-1)],
    ];
    expect(shapes({ ...small, sampled: true })).toEqual([...encoder, ...decoders, ...head([3, 3, 64, 64])]);
    const dense = { ...small, dense: 10, sampled: true };
    expect(shapes(dense)).toEqual([...encoder, ...pair, ...decoders, ...head([576, 10])]);
  });

  it("of decoders that grow otherwise are those of plain convolutions", () => {
    const subPixel = (side: string) => [
      [`${side}.0.weight`, [2, 2, 64, 256]],
      [`${side}.0.bias`, [256]],
      [`${side}.1.weight`, [2, 2, 64, 128]],
      [`${side}.1.bias`, [128]],
      [`${side}.2.weight`, [3, 3, 32, 64]],
      [`${side}.2.bias`, [64]],
      [`${side}.3.weight`, [3, 3, 16, 12]],
      [`${side}.3.bias`, [12]],
    ];
    expect(shapes({ ...small, upsampling: "sub-pixel" })).toEqual([...encoder, ...SIDES.flatMap(subPixel)]);
    const resize = (side: string) =>
      [
        [64, 64],
        [64, 32],
        [32, 16],
        [16, 3],
      ].flatMap((channels, i) => [
        [`${side}.${i}.weight`, [3, 3, ...channels]],
        [`${side}.${i}.bias`, channels.slice(1)],
      ]);
    expect(shapes({ ...small, upsampling: "resize" })).toEqual([...encoder, ...SIDES.flatMap(resize)]);
  });

  it("are counted by the list of layers", () => {
    for (const change of [
      {},
      { dense: 7 },
      { sampled: true },
      { upsampling: "sub-pixel" },
      { kernel: 7, dense: 3 },
      { input: 32, stages: [16] },
    ] as const) {
      const architecture = { ...small, ...change };
      const listed = layersOf(architecture).reduce((total, layer) => total + parametersOf(layer), 0);
      expect(listed).toBe(autoencoder(architecture, 0).parameters.count);
    }
  });
});

it("has the encoder's kernels alone in another size, and maps of the same extents", () => {
  for (const kernel of KERNELS) {
    const architecture = { ...small, kernel, sampled: true };
    const wide = (name: string) => name.startsWith("encoder") && name.endsWith("weight");
    expect(shapes(architecture)).toEqual(
      shapes({ ...small, sampled: true }).map(([name, shape]) =>
        wide(name as string) ? [name, [kernel, kernel, ...shape.slice(2)]] : [name, shape],
      ),
    );
    for (const [size, stages] of [
      [64, 2],
      [60, 2],
      [26, 1],
      [28, 1],
      [7, 0],
      [13, 0],
      [14, 0],
    ]) {
      const change = { size, stages: small.stages.slice(0, stages) };
      const x = input("x", [2, size, size, 3]);
      const [as, was] = [
        { ...architecture, ...change },
        { ...small, ...change },
      ].map((a) => autoencoder(a, 0));
      expect(as.encode(x).shape, `${kernel}, ${size}`).toEqual(was.encode(x).shape);
      expect(as.decode.dst(as.encode(x)).shape).toEqual(x.shape);
      const { mean, logVariance } = as.encodeDistribution?.(x) ?? {};
      expect(logVariance?.shape).toEqual(mean?.shape);
    }
  }
});

it("works without stages, and with odd sizes then", () => {
  for (const upsampling of UPSAMPLINGS) {
    for (const size of [7, 8, 13, 14]) {
      const model = autoencoder({ size, stages: [], mid: 5, code: 3, upsampling }, 0);
      const x = input("x", [2, size, size, 3]);
      expect(model.decode.dst(model.encode(x)).shape).toEqual(x.shape);
    }
  }
});

it("has one variance only where the code is sampled", () => {
  expect(autoencoder(small, 0).encodeDistribution).toBeUndefined();
});

describe("initial weights", () => {
  const flat = (architecture: Architecture, seed: number): Float32Array =>
    autoencoder(architecture, seed).parameters.window("values").initial?.() as Float32Array;
  const initial = (architecture: Architecture, seed: number) => {
    const { parameters } = autoencoder(architecture, seed);
    const flat = parameters.window("values").initial?.() as Float32Array;
    const { offsets } = parameters.layout();
    return new Map(
      parameters.nodes.map(({ attrs: { name }, shape }, i) => [
        name,
        flat.subarray(offsets[i] / 4, offsets[i] / 4 + shape.reduce((a, b) => a * b)),
      ]),
    );
  };
  const weights = initial(small, 7);

  it("are the same for one seed, and others for another", () => {
    expect(initial(small, 7)).toEqual(weights);
    for (const [name, values] of initial(small, 8)) {
      if (name.endsWith("weight")) expect(values, name).not.toEqual(weights.get(name));
    }
  });

  // A run's seed must go on giving the same bits: hashes from before there were other networks than these.
  it.each<[string, Architecture, string]>([
    ["a grid", small, "69433164949d503df3764b1df17f5af4e7f27a4599bc5d453ae8927757d88457"],
    [
      "a dense code",
      { ...small, size: 128, dense: 128 },
      "9ff2a818bef36334363baf4273f0bcb882f9418f7bde14e552eca4e6d32aa721",
    ],
    [
      "the default kernel, named",
      { ...small, kernel: 3 },
      "69433164949d503df3764b1df17f5af4e7f27a4599bc5d453ae8927757d88457",
    ],
    [
      "no stages",
      { size: 13, stages: [], mid: 5, code: 3 },
      "51c364ae0c4de8912f1a9adf71a61a5ffd0306a0d16286e24135155157a1a9f5",
    ],
  ])("of %s are to the bit what they always were", (_, architecture, hash) => {
    const { buffer, byteOffset, byteLength } = flat(architecture, 5);
    expect(
      createHash("sha256")
        .update(new Uint8Array(buffer, byteOffset, byteLength))
        .digest("hex"),
    ).toBe(hash);
  });

  it("are zero for biases, and differ between the decoders", () => {
    for (const [name, values] of weights) {
      const some = values.some((v) => v !== 0);
      expect(some, name).toBe(name.endsWith("weight"));
    }
    expect(weights.get("src.0.weight")).not.toEqual(weights.get("dst.0.weight"));
  });

  /** A sample deviation over n numbers is off by more than 5 / √(2 n) of itself once in a million. */
  const expectDeviation = (name: string, values: Float32Array, fanIn: number) => {
    const deviation = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
    const ratio = deviation / Math.sqrt(2 / (1.01 * fanIn));
    expect(Math.abs(ratio - 1), name).toBeLessThan(5 / Math.sqrt(2 * values.length));
  };

  it("have He's deviation, √(2 / (1.01 · fan-in)), fan-in k² · in / stride² where transposed", () => {
    const fanIn = { "encoder.3.weight": 9 * 64, "src.0.weight": (9 * 64) / 4, "dst.2.weight": (16 * 32) / 4 };
    for (const [name, fan] of Object.entries(fanIn)) expectDeviation(name, weights.get(name) as Float32Array, fan);
  });

  it("are equal in each four filters that are shuffled to one channel, and of He's deviation", () => {
    const shuffled = initial({ ...small, upsampling: "sub-pixel" }, 7);
    for (const [name, fan] of Object.entries({ "src.0.weight": 4 * 64, "dst.2.weight": 9 * 32 })) {
      const values = shuffled.get(name) as Float32Array;
      expect(values.every((v, i) => v === values[i - (i % 4)])).toBe(true);
      expectDeviation(
        name,
        values.filter((_, i) => i % 4 === 0),
        fan,
      );
    }
  });

  it("of the second head are zero", () => {
    const values = initial({ ...small, sampled: true }, 7);
    expect(values.get("encoder.logVariance.weight")?.every((v) => v === 0)).toBe(true);
    expect(values.get("dst.3.weight")).toEqual(weights.get("dst.3.weight"));
  });
});

describe("refuses, naming the fault:", () => {
  const fits: Architecture = { size: 64, stages: [16, 32], mid: 64, code: 64 };
  it.each<[string, object, string]>([
    [
      "a size that does not halve",
      { size: 66 },
      "66 pixels do not fit 2 stages and the bottleneck: the size must be a multiple of 4 and at least 28",
    ],
    ["a size too small for the bottleneck", { size: 24 }, "24 pixels do not fit 2 stages and the bottleneck"],
    ["no size", { size: undefined }, "size undefined must be a whole number from 1"],
    ["a fraction", { code: 1.5 }, "code 1.5 must be a whole number from 1"],
    ["none", { mid: 0 }, "mid 0 must be a whole number from 1"],
    ["a dense code of none", { dense: 0 }, "dense 0 must be a whole number from 1"],
    ["a stage of none", { stages: [16, 0] }, "stage 1 0 must be a whole number from 1"],
    ["a text for a number", { stages: ["16", 32] }, "stage 0 16 must be a whole number from 1"],
    ["no stages", { stages: undefined }, "stages must be a list of channels"],
    ["an input of none", { input: 0 }, "input 0 must be a whole number from 1"],
    ["an input that does not divide", { input: 48 }, "input 48 must be the size, 64, divided by a power of two"],
    ["a third", { size: 96, input: 32 }, "input 32 must be the size, 96, divided by a power of two"],
    ["an input larger than the picture", { input: 128 }, "input 128 must be the size, 64, divided by a power of two"],
    [
      "an input too small",
      { input: 16 },
      "an input of 16 pixels does not fit 2 stages and the bottleneck: the input must be a multiple of 4",
    ],
    ["another way up", { upsampling: "bicubic" }, 'upsampling "bicubic" must be one of transposed, sub-pixel, resize'],
    ["a text for a yes", { sampled: "no" }, "sampled no must be true or false"],
    ["too few strides", { strides: [2] }, "strides 2 must be 2, one a stage, each 1 or 2"],
    ["a stride of 3", { strides: [2, 3] }, "strides 2, 3 must be 2, one a stage, each 1 or 2"],
    ["a number for strides", { strides: 2 }, "strides 2 must be 2, one a stage, each 1 or 2"],
    [
      "a size that does not fit with strides",
      { size: 12, strides: [2, 1] },
      "12 pixels do not fit 2 stages and the bottleneck: the size must be a multiple of 2 and at least 14",
    ],
    ["an even kernel", { kernel: 4 }, "kernel 4 must be 3, 5 or 7"],
    ["a kernel too wide", { kernel: 9 }, "kernel 9 must be 3, 5 or 7"],
    ["a text for a kernel", { kernel: "5" }, "kernel 5 must be 3, 5 or 7"],
    [
      "a layer too large",
      { mid: 4096, code: 4096 },
      "layer encoder.3, 4096 to 4096 channels, has 150,994,944 weights, over 2^26",
    ],
    [
      "a dense code too long",
      { size: 1024, dense: 1000 },
      "layer encoder.down, 64 to 1000 channels, has 254,016,000 weights, over 2^26",
    ],
  ])("%s", (_, change, message) => {
    const wrong = () => checkArchitecture({ ...fits, ...change } as Architecture);
    expect(wrong).toThrow(UserError);
    expect(wrong).toThrow(`architecture: ${message}`);
  });

  it.each<[string, string[], string]>([
    ["one identity", ["a"], "identities a: a swap needs at least 2"],
    ["a name twice", ["a", "b", "a"], 'identities: "a" is named twice'],
    ["the encoder", ["a", "encoder"], 'identities: "encoder" is the name of other layers'],
    ["the dense pair", ["a", "up"], 'identities: "up" is the name of other layers'],
    ["a point", ["a", "b.c"], 'identities: "b.c" is no name for one: use a-z, 0-9 and -'],
    ["no name", ["a", ""], 'identities: "" is no name for one'],
  ])("%s", (_, identities, message) => {
    expect(() => autoencoder(fits, 0, identities)).toThrow(UserError);
    expect(() => autoencoder(fits, 0, identities)).toThrow(message);
  });
});
