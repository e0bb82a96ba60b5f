import { describe, expect, it } from "vitest";
import { makeNode, type Node, type Op, topological } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import {
  add,
  constant,
  conv2d,
  gradientNorm,
  gradients,
  input,
  mul,
  neg,
  reshape,
  ShapeError,
  scale,
  sigmoid,
  square,
  sum,
} from "../../src/index.js";

const target = { subgroupSize: 0, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };
const names = (outputs: readonly Node[]) => topological(outputs).map((node) => node.op.name);
const count = (list: readonly string[], name: string) => list.filter((each) => each === name).length;
const dispatches = (outputs: readonly Node[]) => layOut(outputs, target).stages.flatMap((stage) => stage.dispatches);

describe("fan-out", () => {
  it.each([1, 2, 5])("of %i consumers becomes one addition less", (consumers) => {
    const x = input("x", [4]);
    const loss = sum(sum(Array.from({ length: consumers }, (_, i) => scale(x, i + 1))));
    const [gx] = gradients(loss, [x]);
    // The loss itself adds consumers − 1 times too, but no gradient needs those nodes.
    expect(count(names([gx]), "add")).toBe(consumers - 1);
    expect(count(names([gx]), "scale")).toBe(consumers);
  });

  it("counts an input named twice by one node twice", () => {
    const x = input("x", [4]);
    const [gx] = gradients(sum(mul(x, x)), [x]);
    expect(gx.op.name).toBe("add");
    expect(gx.inputs.map((g) => g.op.name)).toEqual(["mul", "mul"]);
  });

  it("adds before the shared part is differentiated, so that part is differentiated once", () => {
    const x = input("x", [4]);
    const shared = sigmoid(x);
    const [gx] = gradients(sum(add(square(shared), neg(shared))), [x]);
    expect(count(names([gx]), "sigmoidGrad")).toBe(1);
  });
});

describe("what nobody needs", () => {
  const x = input("x", [2, 6, 6, 3]);
  const w = input("w", [3, 3, 3, 8]);
  const b = input("b", [8]);
  const loss = sum(square(conv2d(x, w, { bias: b })));
  const kernels = (wanted: Node[]) =>
    dispatches(gradients(loss, wanted)).map((d) => d.kernel.name.replace("_registers", ""));

  it("is not run: each gradient adds its own dispatches only", () => {
    const of = { x: kernels([x]), w: kernels([w]), b: kernels([b]), all: kernels([x, w, b]) };
    expect(count(of.x, "conv_transpose2d")).toBe(1);
    expect(count(of.x, "conv2d_weight_grad")).toBe(0);
    expect(count(of.w, "conv2d_weight_grad")).toBe(1);
    expect(count(of.w, "conv_transpose2d")).toBe(0);
    for (const name of ["conv_transpose2d", "conv2d_weight_grad"]) expect(count(of.b, name)).toBe(0);
    // conv2d, broadcastTo and squareGrad are shared by all three.
    expect(of.all).toHaveLength(of.x.length + of.w.length + of.b.length - 2 * 3);
  });

  it("nothing of a branch that leads to no wanted node is differentiated", () => {
    const noGradient: Op<object> = { name: "opaque", shape: ([s]) => s };
    const branch = makeNode(noGradient, [input("other", [])], {});
    const [gx] = gradients(add(sum(x), sum(branch)), [x]);
    expect(names([gx])).not.toContain("opaque");
  });

  it("a wanted node inside the graph ends the way back, whether or not its op has a gradient", () => {
    const opaque: Op<object> = { name: "opaque", shape: ([s]) => s };
    const y = makeNode(opaque, [x], {});
    const [gy] = gradients(sum(square(y)), [y]);
    expect(gy.op.name).toBe("squareGrad");
    expect(gy.shape).toEqual(y.shape);
  });
});

it("a gradient has the shape of its node", () => {
  const a = input("a", [3, 1]);
  const b = input("b", [5]);
  const c = input("c", [2, 3, 5]);
  const grads = gradients(sum(reshape(mul(add(a, b), c), [6, 5])), [a, b, c]);
  expect(grads.map((g) => g.shape)).toEqual([[3, 1], [5], [2, 3, 5]]);
});

it("the loss's own gradient is 1", () => {
  const loss = sum(input("x", [4]));
  const [g] = gradients(loss, [loss]);
  expect(g.op.name).toBe("constant");
  expect((g.attrs as { values: Float32Array }).values).toEqual(Float32Array.of(1));
});

describe("errors", () => {
  const x = input("x", [4]);

  it("refuses a loss that is no scalar", () => {
    expect(() => gradients(x, [x])).toThrow(ShapeError);
    expect(() => gradients(x, [x])).toThrow("gradients: the loss must be a scalar, not [4]");
  });

  it("names a parameter that the loss does not depend on", () => {
    const other = input("other", [2, 3]);
    const message = "gradients: the loss does not depend on wanted node 1 of shape [2, 3]";
    expect(() => gradients(sum(x), [x, other])).toThrow(message);
  });

  it("names an op without a gradient on the way", () => {
    expect(() => gradients(gradientNorm([scale(x, 2)]), [x])).toThrow("gradients: sumSquares has no gradient");
  });

  it("a node after the loss is not one that it depends on", () => {
    const loss = sum(x);
    expect(() => gradients(loss, [scale(loss, 2)])).toThrow(/does not depend on wanted node 0/);
    expect(() => gradients(constant([1], []), [x])).toThrow(/does not depend/);
  });
});
