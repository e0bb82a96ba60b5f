import { readFileSync } from "node:fs";
import { normal, uniform } from "../../../src/engine/philox.js";
import { type PerceptualNetwork, perceptualNetwork } from "../../../src/faceswap/perceptual/lpips.js";
import { type PerceptualKind, perceptualShapes } from "../../../src/faceswap/perceptual/trunks.js";
import { expectNear, type Value } from "../../gpu.js";
import { sizeOf, type Tensor, tensor } from "../../reference/tensor.js";

/** Values and gradients of LPIPS in PyTorch: see lpips.py beside lpips.json. */
interface GoldenLpips {
  seed: number;
  weightStream: number;
  pictureStream: number;
  biasScale: number;
  /** By trunk; "random" is the random-feature loss. */
  cases: Record<PerceptualKind | "random", GoldenCase>;
}

export interface GoldenCase {
  shape: number[];
  leastSize: number;
  value: number;
  /** Of the gradient by x. */
  gradientNorm: number;
  /** Of the gradient every so many numbers are stored. */
  every: number;
  gradient: number[];
  /** PyTorch's float32: relative, and of the gradient greatest difference over greatest number. */
  float32Deviation: { value: number; gradient: number; gradientNorm: number };
}

export const goldenLpips: GoldenLpips = JSON.parse(
  readFileSync(new URL("../../golden/lpips.json", import.meta.url), "utf8"),
);

/** Weights in PyTorch's names and layouts, tensor number i from its own stream: as random as they look, and none stored. */
export function philoxTensors(kind: PerceptualKind): Record<string, { shape: readonly number[]; data: Float32Array }> {
  const { seed, weightStream, biasScale } = goldenLpips;
  return Object.fromEntries(
    Object.entries(perceptualShapes(kind)).map(([name, shape], i) => {
      const draw = { seed, step: 0, stream: weightStream + i };
      const count = sizeOf([...shape]);
      if (name.startsWith("lin")) return [name, { shape, data: uniform(count, draw) }];
      const scale = shape.length === 1 ? biasScale : Math.sqrt(2 / sizeOf(shape.slice(1)));
      return [name, { shape, data: normal(count, draw).map((v) => v * scale) }];
    }),
  );
}

/** LPIPS with those weights: what lpips.py and step.py compute with. */
export const philoxNetwork = (kind: PerceptualKind): PerceptualNetwork => perceptualNetwork(kind, philoxTensors(kind));

/** The pictures x and y of a golden case. */
export function goldenPictures(kind: PerceptualKind | "random"): [Tensor, Tensor] {
  const { seed, pictureStream, cases } = goldenLpips;
  const { shape } = cases[kind];
  const picture = (which: number) =>
    tensor(shape, uniform(sizeOf(shape), { seed, step: 0, stream: pictureStream + which }));
  return [picture(0), picture(1)];
}

/** Rounding differs between programs, but not its size: ten times what PyTorch's own float32 run is off by. */
const FACTOR = 10;

/** A loss's value, and the gradient by x of gy times it, against the golden ones. */
export function expectGolden(what: string, { value, gx }: Record<string, Value>, golden: GoldenCase, gy = 1): void {
  const { float32Deviation: off, every } = golden;
  const one = (name: string, actual: Value, expected: number, deviation: number) =>
    expectNear(`${what}: ${name}`, actual, tensor([], [expected]), [FACTOR * deviation * expected]);
  one("value", value, golden.value, off.value);
  const norm = Math.sqrt(gx.data.reduce((total, v) => total + v * v, 0));
  one("norm of gx", { shape: [], data: Float32Array.of(norm) }, gy * golden.gradientNorm, off.gradientNorm);
  const sampled = { shape: [golden.gradient.length], data: gx.data.filter((_, i) => i % every === 0) };
  const expected = golden.gradient.map((v) => gy * v);
  // The deviation is relative to the greatest number of all, which is no smaller than the greatest that is stored.
  const allowed = FACTOR * off.gradient * Math.max(...expected.map(Math.abs));
  expectNear(`${what}: gx`, sampled, tensor(sampled.shape, expected), Array<number>(expected.length).fill(allowed));
}
