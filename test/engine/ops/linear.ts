import type { Node } from "../../../src/index.js";
import { expectWithin, gradientsOf, leaf, type Value } from "../../gpu.js";
import type { Activation } from "../../reference/activation.js";
import type { Bound } from "../../reference/bounds.js";
import { map, type Tensor } from "../../reference/tensor.js";
import { sigmoidError, sigmoidGradError, tanhError, tanhGradError } from "./accuracy.js";

/** What the oracles of conv2d, convTranspose2d and dense have in common. */
interface Oracle<Options extends { activation?: Activation }> {
  forward(x: Tensor, w: Tensor, b: Tensor | null, options: Options): Tensor;
  backward(
    x: Tensor,
    w: Tensor,
    b: Tensor | null,
    options: Options,
    gy: Tensor,
  ): { gx: Tensor; gw: Tensor; gb: Tensor | null };
  bounds(x: Tensor, w: Tensor, b: Tensor | null, options: Options, gy: Tensor): Record<"y" | "gx" | "gw" | "gb", Bound>;
}

export interface LinearTensors {
  x: Tensor;
  w: Tensor;
  b: Tensor | null;
  gy: Tensor;
}

const RESULTS = ["y", "gx", "gw", "gb"] as const;
type Results = Record<"y" | "gx" | "gw", Value> & { gb?: Value };

/** y, gx, gw and gb of a layer as outputs of a program, each named after the case. */
export function linearNodes(
  name: string,
  layer: (x: Node, w: Node, bias?: Node) => Node,
  { x, w, b, gy }: LinearTensors,
): Record<string, Node> {
  const leaves = [x, w, ...(b ? [b] : [])].map(leaf);
  const y = layer(leaves[0], leaves[1], leaves[2]);
  const found = [y, ...gradientsOf(y, gy, leaves)];
  return Object.fromEntries(found.map((node, i) => [`${name} ${RESULTS[i]}`, node]));
}

/** The values of a case among the outputs of its program. */
export const pickResults = (values: Record<string, Value>, name: string): Results =>
  Object.fromEntries(RESULTS.map((result) => [result, values[`${name} ${result}`]])) as unknown as Results;

/** Checks y and all gradients of a layer y = activation(linear(x, w) + b) against its oracle. */
export function expectLinear<Options extends { activation?: Activation }>(
  what: string,
  oracle: Oracle<Options>,
  { x, w, b, gy }: LinearTensors,
  options: Options,
  actual: Results,
): void {
  const expected = { y: oracle.forward(x, w, b, options), ...oracle.backward(x, w, b, options, gy) };
  const bounds = oracle.bounds(x, w, b, options, gy);
  const { activation } = options;
  if (activation === "sigmoid" || activation === "tanh") {
    const linear = { ...options, activation: "none" as const };
    const before = oracle.forward(x, w, b, linear);
    widen(activation, before, gy, bounds, (error) => oracle.bounds(x, w, b, linear, error));
  }
  for (const name of RESULTS) {
    const value = actual[name];
    const reference = expected[name];
    if (!value !== !reference) throw new Error(`${what}: ${name} is there on one side only`);
    if (value && reference) expectWithin(`${what}: ${name}`, value, reference, bounds[name]);
  }
}

/**
 * A smooth activation f adds to what rounding explains (all for c = 2):
 * y errs by max|f'| times the sum's error and by f's own; the gradient behind f inherits that error by f'', and the linear
 * op's gradients sum it up: `inherit(error)` gives Σ |terms| with the error in gy's place.
 */
function widen(
  activation: "sigmoid" | "tanh",
  before: Tensor,
  gy: Tensor,
  bounds: Record<"y" | "gx" | "gw" | "gb", Bound>,
  inherit: (error: Tensor) => Record<"y" | "gx" | "gw" | "gb", Bound>,
): void {
  const c = 2;
  const unit = c * 2 ** -24;
  const [slope, own, gradient] =
    activation === "sigmoid" ? [1 / 4, sigmoidError, sigmoidGradError] : [1, tanhError, tanhGradError];
  const { magnitude, count } = bounds.y;
  const errorY = map(before, (v, i) => slope * unit * count.data[i] * magnitude.data[i] + own(v));
  const errorG = map(before, (v, i) => gradient(v, gy.data[i], errorY.data[i]));
  bounds.y = { magnitude: map(errorY, (e) => e / unit), count: map(errorY, () => 1) };
  const inherited = inherit(errorG);
  for (const name of ["gx", "gw", "gb"] as const) {
    const bound = bounds[name];
    if (!bound) continue;
    const total = map(bound.magnitude, (m, i) => bound.count.data[i] * m + inherited[name].magnitude.data[i] / unit);
    bounds[name] = { magnitude: total, count: map(total, () => 1) };
  }
}
