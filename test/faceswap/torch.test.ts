import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { elements, type Shape } from "../../src/engine/shape.js";
import { type Architecture, autoencoder } from "../../src/faceswap/architecture.js";
import { torchTensors } from "../../src/faceswap/torch.js";
import { input } from "../../src/index.js";
import { decodeSafetensors } from "../../src/storage/safetensors.js";
import {
  BATCH,
  exported,
  identitiesOf,
  NETWORKS,
  type NetworkName,
  pictures,
  SEED,
  trained,
} from "../golden/export.js";
import { compileDirty, expectNear, gpu, readAll, STYLES, step, toleranceBound, type Value } from "../gpu.js";
import { worstError } from "../reference/bounds.js";
import { type Bounded, network } from "../reference/network.js";
import { at, indices, type Tensor, tensor } from "../reference/tensor.js";

/** What PyTorch computed from the exported files: see test/golden/README.md. */
interface Golden {
  /** SHA-256 of the document's Python. */
  document: string;
  seed: number;
  /** Of the pictures every such number is stored. */
  every: number;
  networks: Record<NetworkName, { file: string; results: Record<Result, number[]> }>;
}
/** A code, the logarithm of its variance, or the pictures of an identity. */
type Result = string;

const golden: Golden = JSON.parse(readFileSync(new URL("../golden/export.json", import.meta.url), "utf8"));
const NAMES = Object.keys(NETWORKS) as NetworkName[];
const resultsOf = (name: NetworkName) => Object.keys(golden.networks[name].results);
const sha256 = (data: Uint8Array | string) => createHash("sha256").update(data).digest("hex");

// --- names and layouts ----------------------------------------------------------------------------------------------

describe("torchTensors", () => {
  /** Every number tells its own index in the engine's layout. */
  const indexed = (architecture: Architecture) => {
    const model = autoencoder(architecture, 0);
    const values = model.parameters.nodes.map(({ attrs: { name, shape } }) => {
      return [name, Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => i)] as const;
    });
    return new Map(torchTensors(model, new Map(values)).map(({ name, ...tensor }) => [name, tensor]));
  };
  const found = indexed(NETWORKS.dense); // 3 → 3 → 5 → 7 channels, a code of 2×2×7, 6 numbers

  it("has the names and shapes of torch.nn's layers, in the order of the engine's parameters", () => {
    const decoder = (side: string) => [
      [`${side}.0.weight`, [7, 5, 3, 3]],
      [`${side}.0.bias`, [5]],
      [`${side}.1.weight`, [5, 3, 3, 3]],
      [`${side}.1.bias`, [3]],
      [`${side}.2.weight`, [3, 3, 4, 4]],
      [`${side}.2.bias`, [3]],
    ];
    expect([...found].map(([name, { shape }]) => [name, shape])).toEqual([
      ["encoder.0.weight", [3, 3, 3, 3]],
      ["encoder.0.bias", [3]],
      ["encoder.1.weight", [5, 3, 3, 3]],
      ["encoder.1.bias", [5]],
      ["encoder.2.weight", [7, 5, 3, 3]],
      ["encoder.2.bias", [7]],
      ["down.weight", [6, 28]],
      ["down.bias", [6]],
      ["up.weight", [28, 6]],
      ["up.bias", [28]],
      ...decoder("src"),
      ...decoder("dst"),
    ]);
    expect([...indexed(NETWORKS.grid).keys()].filter((name) => /down|up/.test(name))).toEqual([]);
  });

  it("has plain convolutions where a decoder grows otherwise, and a second head last", () => {
    const names = ["src.0.weight", "src.1.weight", "dst.2.weight", "log_variance.weight", "log_variance.bias"];
    const shapesOf = (found: Map<string, { shape: Shape }>) => names.map((name) => found.get(name)?.shape);
    const subPixel = indexed(NETWORKS.subPixel);
    expect(shapesOf(subPixel)).toEqual([[20, 7, 2, 2], [12, 5, 2, 2], [12, 3, 3, 3], [6, 28], [6]]);
    expect([...subPixel.keys()].slice(-2)).toEqual(names.slice(-2));
    expect(shapesOf(indexed(NETWORKS.resize))).toEqual([[5, 7, 3, 3], [5, 5, 3, 3], [3, 5, 3, 3], [7, 5, 3, 3], [7]]);
  });

  it("leaves out what only training needs", () => {
    const model = autoencoder(NETWORKS.grid, 0);
    model.parameters.create("classifier.0.weight", [2, 2], [1, 2, 3, 4]);
    const values = new Map(
      model.parameters.nodes.map(({ attrs, shape }) => [attrs.name, new Float32Array(elements(shape))]),
    );
    expect(torchTensors(model, values).map(({ name }) => name)).toEqual([...indexed(NETWORKS.grid).keys()]);
  });

  /** Row-major index. */
  const index = (...pairs: [place: number, extent: number][]) =>
    pairs.reduce((whole, [place, extent]) => whole * extent + place, 0);

  it.each<[string, number[], (...place: number[]) => number]>([
    ["encoder.2.weight", [7, 5, 3, 3], (o, i, p, q) => index([p, 3], [q, 3], [i, 5], [o, 7])],
    ["dst.1.weight", [5, 3, 3, 3], (i, o, p, q) => index([p, 3], [q, 3], [o, 3], [i, 5])],
    ["down.weight", [6, 7, 2, 2], (o, c, y, x) => index([y, 2], [x, 2], [c, 7], [o, 6])],
    ["up.weight", [7, 2, 2, 6], (c, y, x, i) => index([i, 6], [y, 2], [x, 2], [c, 7])],
    ["up.bias", [7, 2, 2], (c, y, x) => index([y, 2], [x, 2], [c, 7])],
    ["down.bias", [6], (o) => o],
    ["src.0.bias", [5], (o) => o],
  ])("takes %s, seen as %j, from the right places", (name, axes, place) => {
    expect([...(found.get(name)?.data ?? [])]).toEqual(indices(axes).map((index) => place(...index)));
  });
});

