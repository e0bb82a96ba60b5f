import { chosen, signatureOf } from "./candidates.js";
import { aliasRoot, type Dispatch, type Node, Scratch, type Target, topological } from "./graph.js";
import type { PackAttrs } from "./ops/pack.js";
import { type Lifetime, planSlots, type SlotPlan } from "./plan.js";
import { bytes, format } from "./shape.js";

/** A node with the dispatches that compute it. */
interface Stage {
  node: Node;
  dispatches: Dispatch[];
  /** The name of the kernel that was chosen, for an op that has several. */
  choice?: string;
}

/** A graph laid out: what runs in which order, and which memory each value has. Needs no GPU. */
export interface Layout {
  stages: Stage[];
  plan: SlotPlan;
  /** Index of each planned value (node or scratch) in the plan. */
  valueOf: Map<Node | Scratch, number>;
  /** The packed buffer that a node lies in, and where. */
  packedIn: Map<Node, { pack: Node; offset: number }>;
  /** Values whose memory is not used again after them: those that can be read after a step. */
  kept: Set<Node | Scratch>;
}

/** Orders, lowers and plans a graph. */
export function layOut(outputs: readonly Node[], target: Target, keepAll = false): Layout {
  const stages = topological(outputs).map((node): Stage => {
    const choice = node.op.candidates && chosen(node, target).name;
    return { node, dispatches: node.op.lower?.(node, target) ?? [], choice };
  });
  const packedIn: Layout["packedIn"] = new Map();
  for (const { node } of stages) {
    if (node.op.kind !== "pack") continue;
    const { offsets } = node.attrs as PackAttrs;
    node.inputs.forEach((x, i) => {
      packedIn.set(x, { pack: node, offset: offsets[i] });
    });
  }
  // The value that holds a node's numbers: itself, or what it is an alias or a part of; none for leaves and effects.
  const home = (node: Node): Node | undefined => {
    const root = aliasRoot(node);
    if (root.op.kind === "leaf" || root.op.kind === "effect") return undefined;
    return packedIn.get(root)?.pack ?? root;
  };
  const end = stages.length;
  const values: (Node | Scratch)[] = [];
  const lives: { -readonly [K in keyof Lifetime]: Lifetime[K] }[] = [];
  const known: Layout["valueOf"] = new Map();
  const live = (value: Node | Scratch, size: number, at: number) => {
    const index = known.get(value);
    if (index === undefined) {
      known.set(value, values.push(value) - 1);
      lives.push({ bytes: size, first: at, last: at });
    } else {
      lives[index].last = at;
    }
  };
  stages.forEach(({ node, dispatches }, at) => {
    for (const touched of [...node.inputs, node]) {
      const value = home(touched);
      if (value) live(value, bytes(value.shape), at);
    }
    for (const { bind } of dispatches) {
      for (const bound of Object.values(bind)) if (bound instanceof Scratch) live(bound, bound.bytes, at);
    }
  });
  const forever = new Set(outputs.map(home));
  const kept: Layout["kept"] = new Set();
  values.forEach((value, i) => {
    // The gaps of a packed buffer must stay zero, so it shares its slot with nothing.
    const packed = !(value instanceof Scratch) && value.op.kind === "pack";
    if (packed) lives[i].first = -1;
    if (packed || keepAll || forever.has(value as Node)) {
      lives[i].last = end;
      kept.add(value);
    }
  });
  return { stages, plan: planSlots(lives), valueOf: known, packedIn, kept };
}

/** The slot of a node or of scratch memory; undefined for what is not planned here. */
export function slotOf(layout: Layout, value: Node | Scratch): number | undefined {
  const index = layout.valueOf.get(value);
  return index === undefined ? undefined : layout.plan.slotOf[index];
}

/** The kernels that were chosen, by their nodes' signatures: as `kernels` of another program, they are chosen again. */
export const choicesOf = ({ stages }: Layout): Record<string, string> =>
  Object.fromEntries(stages.flatMap(({ node, choice }) => (choice ? [[signatureOf(node), choice]] : [])));

/** Floating-point operations of one step, counted from the shapes. */
export const flopsOf = ({ stages }: Layout): number =>
  stages.flatMap((stage) => stage.dispatches).reduce((total, { flops = 0 }) => total + flops, 0);

/** The layout in words: each dispatch with kernel, shapes, slot and bytes, then the memory. */
export function dump(layout: Layout): string {
  const lines: string[] = [];
  const place = (node: Node): string => {
    if (node.op.kind === "alias") return place(node.inputs[0]);
    if (node.op.kind === "leaf") return node.op.name;
    const inside = layout.packedIn.get(node);
    if (inside) return `${place(inside.pack)}+${inside.offset}`;
    return node.op.kind === "effect" ? "state" : `slot ${slotOf(layout, node)}`;
  };
  for (const { node, dispatches } of layout.stages) {
    dispatches.forEach(({ kernel, groups, flops }, i) => {
      const inputs = node.inputs.map((x) => format(x.shape)).join(" ");
      const value = `${inputs} → ${format(node.shape)}  ${place(node)}, ${bytes(node.shape)} bytes`;
      const work = flops ? `, ${(flops / 1e6).toFixed(2)} MFLOP` : "";
      const index = String(lines.length + 1).padStart(4);
      const head = `${index}  ${node.op.name.padEnd(18)} ${kernel.name.padEnd(32)} ${groups.join("×").padEnd(10)}`;
      lines.push(`${head} ${i ? "(same node)" : value + work}`);
    });
  }
  const { slots, lowerBound } = layout.plan;
  const planned = slots.reduce((a, b) => a + b, 0);
  const work = (flopsOf(layout) / 1e9).toFixed(4);
  lines.push(`${slots.length} slots, ${planned} bytes (at least ${lowerBound}); ${work} GFLOP a step`);
  slots.forEach((size, i) => {
    lines.push(`  slot ${i}: ${size} bytes`);
  });
  return lines.join("\n");
}
