import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitBatches } from "../../src/engine/batch.js";
import { type Node, type Target, topological } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import { pack, sumSquares } from "../../src/engine/ops/pack.js";
import { type Lifetime, planSlots } from "../../src/engine/plan.js";
import { bytes, elements } from "../../src/engine/shape.js";
import {
  adam,
  add,
  concat,
  constant,
  gradients,
  input,
  mul,
  Parameters,
  reshape,
  scale,
  sigmoid,
  slice,
  square,
  sum,
} from "../../src/index.js";
import { autoencoder } from "./autoencoder.js";
import { play } from "./memory.js";

const target: Target = { subgroupSize: 8, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };
const total = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);

describe("planSlots", () => {
  const lifetimes = fc.array(
    fc
      .record({ bytes: fc.integer({ min: 1, max: 20 }), first: fc.nat(15), length: fc.nat(6) })
      .map(({ bytes, first, length }): Lifetime => ({ bytes: bytes * 16, first, last: first + length })),
    { maxLength: 30 },
  );

  it("no two live values share a slot, each fits its slot, and the lower bound holds", () => {
    fc.assert(
      fc.property(lifetimes, (values) => {
        const { slots, slotOf, lowerBound } = planSlots(values);
        expect(slotOf).toHaveLength(values.length);
        const most = Math.max(
          0,
          ...Array.from({ length: 25 }, (_, at) =>
            total(values.filter((v) => v.first <= at && at <= v.last).map((v) => v.bytes)),
          ),
        );
        expect(lowerBound).toBe(most);
        expect(total(slots)).toBeGreaterThanOrEqual(lowerBound);
        // Every slot is as large as its largest value, so none is larger than needed.
        slots.forEach((size, slot) => {
          expect(size).toBe(Math.max(...values.filter((_, i) => slotOf[i] === slot).map((v) => v.bytes)));
        });
        values.forEach((a, i) => {
          values.slice(i + 1).forEach((b, j) => {
            const together = a.first <= b.last && b.first <= a.last;
            if (together) expect(slotOf[i]).not.toBe(slotOf[i + 1 + j]);
          });
        });
      }),
      { numRuns: 500 },
    );
  });

  it("reuses memory at once: of values of one size it takes no more than are alive together", () => {
    fc.assert(
      fc.property(lifetimes, (values) => {
        // For intervals of one size, first fit in the order of their beginnings is optimal; the planner keeps that order.
        const even = values.map((v) => ({ ...v, bytes: 16 })).sort((a, b) => a.first - b.first);
        const { slots, lowerBound } = planSlots(even);
        expect(total(slots)).toBe(lowerBound);
      }),
    );
  });

  it("is nothing for nothing", () => {
    expect(planSlots([])).toEqual({ slots: [], slotOf: [], lowerBound: 0 });
  });
});

/** Random graphs of pointwise ops, reshapes with and without a copy, concats, slices, sums and packs. */
const graphs = fc.array(fc.tuple(fc.nat(9), fc.nat(), fc.nat()), { minLength: 1, maxLength: 40 }).map((steps) => {
  const nodes: Node[] = [input("x", [2, 6]), constant([1, 2, 3], [3])];
  for (const [kind, i, j] of steps) {
    const a = nodes[i % nodes.length];
    const peers = nodes.filter((n) => n.shape.join() === a.shape.join());
    const b = peers[j % peers.length];
    const n = elements(a.shape);
    const last = a.shape.at(-1) ?? 1;
    if (kind <= 1) nodes.push(scale(a, 2));
    else if (kind <= 3) nodes.push(add(a, b));
    else if (kind === 4) nodes.push(mul(b, sigmoid(a)));
    else if (kind === 5) nodes.push(reshape(a, j % 2 ? [n] : [n / last, last]));
    else if (kind === 6 && n < 200) nodes.push(reshape(concat([reshape(a, [n]), reshape(b, [n])]), [2, n]));
    else if (kind === 7) nodes.push(slice(reshape(a, [n]), [j % n], [n - (j % n)]));
    else if (kind === 8) nodes.push(sum(a, { axes: a.shape.length ? [j % a.shape.length] : [] }));
    else nodes.push(sumSquares(pack([a, b, nodes[j % nodes.length]])));
  }
  return nodes;
});
const some = fc.array(fc.nat(), { minLength: 1, maxLength: 4 });

