import { expect } from "vitest";
import { aliasRoot, type BoundTo, type Node, Scratch } from "../../src/engine/graph.js";
import type { Layout } from "../../src/engine/layout.js";
import { type KernelInterface, reflect } from "../../src/engine/shader.js";
import { bytes } from "../../src/engine/shape.js";

/** Bytes [from, to) of a memory, and what was last written there. */
interface Content {
  memory: object;
  from: number;
  to: number;
  holds: object;
}

const faces = new Map<string, KernelInterface>();

/**
 * Plays a layout without numbers. Every dispatch must find what it reads where it was written, no dispatch may read and
 * write one buffer, nothing may leave its slot, a packed buffer holds nothing else, and `outputs` must be there in the
 * end. It asks the layout only where a value lies, and knows nothing of lifetimes.
 */
export function play({ stages, plan, packedIn, ...layout }: Layout, outputs: readonly Node[]): void {
  const slots = plan.slots.map((size) => ({ size }));
  let contents: Content[] = [];
  const packs = new Map<object, Set<object>>();

  /** Where something lies: a slot, a state, a leaf, or the clock. */
  const locate = (bound: BoundTo): Content => {
    if (bound === "clock") return { memory: faces, from: 0, to: 16, holds: faces };
    if (bound instanceof Scratch) return inSlot(bound, 0, bound.bytes, bound);
    if ("state" in bound)
      return { memory: bound.state, from: bound.offset, to: bound.offset + bound.bytes, holds: bound };
    if ("node" in bound) {
      const whole = locate(bound.node);
      return { ...whole, from: whole.from + bound.offset, to: whole.from + bound.offset + bound.bytes };
    }
    const root = aliasRoot(bound);
    const size = bytes(bound.shape);
    if (root.op.name === "parameter") {
      const { owner } = root.attrs as { owner: { window(state: string): { state: object } } };
      return { memory: owner.window("values").state, from: 0, to: size, holds: root };
    }
    if (root.op.kind === "leaf") return { memory: root, from: 0, to: size, holds: root };
    const inside = packedIn.get(root);
    return inside ? inSlot(inside.pack, inside.offset, size, root) : inSlot(root, 0, size, root);
  };
  const inSlot = (value: Node | Scratch, offset: number, size: number, holds: object): Content => {
    const index = layout.valueOf.get(value);
    expect(index, "a value that is used has memory").toBeDefined();
    const memory = slots[plan.slotOf[index as number]];
    expect(offset + size).toBeLessThanOrEqual(memory.size);
    return { memory, from: offset, to: offset + size, holds };
  };
  const isSlot = (memory: object) => (slots as object[]).includes(memory);
  const overlaps = (a: Content, b: Content) => a.memory === b.memory && a.from < b.to && b.from < a.to;

  const expectThere = (node: Node | Scratch, at: Content, why: string) => {
    if (!isSlot(at.memory)) return;
    if (!(node instanceof Scratch) && aliasRoot(node).op.kind === "pack") {
      for (const part of aliasRoot(node).inputs) expectThere(part, locate(part), why);
      return;
    }
    const held = contents.filter((content) => overlaps(content, at));
    expect(
      held.map((content) => content.holds === at.holds),
      why,
    ).toEqual([true]);
  };

  stages.forEach(({ node }) => {
    if (node.op.kind === "pack") packs.set(inSlot(node, 0, bytes(node.shape), node).memory, new Set(node.inputs));
  });
  for (const { node, dispatches } of stages) {
    for (const { kernel, bind } of dispatches) {
      if (!faces.has(kernel.source)) faces.set(kernel.source, reflect(kernel));
      const { bindings } = faces.get(kernel.source) as KernelInterface;
      const storage = bindings.filter((b) => b.type !== "uniform");
      expect(Object.keys(bind).sort()).toEqual(storage.map((b) => b.name).sort());
      const read = new Set<object>();
      const written: Content[] = [];
      for (const { name, type } of storage) {
        const bound = bind[name];
        const at = locate(bound);
        if (type === "storage") {
          written.push(at);
        } else {
          read.add(at.memory);
          const what = typeof bound === "object" && "node" in bound ? bound.node : bound;
          if (what instanceof Scratch || (typeof what === "object" && "op" in what)) {
            expectThere(what, at, `${node.op.name}: ${kernel.name} reads ${name}`);
          }
        }
      }
      for (const at of written) {
        expect(read.has(at.memory), `${node.op.name}: ${kernel.name} reads and writes one buffer`).toBe(false);
        if (!isSlot(at.memory)) continue;
        const mine = packs.get(at.memory);
        if (mine) expect(mine.has(at.holds), `${node.op.name} writes into a packed buffer`).toBe(true);
        contents = contents.filter((content) => !overlaps(content, at));
        contents.push(at);
      }
    }
  }
  for (const output of outputs) {
    if (output.op.kind !== "effect") expectThere(output, locate(output), `output ${output.op.name}`);
  }
}
