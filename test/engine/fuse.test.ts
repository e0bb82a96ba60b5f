import { describe, expect, it } from "vitest";
import { fuse } from "../../src/engine/fuse.js";
import { type Node, topological } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import { pack, sumSquares } from "../../src/engine/ops/pack.js";
import {
  abs,
  adam,
  add,
  broadcastTo,
  compile,
  constant,
  conv2d,
  convTranspose2d,
  dense,
  div,
  exp,
  gradients,
  input,
  mean,
  mul,
  Parameters,
  reshape,
  scale,
  sigmoid,
  square,
  sub,
  sum,
  variance,
} from "../../src/index.js";
import { evaluate, gpu, leaf, sabotage, type Value } from "../gpu.js";
import { randomTensors } from "../reference/tensor.js";

const target = { subgroupSize: 8, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };
const kernels = (outputs: readonly Node[]) =>
  layOut(fuse(outputs), target).stages.flatMap(({ dispatches }) => dispatches.map(({ kernel }) => kernel.name));

describe("a chain of pointwise nodes", () => {
  const x = input("x", [4, 6]);
  const y = input("y", [4, 6]);

  it("becomes one kernel, with its numbers in order", () => {
    expect(kernels([scale(add(scale(x, 2), abs(y)), 3)])).toEqual(["scale+abs+add+scale"]);
    const [{ attrs }] = fuse([scale(add(scale(x, 2), abs(y)), 3)]);
    expect((attrs as { k: number[] }).k).toEqual([2, 3]);
  });

  it("that ends in a sum stores nothing in between", () => {
    expect(kernels([sum(abs(sub(x, y)))])).toEqual(["reduce:sub+abs", "sum_lanes"]);
  });

  it("is cut where others need its values: an output, a convolution, a packed buffer", () => {
    const middle = abs(x);
    expect(kernels([middle, scale(middle, 2)])).toEqual(["abs", "scale"]);
    const picture = abs(input("p", [1, 4, 4, 2]));
    expect(kernels([conv2d(picture, input("w", [1, 1, 2, 2])), scale(picture, 2)])).toContain("abs");
    const flat = pack([middle, abs(y)]);
    expect(kernels([flat, scale(middle, 2)])).toEqual(["abs", "abs", "scale"]);
  });

  it("computes twice what is cheaper so, and not what is dear", () => {
    const cheap = scale(x, 2);
    expect(kernels([add(cheap, y), mul(cheap, y)])).toEqual(["scale+add", "scale+mul"]);
    const dear = exp(x);
    expect(kernels([add(dear, y), mul(dear, y)])).toEqual(["exp", "add", "mul"]);
    // Three loads of two tensors each would be more than one more store.
    const wide = add(x, y);
    const readers = [1, 2, 3, 4].map((n) => scale(wide, n));
    expect(kernels(readers)).toEqual(["add", "scale", "scale", "scale", "scale"]);
  });

  it("takes a single value's computation along, whatever axes it has", () => {
    const loss = scale(sum(x), 2);
    const broadcast = mul(broadcastTo(reshape(loss, [1, 1]), [4, 6]), y);
    expect(kernels([broadcast])).toEqual(["reduce", "sum_lanes", "scale+broadcastTo+mul"]);
  });

  it("binds at most seven inputs", () => {
    const many = Array.from({ length: 12 }, (_, i) => input(`x${i}`, [4, 6]));
    for (const node of topological(fuse([many.reduce(add)]))) expect(node.inputs.length).toBeLessThanOrEqual(7);
    expect(kernels([many.reduce(add)])).toHaveLength(2);
  });

  it("inside a packed buffer does not read what else lies in it", () => {
    const r = square(x);
    const q = scale(r, 2);
    const p = mul(q, y);
    const flat = pack([r, p]);
    expect(kernels([flat])).toEqual(["square", "scale", "mul"]);
  });
});

describe("the same computation", () => {
  it("is done once, however often it is written", () => {
    const x = input("x", [5, 3]);
    const twice = () => sum(square(x));
    expect(kernels([add(twice(), twice())])).toEqual(["reduce:square", "sum_lanes", "add"]);
  });

  it("with other numbers, shapes or inputs is another", () => {
    const x = input("x", [5, 3]);
    const outputs = fuse([scale(x, 2), scale(x, 3), sum(x, { axes: [0] }), sum(x, { axes: [1] })]);
    expect(new Set(outputs).size).toBe(4);
  });

  it("has a place of its own in a packed buffer, as often as it is listed", () => {
    const x = input("x", [5, 3]);
    const flat = fuse([pack([scale(x, 2), scale(x, 2)])])[0];
    expect(new Set(flat.inputs).size).toBe(2);
  });
});

