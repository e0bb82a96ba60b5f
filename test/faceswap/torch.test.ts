import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type Architecture, autoencoder, mapSizes, SIDES } from "../../src/faceswap/architecture.js";
import { torchTensors } from "../../src/faceswap/torch.js";
import { input } from "../../src/index.js";
import { decodeSafetensors } from "../../src/storage/safetensors.js";
import { sigmoidError } from "../engine/ops/accuracy.js";
import { BATCH, exported, NETWORKS, type NetworkName, pictures, SEED, trained } from "../golden/export.js";
import { compileDirty, expectNear, gpu, readAll, STYLES, step, toleranceBound, type Value } from "../gpu.js";
import type { Activation } from "../reference/activation.js";
import { worstError } from "../reference/bounds.js";
import * as conv2d from "../reference/conv2d.js";
import * as convTranspose2d from "../reference/convTranspose2d.js";
import * as dense from "../reference/dense.js";
import { sigmoid } from "../reference/pointwise.js";
import { abs, at, fill, indices, map, sizeOf, type Tensor, tensor, zeros } from "../reference/tensor.js";

/** What PyTorch computed from the exported files: see test/golden/README.md. */
interface Golden {
  /** SHA-256 of the document's Python. */
  document: string;
  seed: number;
  /** Of the pictures every such number is stored. */
  every: number;
  networks: Record<NetworkName, { file: string } & Record<Result, number[]>>;
}
const RESULTS = ["code", ...SIDES] as const;
type Result = (typeof RESULTS)[number];

const golden: Golden = JSON.parse(readFileSync(new URL("../golden/export.json", import.meta.url), "utf8"));
const NAMES = Object.keys(NETWORKS) as NetworkName[];
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

/** A value in float64, and how far at most a computation in float32 is from it. */
interface Bounded {
  value: Tensor;
  error: Tensor;
}
type Values = ReadonlyMap<string, Float32Array>;

/** What the oracles of conv2d, convTranspose2d and dense have in common, without their options. */
type Linear = (x: Tensor, w: Tensor, b: Tensor | null, activation: Activation) => Tensor;

/**
 * A layer, and its error: of its sum what rounding explains (see `expectWithin`: twice count · 2⁻²⁴ · Σ |terms|, in which
 * is a leaky slope's rounding) and what the error of x makes of it, Σ |w| · error. Leaky ReLU passes on no more than that,
 * the sigmoid a quarter and its own error.
 */
function layer(linear: Linear, x: Bounded, w: Tensor, b: Tensor, activation: Activation): Bounded {
  const plain = (x: Tensor, w: Tensor, b: Tensor | null) => linear(x, w, b, "none");
  const one = (t: Tensor) => fill(t.shape, 1);
  const largest = map(abs(x.value), (v, i) => v + x.error.data[i]);
  const magnitude = plain(largest, abs(w), abs(b));
  const count = plain(one(x.value), one(w), one(b));
  const inherited = plain(x.error, abs(w), null);
  const error = map(inherited, (e, i) => e + 2 * count.data[i] * 2 ** -24 * magnitude.data[i]);
  const sum = plain(x.value, w, b);
  if (activation !== "sigmoid") return { value: linear(x.value, w, b, activation), error };
  return { value: sigmoid.forward(sum), error: map(error, (e, i) => e / 4 + sigmoidError(sum.data[i])) };
}

const HIDDEN = { leakyRelu: 0.1 };
const around = (n: number) => ({ top: n, bottom: n, left: n, right: n });
const reshaped = ({ value, error }: Bounded, shape: number[]): Bounded => ({
  value: tensor(shape, value.data),
  error: tensor(shape, error.data),
});

