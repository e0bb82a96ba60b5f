import reduce from "../../../shaders/reduce.wgsl";
import { lowerChosen } from "../candidates.js";
import { aliasRoot, makeNode, type Node, type Op, Scratch } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { bytes } from "../shape.js";
import { addPartials, splitsOf, summings } from "./partialSums.js";
import { copy } from "./reshape.js";

/** Entries of flat buffers begin at multiples of this many bytes, WebGPU's binding alignment. */
export const ALIGN = 256;

/** Byte offsets of entries in a flat buffer, and its whole size. */
export function flatLayout(sizes: readonly number[]): { offsets: number[]; bytes: number } {
  const offsets: number[] = [];
  let at = 0;
  for (const size of sizes) {
    offsets.push(at);
    at += Math.ceil(size / ALIGN) * ALIGN;
  }
  return { offsets, bytes: at };
}

/** Ranges of a flat buffer, each at most `limit` bytes: how one that is larger than a binding is worked on. */
export function windows(total: number, limit: number): { offset: number; bytes: number }[] {
  const step = Math.floor(limit / ALIGN) * ALIGN;
  const out: { offset: number; bytes: number }[] = [];
  for (let offset = 0; offset < total; offset += step) out.push({ offset, bytes: Math.min(step, total - offset) });
  return out;
}

/** What the planner and the kernels need to know of a packed buffer. */
export interface PackAttrs {
  readonly offsets: readonly number[];
  readonly bytes: number;
}

/** Inputs live inside the output: their kernels write there, and nothing is copied. Its shape is of whole vec4s. */
const packOp: Op<PackAttrs> = {
  name: "pack",
  kind: "pack",
  shape: (_, attrs) => [attrs.bytes / 16, 4],
};

const packed = new WeakSet<Node>();
const packs = new WeakMap<readonly Node[], Node<PackAttrs>>();

/**
 * The nodes in one flat buffer. Of an alias, what it stands for is placed there. A node that has a place of its own
 * already (a leaf, one packed before) or that another of the list reads (WebGPU forbids reading and writing one buffer in a dispatch) is copied.
 */
export function pack(nodes: readonly Node[]): Node<PackAttrs> {
  const known = packs.get(nodes);
  if (known) return known;
  const roots = nodes.map(aliasRoot);
  const readInside = new Set(roots.flatMap((node) => node.inputs.map(aliasRoot)));
  // Of a node that is listed twice (one gradient of both operands of a sum), every place holds a copy.
  roots.forEach((node, i) => {
    if (roots.indexOf(node) !== i) readInside.add(node);
  });
  const inside = roots.map((node) => {
    const fresh = node.op.kind === undefined && !packed.has(node) && !readInside.has(node);
    const own = fresh ? node : copy(node);
    packed.add(own);
    return own;
  });
  const layout = flatLayout(nodes.map((node) => bytes(node.shape)));
  const node = makeNode(packOp, inside, layout);
  packs.set(nodes, node);
  return node;
}

const sumSquaresOp: Op<Record<string, never>> = {
  name: "sumSquares",
  shape: () => [],
  lower: lowerChosen,
  candidates: (node, target) =>
    summings((summing) => {
      const flat = node.inputs[0] as Node<PackAttrs>;
      const parts = windows(flat.attrs.bytes, target.maxBindingBytes);
      const splits = splitsOf(summing.splits, parts[0].bytes / 16, parts.length, target);
      // Every window has its own partial sums; the second pass adds them all in order.
      const partial = new Scratch(splits * parts.length * 16);
      return [
        ...parts.map((part, i) => ({
          kernel: kernel("reduce", reduce),
          bind: { x0: { node: flat, ...part }, partial },
          uniform: {
            ...{ outputs: 1, splits, positions: part.bytes / 16, kn1: 1, ks0: 0, ks1: 0, rn1: 1, rs0: 1, rs1: 0 },
            ...{ square: 1, to: i * splits },
          },
          groups: linear(splits),
        })),
        addPartials(node, partial, { outputs: 1, splits: splits * parts.length, lanes: true, tree: summing.tree }),
      ];
    }),
};

/** Σ g² over a packed buffer. */
export const sumSquares = (flat: Node<PackAttrs>): Node => makeNode(sumSquaresOp, [flat], {});