describe("an activation's derivative", () => {
  const loss = (build: (x: Node, w: Node) => Node) => {
    const x = input("x", [2, 8, 8, 4]);
    const w = input("w", [3, 3, 4, 4]);
    return gradients(sum(square(build(x, w))), [x, w]);
  };

  it("rides in the convolution that computes the gradient behind it", () => {
    const activation = { leakyRelu: 0.2 };
    const outputs = loss((x, w) => conv2d(conv2d(x, w, { activation, padding: 1 }), w, { padding: 1 }));
    expect(kernels(outputs).filter((name) => name.includes("leaky"))).toEqual([]);
    const riding = topological(fuse(outputs)).filter((n) => (n.attrs as { derivative?: boolean }).derivative);
    expect(riding.map(({ op, inputs }) => [op.name, inputs.length])).toEqual([["convTranspose2d", 3]]);
  });

  it("does not where the gradient has more than one source", () => {
    const outputs = loss((x, w) => {
      const y = conv2d(x, w, { activation: "sigmoid", padding: 1 });
      return add(conv2d(y, w, { padding: 1 }), conv2d(y, mul(w, w), { padding: 1 }));
    });
    expect(kernels(outputs)).toContain("add+sigmoidGrad");
  });
});

// --- what is computed -------------------------------------------------------------------------------------------------

/** Fused and not fused: equal but for the rounding of fused multiplications and additions. */
async function expectSame(build: () => Record<string, Node>, change = (nodes: Record<string, Node>) => nodes) {
  const apart = await evaluate(build, { keepAll: true });
  const together = await evaluate(() => change(build()));
  for (const [name, value] of Object.entries(apart)) {
    const scaleOf = Math.max(...value.data.map(Math.abs));
    const worst = Math.max(...value.data.map((v, i) => Math.abs(v - (together[name] as Value).data[i])));
    expect(worst, name).toBeLessThanOrEqual(2 ** -20 * scaleOf);
  }
}

const drawn = () => {
  const random = randomTensors(5);
  return {
    x: leaf(random([2, 5, 7, 3])),
    y: leaf(random([2, 5, 7, 3], 0.5, 2)),
    row: leaf(random([7, 1])),
    channel: leaf(random([3])),
    w: leaf(random([3, 3, 3, 6])),
    t: leaf(random([4, 4, 3, 6])),
    d: leaf(random([36, 8])),
  };
};

it("computes what the same graph computes node by node: broadcasts, ragged channels, sums, statistics", () =>
  expectSame(() => {
    const { x, y, row, channel } = drawn();
    const u = add(mul(x, row), channel);
    const v = div(sub(u, mean(u, { axes: [0, 1, 2], keepDims: true })), y);
    const loss = add(sum(mul(sigmoid(v), exp(scale(x, 0.5)))), mean(variance(square(u), { axes: [0] })));
    const [gx, gy, gr, gc] = gradients(loss, [x, y, row, channel]);
    return { loss, u, v, gx, gy, gr, gc, partial: sum(abs(sub(u, y)), { axes: [1, 2] }) };
  }));

it.each(["sigmoid", "tanh", { leakyRelu: 0.2 }] as const)("and through convolutions with %o", (activation) =>
  expectSame(() => {
    const { x, w, t, d } = drawn();
    const z = conv2d(x, w, { stride: 2, padding: 1, activation });
    const code = dense(
      reshape(conv2d(z, mul(broadcastTo(constant([0.3], [1]), [1, 1, 6, 3]), constant([1], []))), [2, 36]),
      d,
      {
        activation,
      },
    );
    const back = convTranspose2d(
      conv2d(reshape(code, [2, 1, 1, 8]), constant(Array(48).fill(0.1), [1, 1, 8, 6]), { activation }),
      t,
      {
        stride: 2,
        activation,
      },
    );
    const loss = sum(square(back));
    const [gx, gw, gt, gd] = gradients(loss, [x, w, t, d]);
    return { loss, gx, gw, gt, gd };
  }),
);

it("updates weights as the same graph does node by node", async () => {
  const train = async (keepAll: boolean) => {
    const random = randomTensors(9);
    const parameters = new Parameters();
    const w = parameters.create("w", [3, 3, 3, 4], random([3, 3, 3, 4]).data);
    const b = parameters.create("b", [4], random([4]).data);
    const { x } = drawn();
    const build = () => {
      const loss = mean(abs(conv2d(x, w, { bias: b, activation: { leakyRelu: 0.1 } })));
      const found = gradients(loss, parameters);
      return { loss, norm: sumSquares(pack(found)), update: adam(parameters, found, { rate: 0.01, loss }) };
    };
    const program = await compile(gpu, build, { keepAll });
    for (let i = 0; i < 5; i++) await program.run();
    return { loss: await program.read("loss"), w: (await parameters.read(gpu)).get("w") as Float32Array };
  };
  const [apart, together] = [await train(true), await train(false)];
  expect(together.loss[0]).toBeCloseTo(apart.loss[0], 5);
  together.w.forEach((v, i) => {
    expect(v).toBeCloseTo(apart.w[i], 5);
  });
});

it("fails with a planted fault in a fused kernel", async () => {
  const build = () => {
    const { x, y } = drawn();
    return { z: scale(add(scale(x, 2), y), 3) };
  };
  const faulty = ({ z }: Record<string, Node>) => ({ z: sabotage(fuse([z])[0], "* p.k1", "* p.k0") });
  await expectSame(build);
  await expect(expectSame(build, faulty)).rejects.toThrow(/z/);
});
