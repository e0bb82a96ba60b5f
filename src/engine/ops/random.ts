import source from "../../../shaders/random.wgsl";
import { makeNode, type Node, nextStream, type Op } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, lastBlocks, type Shape } from "../shape.js";

interface RandomAttrs {
  readonly shape: Shape;
  readonly stream: number;
}

const randomOp: Op<RandomAttrs> = {
  name: "random",
  shape: (_, { shape }) => shape,
  lower(node) {
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel("random", source),
        bind: { clock: "clock", y: node },
        uniform: { count, last: node.shape.at(-1) ?? 1, row4: lastBlocks(node.shape), stream: node.attrs.stream },
        groups: linear(count),
      },
    ];
  },
};

/**
 * Uniform numbers in [0, 1), new ones every step: Philox keyed by the program's seed, its step and the stream. Two nodes
 * of one stream hold the same numbers; without a stream each call in a program gets its own.
 */
export function random(shape: Shape, stream = nextStream()): Node {
  return makeNode(randomOp, [], { shape, stream });
}
