import { readFileSync } from "node:fs";
import { normal, uniform } from "../../src/engine/philox.js";
import { sizeOf, type Tensor, tensor } from "../reference/tensor.js";

/** The losses on codes of code.json, and the inputs that they were computed from: see code.py beside it. */
interface GoldenCode {
  seed: number;
  codeStream: number;
  /** Of the adversary's gradient. */
  factor: number;
  cases: { shape: number[]; identities: number; results: Record<string, GoldenLoss> }[];
  /** PyTorch's float32: greatest difference over greatest value, by loss. */
  float32Deviation: Record<string, number>;
}

export interface GoldenLoss {
  value: number;
  /** By input; of one with more than 256 numbers every 16th. */
  gradients: number[][];
}

export const goldenCode: GoldenCode = JSON.parse(readFileSync(new URL("code.json", import.meta.url), "utf8"));

/** One code an identity. */
export function goldenCodes(shape: number[], identities: number): Tensor[] {
  const { seed, codeStream } = goldenCode;
  return Array.from({ length: identities }, (_, k) => {
    const unit = uniform(sizeOf(shape), { seed, step: 0, stream: codeStream + k });
    return tensor(
      shape,
      Float32Array.from(unit, (u) => (2 * u - 1) * (1 + k / 4) + k / 8),
    );
  });
}

/** The classifier's weights and biases: those of identityClassifier with this seed. */
export function goldenClassifier(inputs: number, identities: number): Record<"w0" | "b0" | "w1" | "b1", Tensor> {
  const he = (shape: number[], stream: number) => {
    const deviation = Math.sqrt(2 / (1.01 * shape[0]));
    const drawn = normal(sizeOf(shape), { seed: goldenCode.seed, step: 0, stream });
    return tensor(
      shape,
      drawn.map((v) => v * deviation),
    );
  };
  const zeros = (n: number) => tensor([n], new Float32Array(n));
  return { w0: he([inputs, 64], 0), b0: zeros(64), w1: he([64, identities], 2), b1: zeros(identities) };
}

/** What is stored of an input's gradient. */
export const stored = (data: ArrayLike<number>): number[] =>
  Array.from(data).filter((_, i) => data.length <= 256 || i % 16 === 0);