// --- against PyTorch ------------------------------------------------------------------------------------------------

it("the golden is of these networks and pictures, and of the document as it stands", () => {
  expect(golden.seed).toBe(SEED);
  expect(Object.keys(golden.networks)).toEqual(NAMES);
  const document = readFileSync(new URL("../../docs/export.md", import.meta.url), "utf8");
  const python = [...document.matchAll(/```python\n(.*?)```/gs)].map(([, code]) => code);
  expect(sha256(python.join("")), "docs/export.md was changed: run test/golden/export.py").toBe(golden.document);
});

describe.each(NAMES)("the file of %s", (name) => {
  it("is what PyTorch loaded, to the byte", () => {
    expect(sha256(exported(name))).toBe(golden.networks[name].file);
  });

  it("says what it holds", () => {
    const { tensors, metadata } = decodeSafetensors(exported(name));
    expect(metadata).toEqual({ format: "pt", preset: "avatar-64", step: "7", architecture: expect.any(String) });
    expect(JSON.parse(metadata.architecture)).toEqual(NETWORKS[name]);
    expect(new Set(Object.values(tensors).map(({ dtype }) => dtype))).toEqual(new Set(["F32"]));
    // Zeros could be anywhere.
    for (const [key, { data }] of Object.entries(tensors)) expect((data as Float32Array).includes(0), key).toBe(false);
  });
});

/** The network in float64. */
function reference(name: NetworkName, values: ReadonlyMap<string, Float32Array>): Record<string, Bounded> {
  const { architecture } = trained(name).model;
  const shape = [BATCH, architecture.size, architecture.size, 3];
  return network(architecture, identitiesOf(name), values, tensor(shape, pictures(architecture)));
}

const CODES = ["code", "logVariance"];
/** Those numbers of a result that the golden has. */
const stored = (result: Result, data: ArrayLike<number>): number[] =>
  Array.from(data).filter((_, i) => CODES.includes(result) || i % golden.every === 0);

/** The stored numbers, and how far others may be from them: a bound, and their rounding to 9 digits (≤ 5e-9 of each). */
function comparison(network: NetworkName, result: Result, bound: Tensor, scale = 1) {
  const expected = golden.networks[network].results[result];
  const allowed = stored(result, bound.data);
  expect(allowed.length).toBe(expected.length);
  const tolerance = expected.map((value, i) => scale * allowed[i] + 5e-9 * Math.abs(value));
  return { expected: tensor([expected.length], expected), tolerance };
}

/** The greatest error as a fraction of what is allowed. */
function worst(network: NetworkName, result: Result, data: ArrayLike<number>, bound: Tensor, scale = 1): number {
  const { expected, tolerance } = comparison(network, result, bound, scale);
  return worstError(stored(result, data), expected, toleranceBound(expected, tolerance));
}

const references = new Map<NetworkName, ReturnType<typeof reference>>();
/** The network as it was exported. */
function exactly(name: NetworkName): ReturnType<typeof reference> {
  const found = references.get(name) ?? reference(name, trained(name).values);
  references.set(name, found);
  return found;
}

