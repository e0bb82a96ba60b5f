import type { Node } from "../../../src/index.js";
import { gradients, mul } from "../../../src/index.js";
import { expectNear, leaf, type Value } from "../../gpu.js";
import { exact, gradients as gradientsOf, type Rounded } from "../../reference/rounded.js";
import type { Tensor } from "../../reference/tensor.js";

/** A loss on both sides: as nodes, and as its oracle. */
export interface Loss {
  build(inputs: Node[]): Node;
  oracle(inputs: Rounded[]): Rounded;
}

/** A loss's value, and the gradients of gy times it, named after the case. An input without a gradient is not there. */
export function lossNodes(
  what: string,
  { build }: Loss,
  inputs: Tensor[],
  gy: Tensor,
  wanted = inputs.map((_, i) => i),
) {
  const leaves = inputs.map(leaf);
  const y = build(leaves);
  const found = gradients(
    mul(y, leaf(gy)),
    wanted.map((i) => leaves[i]),
  );
  return { [`${what} y`]: y, ...Object.fromEntries(wanted.map((i, at) => [`${what} g${i}`, found[at]])) };
}

/** Within what float32 rounding explains: the bound that the oracle carries. */
export function expectRounded(what: string, actual: Value, { value, error }: Rounded): void {
  expectNear(what, actual, value, error);
}

/** Checks the value and every gradient that is there. */
export function expectLoss(
  what: string,
  values: Record<string, Value>,
  { oracle }: Loss,
  inputs: Tensor[],
  gy: Tensor,
): void {
  const leaves = inputs.map(exact);
  const y = oracle(leaves);
  expectRounded(`${what} y`, values[`${what} y`], y);
  gradientsOf(y, leaves, exact(gy)).forEach((g, i) => {
    const actual = values[`${what} g${i}`];
    if (actual) expectRounded(`${what} g${i}`, actual, g);
  });
}
