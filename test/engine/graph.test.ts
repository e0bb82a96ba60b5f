import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitBatches } from "../../src/engine/batch.js";
import { ShapeError } from "../../src/engine/errors.js";
import { aliasRoot, makeNode, type Node, type Op, topological, traced } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import {
  add,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  dense,
  gradients,
  input,
  Parameters,
  random,
  reshape,
  scale,
  slice,
  split,
  sum,
  variance,
} from "../../src/index.js";

const target = { subgroupSize: 8, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };

describe("topological order", () => {
  it("puts inputs first and every reachable node once", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 40 }), (picks) => {
        const nodes: Node[] = [input("x", [4])];
        for (const [a, b] of picks) nodes.push(add(nodes[a % nodes.length], nodes[b % nodes.length]));
        const roots = [nodes.at(-1) as Node, nodes[nodes.length >> 1]];
        const order = topological(roots);
        expect(new Set(order).size).toBe(order.length);
        for (const root of roots) expect(order).toContain(root);
        order.forEach((node, i) => {
          for (const x of node.inputs) {
            const at = order.indexOf(x);
            expect(at).toBeGreaterThanOrEqual(0);
            expect(at).toBeLessThan(i);
          }
        });
      }),
    );
  });

  it("runs effects after everything else, in the outputs' order, also where they are named first", () => {
    const effect: Op<{ name: string }> = { name: "effect", kind: "effect", shape: () => [] };
    const x = input("x", [4]);
    const first = makeNode(effect, [scale(x, 2)], { name: "first" });
    const second = makeNode(effect, [scale(x, 3), x], { name: "second" });
    const y = sum(scale(x, 5));
    const order = topological([first, second, y]);
    expect(order.slice(-2)).toEqual([first, second]);
    expect(order.indexOf(y)).toBeLessThan(order.indexOf(first));
    expect(order).toHaveLength(7);
  });
});

describe("20,000 nodes in a row", () => {
  const DEEP = 20_000;

  it("do not overflow the stack in order, gradients, fitting and layout", () => {
    const x = input("x", [4]);
    let y: Node = x;
    for (let i = 0; i < DEEP; i++) y = scale(y, 1);
    expect(topological([y])).toHaveLength(DEEP + 1);
    const [gx] = gradients(sum(y), [x]);
    const outputs = fitBatches([gx], target.maxBindingBytes).flat();
    expect(outputs).toEqual([gx]);
    // A chain needs two slots by turns, however long it is; the output lies in one of them.
    expect(layOut(outputs, target).plan.slots).toHaveLength(2);
  });

  it("neither do half as many aliases of aliases", () => {
    const x = scale(input("x", [4]), 2);
    let y = x;
    for (let i = 0; i < DEEP / 2; i++) y = reshape(y, i % 2 ? [4] : [1, 4]);
    expect(aliasRoot(y)).toBe(x);
    expect(layOut([y], target).plan.slots).toEqual([16]);
  });
});

describe("shape errors name op, shapes and rule", () => {
  const x = input("x", [2, 8, 8, 3]);
  const of = (...shape: number[]) => input("y", shape);
  const cases: [string, () => unknown, RegExp][] = [
    ["add", () => add(x, of(2, 8, 7, 3)), /^add\(\[2, 8, 8, 3\], \[2, 8, 7, 3\]\): .*equal, or one of them 1$/],
    ["conv2d channels", () => conv2d(x, of(3, 3, 4, 8)), /^conv2d\(.*\): x has 3 channels, w takes 4$/],
    ["conv2d bias", () => conv2d(x, of(3, 3, 3, 8), { bias: of(7) }), /the bias must be \[8\]$/],
    ["conv2d stride", () => conv2d(x, of(3, 3, 3, 8), { stride: 0 }), /stride 0 must be a whole number/],
    ["conv2d kernel", () => conv2d(x, of(9, 9, 3, 8)), /the 9×9 kernel is larger/],
    ["convTranspose2d", () => convTranspose2d(x, of(3, 3, 8, 4)), /^convTranspose2d\(.*x has 3 channels, w takes 4/],
    ["output padding", () => convTranspose2d(x, of(3, 3, 8, 3), { outputPadding: 1 }), /output padding \[1,1\]/],
    ["dense", () => dense(of(2, 5), of(6, 3)), /^dense\(\[2, 5\], \[6, 3\]\): x must be/],
    ["reshape", () => reshape(x, [2, 8, 8, 4]), /^reshape\(\[2, 8, 8, 3\]\): 384 values do not fill \[2, 8, 8, 4\]$/],
    ["slice", () => slice(x, [0, 0, 0, 2], [2, 8, 8, 2]), /^slice\(.*must give a box inside the input$/],
    ["split", () => split(x, 3), /^split\(\[2, 8, 8, 3\]\): axis 0 does not divide into 3/],
    ["concat", () => concat([x, of(2, 8, 8, 4)]), /^concat\(.*all axes but axis 0 must be equal$/],
    ["sum", () => sum(x, { axes: [4] }), /^sum\(\[2, 8, 8, 3\]\): axes \[4\]/],
    ["variance", () => variance(of(1, 4), { axes: [0] }), /^variance\(\[1, 4\]\): needs at least 2 values/],
    ["five axes", () => input("z", [1, 1, 1, 1, 1]), /^input: a result of shape \[1, 1, 1, 1, 1\]; .*at most 4 axes/],
    ["an empty axis", () => input("z", [2, 0]), /none empty$/],
    ["a broken axis", () => input("z", [2.5]), /^input: a result of shape \[2.5\]/],
  ];
  it.each(cases)("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });

  it("constants and parameters count their values", () => {
    expect(() => constant([1, 2, 3], [2, 2])).toThrow("constant: 3 values for shape [2, 2], which holds 4");
    expect(() => new Parameters().create("w", [2], [1])).toThrow('parameter "w": 1 values, but shape [2] holds 2');
  });
});

it("random streams count from zero in every trace, also after a trace that threw or holds another", () => {
  const stream = () => (random([4]).attrs as { stream: number }).stream;
  expect(traced(() => [stream(), stream()])).toEqual([0, 1]);
  const broken = () =>
    traced(() => {
      stream();
      throw new Error("broken");
    });
  expect(broken).toThrow("broken");
  expect(traced(() => [stream(), traced(stream), stream()])).toEqual([0, 0, 1]);
  expect(stream).toThrow(/call it inside compile\(\)/);
});