/** The network in float64 from its architecture's description, in the engine's layouts. */
function reference(name: NetworkName, values: Values): Record<Result, Bounded> {
  const { architecture, parameters } = trained(name).model;
  const { size, stages, dense: numbers } = architecture;
  const parameter = (name: string): Tensor => {
    const { shape } = parameters.nodes.find(({ attrs }) => attrs.name === name)!;
    return tensor([...shape], values.get(name)!);
  };
  const apply = (name: string, linear: Linear, x: Bounded, activation: Activation) =>
    layer(linear, x, parameter(`${name}.weight`), parameter(`${name}.bias`), activation);
  const fully: Linear = (x, w, b, activation) => dense.forward(x, w, b, { activation });

  const sizes = [size, ...mapSizes(architecture)];
  const depth = stages.length + 2;
  const shape = [BATCH, size, size, 3];
  let z: Bounded = { value: tensor(shape, pictures(architecture)), error: zeros(shape) };
  for (let i = 0; i < depth; i++) {
    const options = { stride: 2, padding: around(i < stages.length ? 1 : 0) };
    const linear: Linear = (x, w, b, activation) => conv2d.forward(x, w, b, { ...options, activation });
    z = apply(`encoder.${i}`, linear, z, i === depth - 1 ? "none" : HIDDEN);
  }
  const map = z.value.shape;
  if (numbers) z = apply("encoder.down", fully, reshaped(z, [BATCH, sizeOf(map) / BATCH]), "none");
  const decode = (side: string): Bounded => {
    let y = numbers ? reshaped(apply("encoder.up", fully, z, HIDDEN), map) : z;
    for (let i = 0; i < depth; i++) {
      const [small, large] = [sizes[depth - i], sizes[depth - i - 1]];
      const [kernel, padding] = i < 2 ? [3, 0] : [4, 1];
      const outputPadding = large - ((small - 1) * 2 - 2 * padding + kernel);
      const options = { stride: 2, padding: around(padding), outputPadding };
      const linear: Linear = (x, w, b, activation) => convTranspose2d.forward(x, w, b, { ...options, activation });
      y = apply(`${side}.${i}`, linear, y, i === depth - 1 ? "sigmoid" : HIDDEN);
    }
    return y;
  };
  return { code: z, src: decode("src"), dst: decode("dst") };
}

/** Those numbers of a result that the golden has. */
const stored = (result: Result, data: ArrayLike<number>): number[] =>
  Array.from(data).filter((_, i) => result === "code" || i % golden.every === 0);

/** The stored numbers, and how far others may be from them: a bound, and their rounding to 9 digits (≤ 5e-9 of each). */
function comparison(network: NetworkName, result: Result, bound: Tensor, scale = 1) {
  const expected = golden.networks[network][result];
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

describe.each(NAMES)("%s is in PyTorch what it was", (name) => {
  const { model, values } = trained(name);
  const exact = reference(name, values);

  /** Rounding to float64 instead of float32, by the same derivation. */
  const DOUBLE = 2 ** -29;
  it.each(RESULTS)("to the definition of its layers in float64: %s", (result) => {
    const { value, error } = exact[result];
    expect(worst(name, result, value.data, error, DOUBLE)).toBeLessThanOrEqual(1);
  });

  describe.each(STYLES)("to the engine, %s kernels:", (style) => {
    let found: Record<string, Value>;
    beforeAll(async () => {
      const { size } = model.architecture;
      const build = () => {
        const code = model.encode(input("x", [BATCH, size, size, 3]));
        return { code, src: model.decode.src(code), dst: model.decode.dst(code) };
      };
      const program = await compileDirty(build, { kernels: { "*": style } });
      for (const [parameter, data] of values) model.parameters.write(gpu, parameter, data);
      program.write("x", pictures(model.architecture));
      await step(program);
      found = await readAll(program);
      program.destroy();
    });

    it.each(RESULTS)("%s", (result) => {
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
  ])("%s", (_, network, parameter, misplace, result) => {
    const { value } = reference(network, misread(network, parameter, misplace))[result];
    const { error } = reference(network, trained(network).values)[result];
    // Beyond 1 even where the engine's own error, at its worst, points the other way.
    expect(worst(network, result, value.data, error)).toBeGreaterThan(2);
  });
});