describe.each(NAMES)("%s is in PyTorch what it was", (name) => {
  const { model, values } = trained(name);
  const exact = exactly(name);

  /** Rounding to float64 instead of float32, by the same derivation. */
  const DOUBLE = 2 ** -29;
  it("with a result for each output", () => {
    expect(Object.keys(exact)).toEqual(resultsOf(name));
  });

  it.each(resultsOf(name))("to the definition of its layers in float64: %s", (result) => {
    const { value, error } = exact[result];
    expect(worst(name, result, value.data, error, DOUBLE)).toBeLessThanOrEqual(1);
  });

  describe.each(STYLES)("to the engine, %s kernels:", (style) => {
    let found: Record<string, Value>;
    beforeAll(async () => {
      const { size } = model.architecture;
      const build = () => {
        const x = input("x", [BATCH, size, size, 3]);
        const { mean: code, ...rest } = model.encodeDistribution?.(x) ?? { mean: model.encode(x) };
        const drawn = identitiesOf(name).map((identity) => [identity, model.decode[identity](code)]);
        return { code, ...rest, ...Object.fromEntries(drawn) };
      };
      const program = await compileDirty(build, { kernels: { "*": style } });
      for (const [parameter, data] of values) model.parameters.write(gpu, parameter, data);
      program.write("x", pictures(model.architecture));
      await step(program);
      found = await readAll(program);
      program.destroy();
    });

    it.each(resultsOf(name))("%s", (result) => {
      const { shape, data } = found[result];
      expect(shape).toEqual(exact[result].value.shape);
      const { expected, tolerance } = comparison(name, result, exact[result].error);
      const actual = { shape: expected.shape, data: Float32Array.from(stored(result, data)) };
      expectNear(`${result} of ${name}, ${style}`, actual, expected, tolerance);
    });
  });
});

describe("a wrong export would be noticed:", () => {
  /** What PyTorch makes of a file in which a tensor is wrong, by the network that it would be right for. */
  function misread(
    network: NetworkName,
    parameter: string,
    misplace: (t: Tensor) => Tensor,
  ): Map<string, Float32Array> {
    const { model, values } = trained(network);
    const { shape } = model.parameters.nodes.find(({ attrs }) => attrs.name === parameter)!;
    const wrong = misplace(tensor([...shape], values.get(parameter)!));
    return new Map([...values, [parameter, Float32Array.from(wrong.data)]]);
  }
  /** Numbers in the order (h, w, c) taken for the order (c, h, w), with a rest of axes before and behind. */
  const unflattened = (before: number, behind: number) => (t: Tensor) => {
    const seen = tensor([before, 7, 2, 2, behind], t.data);
    return tensor(
      t.shape,
      indices([before, 2, 2, 7, behind]).map(([b, y, x, c, r]) => at(seen, b, c, y, x, r)),
    );
  };
  /** Channels c · 4 + i · 2 + j taken for c · 4 + j · 2 + i. */
  const exchanged = (t: Tensor) => {
    const place = [0, 2, 1, 3];
    return tensor(
      t.shape,
      indices(t.shape).map(([p, q, c, o]) => at(t, p, q, c, o - (o % 4) + place[o % 4])),
    );
  };
  const swapped = (order: number[]) => (t: Tensor) =>
    tensor(
      t.shape,
      indices(t.shape).map((index) => at(t, ...order.map((axis) => index[axis]))),
    );

  it.each<[string, NetworkName, string, (t: Tensor) => Tensor, Result]>([
    ["without the order of flattening, down's weight", "dense", "encoder.down.weight", unflattened(1, 6), "code"],
    ["without the order of flattening, up's weight", "dense", "encoder.up.weight", unflattened(6, 1), "dst"],
    ["without the order of flattening, up's bias", "dense", "encoder.up.bias", unflattened(1, 1), "src"],
    ["height and width of a kernel", "grid", "encoder.2.weight", swapped([1, 0, 2, 3]), "code"],
    ["height and width of a transposed kernel", "grid", "src.3.weight", swapped([1, 0, 2, 3]), "src"],
    ["in and out of a kernel with as many of both", "dense", "encoder.0.weight", swapped([0, 1, 3, 2]), "code"],
    ["in and out of a transposed kernel", "dense", "dst.2.weight", swapped([0, 1, 3, 2]), "dst"],
    [
      "without the order of flattening, the variance's weight",
      "subPixel",
      "encoder.logVariance.weight",
      unflattened(1, 6),
      "logVariance",
    ],
    ["height and width of a kernel before a shuffle", "subPixel", "src.0.weight", swapped([1, 0, 2, 3]), "src"],
    ["height and width of a kernel behind a resize", "resize", "train.1.weight", swapped([1, 0, 2, 3]), "train"],
    ["rows and columns of a shuffled pixel", "subPixel", "dst.1.weight", exchanged, "dst"],
  ])("%s", (_, network, parameter, misplace, result) => {
    const { value } = reference(network, misread(network, parameter, misplace))[result];
    const { error } = exactly(network)[result];
    // Beyond 1 even where the engine's own error, at its worst, points the other way.
    expect(worst(network, result, value.data, error)).toBeGreaterThan(2);
  });
});