describe("layOut", () => {
  const pick = (nodes: Node[], picks: number[]) => picks.map((i) => nodes[i % nodes.length]);

  it("gives every value of a random graph memory that nothing else touches while it is needed", () => {
    fc.assert(
      fc.property(graphs, some, (nodes, picks) => {
        const outputs = pick(nodes, picks);
        play(layOut(outputs, target), outputs);
      }),
      { numRuns: 300 },
    );
  });

  it("with keepAll every node is there in the end", () => {
    fc.assert(
      fc.property(graphs, some, (nodes, picks) => {
        const outputs = pick(nodes, picks);
        const layout = layOut(outputs, target, true);
        play(layout, topological(outputs));
        expect(layout.kept.size).toBe(layout.valueOf.size);
      }),
      { numRuns: 100 },
    );
  });

  it("asks for no more than a fifth above the lower bound, for the graphs that it is made for", () => {
    const { plan } = layOut(Object.values(autoencoder().train()), target);
    expect(total(plan.slots)).toBeLessThanOrEqual(1.2 * plan.lowerBound);
  });

  it("an alias needs no memory, and keeps that of its input", () => {
    const x = scale(input("x", [4, 8]), 2);
    const y = reshape(x, [8, 4]);
    const others = [scale(y, 1), scale(scale(y, 2), 3)];
    const layout = layOut([y, ...others], target);
    expect(layout.valueOf.has(y)).toBe(false);
    expect(layout.kept.has(x)).toBe(true);
    play(layout, [y, x, ...others]);
  });

  it("packed nodes share with nothing, before and after", () => {
    const x = input("x", [8, 4]);
    // Values of the packed buffer's size that die before it is written and are born after it is read.
    const before = scale(scale(scale(x, 1), 2), 3);
    const flat = pack([scale(before, 4), scale(before, 5)]);
    const norm = sumSquares(flat);
    const after = scale(scale(add(x, norm), 6), 7);
    const layout = layOut([after], target);
    const slot = layout.plan.slotOf[layout.valueOf.get(flat) as number];
    expect(layout.plan.slotOf.filter((s) => s === slot)).toHaveLength(1);
    play(layout, [after]);
  });

  it("copies into a pack what has a place already: leaves, aliases, duplicates, and what another entry reads", () => {
    const x = input("x", [8]);
    const a = scale(x, 2);
    const b = square(a);
    const first = pack([x, a, reshape(a, [2, 4]), b, b, a]);
    const second = pack([b, scale(x, 3)]);
    const copies = (node: Node) => node.inputs.map((each) => each.op.name === "copy");
    expect(copies(first)).toEqual([true, true, true, true, true, true]);
    expect(copies(second)).toEqual([false, false]);
    const third = pack([second.inputs[1], scale(x, 4)]);
    expect(copies(third)).toEqual([true, false]);
    const outputs = [first, second, third].map(sumSquares);
    play(layOut(outputs, target), outputs);
  });

  it("one gradient of two parameters is packed in two places", () => {
    const parameters = new Parameters();
    const [a, b] = ["a", "b"].map((name) => parameters.create(name, [4], [1, 2, 3, 4]));
    const loss = sum(square(add(a, b)));
    const outputs = [loss, adam(parameters, gradients(loss, parameters), { rate: 0.1 })];
    play(layOut(outputs, target), outputs);
  });
});

describe("a training step with Adam and clipping", () => {
  const styles: [string, Target][] = [
    ["subgroup kernels", target],
    ["baseline kernels on a CPU", { ...target, kernels: { "*": "baseline" } }],
    ["kernels for a GPU", { ...target, cpu: false, subgroupSize: 32 }],
  ];
  it.each(styles)("%s: every dispatch finds what it reads, and reads no buffer that it writes", (_, on) => {
    const outputs = Object.values(autoencoder().train());
    const layout = layOut(outputs, on);
    expect(layout.stages.flatMap((stage) => stage.dispatches).length).toBeGreaterThan(50);
    play(layout, outputs);
  });

  it.each([20_480, 30_000])("sliced to %i bytes too", (limit) => {
    const on = { ...target, maxBindingBytes: limit };
    const outputs = fitBatches(Object.values(autoencoder().train()), limit).flat();
    const layout = layOut(outputs, on);
    play(layout, outputs);
    const packed = layout.stages.flatMap(({ node }) => (node.op.kind === "pack" ? [bytes(node.shape)] : []));
    // The flat gradients alone exceed the smaller limit: they are bound in windows.
    expect(Math.max(...packed) > limit).toBe(limit === 20_480);
  });

  it("a slot too few is noticed", () => {
    const outputs = Object.values(autoencoder().train());
    const layout = layOut(outputs, target);
    const { slotOf, slots } = layout.plan;
    const largest = slots.indexOf(Math.max(...slots));
    const squeezed = slotOf.map((slot) => (slot === largest + 1 ? largest : slot));
    expect(() => play({ ...layout, plan: { ...layout.plan, slotOf: squeezed } }, outputs)).toThrow();
  });
});
