import source from "../../../shaders/random.wgsl";
import { makeNode, type Node, nextStream, type Op } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, lastBlocks, type Shape } from "../shape.js";

interface RandomAttrs {
  readonly shape: Shape;
  readonly stream: number;
}

const randomOp = (name: "random" | "normal"): Op<RandomAttrs> => ({
  name,
  shape: (_, { shape }) => shape,
  lower(node) {
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel(name, source, { NORMAL: name === "normal" ? 1 : 0 }),
        bind: { clock: "clock", y: node },
        uniform: { count, last: node.shape.at(-1) ?? 1, row4: lastBlocks(node.shape), stream: node.attrs.stream },
        groups: linear(count),
      },
    ];
  },
});
const uniformOp = randomOp("random");
const normalOp = randomOp("normal");

/**
 * Uniform numbers in [0, 1), new ones every step: Philox keyed by the program's seed, its step and the stream. Two nodes
 * of one stream hold the same numbers; without a stream each call in a program gets its own.
 */
export function random(shape: Shape, stream = nextStream()): Node {
  return makeNode(uniformOp, [], { shape, stream });
}

/**
 * Standard normal numbers, new ones every step, each of magnitude below 6.77: Box-Muller from the words that `random`
 * draws of the same stream, pair by pair as `normal` in philox.ts. Finite always. The logarithm and cosine are the
 * adapter's, so other adapters' numbers differ in the last digits.
 */
export function normal(shape: Shape, stream = nextStream()): Node {
  return makeNode(normalOp, [], { shape, stream });
}
