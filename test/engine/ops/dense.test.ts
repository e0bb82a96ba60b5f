import { beforeAll, describe, expect, it } from "vitest";
import { dense, type Node, ShapeError } from "../../../src/index.js";
import { evaluate, leaf, STYLES, type Value } from "../../gpu.js";
import type { Activation } from "../../reference/activation.js";
import * as oracle from "../../reference/dense.js";
import { randomTensors, zeros } from "../../reference/tensor.js";
import { expectLinear, type LinearTensors, linearNodes, pickResults } from "./linear.js";

interface Case {
  /** N, in, out */
  extents: [number, number, number];
  bias?: boolean;
  activation?: Activation;
}

const cases: Record<string, Case> = {
  "1 × 1 → 1": { extents: [1, 1, 1] },
  "1 × 33 → 5": { extents: [1, 33, 5], bias: true, activation: { leakyRelu: 0.25 } },
  "17 × 5 → 33": { extents: [17, 5, 33], bias: true, activation: { leakyRelu: 0.25 } },
  "3 × 20 → 3, sigmoid": { extents: [3, 20, 3], bias: true, activation: "sigmoid" },
  "16 × 1000 → 3, tanh": { extents: [16, 1000, 3], bias: true, activation: "tanh" },
  "2 × 4 → 40": { extents: [2, 4, 40] },
};

const drawn = new Map(
  Object.entries(cases).map(([name, { extents, bias }], i): [string, LinearTensors] => {
    const random = randomTensors(400 + i);
    const [n, inputs, outputs] = extents;
    const b = bias ? random([outputs]) : null;
    return [name, { x: random([n, inputs]), w: random([inputs, outputs]), b, gy: random([n, outputs]) }];
  }),
);

describe.each(STYLES)("dense, %s kernels", (style) => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    const build = () =>
      Object.assign(
        {},
        ...Object.entries(cases).map(([name, { activation }]) =>
          linearNodes(name, (x, w, bias) => dense(x, w, { bias, activation }), drawn.get(name)!),
        ),
      );
    values = await evaluate(build, { kernels: { "*": style } });
  });

  it.each(Object.entries(cases))("%s", (name, { activation }) => {
    expectLinear(`${name}, ${style}`, oracle, drawn.get(name)!, { activation }, pickResults(values, name));
  });
});

describe("dense refuses", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  it.each<[string, () => Node, string]>([
    ["other inputs", () => dense(node(2, 3), node(4, 5)), "dense([2, 3], [4, 5]): x must be [N, in] and w [in, out]"],
    ["an image", () => dense(node(2, 1, 3), node(3, 5)), "dense([2, 1, 3], [3, 5]): x must be [N, in] and w [in, out]"],
    [
      "a bias of another length",
      () => dense(node(2, 3), node(3, 5), { bias: node(4) }),
      "dense([2, 3], [3, 5], [4]): the bias must be [5]",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
