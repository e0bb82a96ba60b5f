import { readFileSync } from "node:fs";
import { uniform } from "../../src/engine/philox.js";
import { map, sizeOf, type Tensor, tensor } from "../reference/tensor.js";

/** The picture losses of ssim.json: see ssim.py beside it. */
export interface GoldenCase {
  loss: string;
  shape: number[];
  weighted: boolean;
  value: number;
  /** By input, x, y and the weights: every so many-th number of its gradient, in `gradients`. */
  every: number[];
  gradients: number[][];
  /** PyTorch's float32: greatest difference over greatest value, the worst of value and gradients. */
  float32Deviation: number;
}

const golden: { seed: number; stream: number; cases: GoldenCase[] } = JSON.parse(
  readFileSync(new URL("ssim.json", import.meta.url), "utf8"),
);

export const goldenCases = golden.cases;

/** x, y and, where it has them, the weights of a case. */
export function goldenInputs({ shape, weighted }: GoldenCase): Tensor[] {
  const draw = (wanted: number[], stream: number) =>
    tensor(wanted, uniform(sizeOf(wanted), { seed: golden.seed, step: 0, stream: golden.stream + stream }));
  const [x, noise] = [draw(shape, 0), draw(shape, 1)];
  const y = map(x, (v, i) => Math.fround(0.75 * v + 0.25 * noise.data[i]));
  return weighted ? [x, y, map(draw([...shape.slice(0, 3), 1], 2), (v) => Math.floor(v * 24) / 8)] : [x, y];
}
