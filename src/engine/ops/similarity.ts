import forward from "../../../shaders/similarity.wgsl";
import gradient from "../../../shaders/similarity_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, elements, lastBlocks } from "../shape.js";

export interface SimilarityAttrs {
  /** Channels of the pictures. */
  readonly channels: number;
  /** Luminance as well, or contrast and structure only. */
  readonly whole: boolean;
  /** The constant beside the squared means. */
  readonly c1: number;
  /** The constant beside the variances. */
  readonly c2: number;
}

const similarityOp: Op<SimilarityAttrs> = {
  name: "similarity",
  shape([m], { channels }) {
    if (m.length !== 4 || m[3] !== 20 * Math.ceil(channels / 4)) {
      refuse(
        "similarity",
        [m],
        `the means of ${channels} channels have shape [N, H, W, ${20 * Math.ceil(channels / 4)}]`,
      );
    }
    return [...m.slice(0, 3), channels];
  },
  lower(node) {
    const { channels, whole, c1, c2 } = node.attrs;
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel("similarity", forward),
        bind: { m: node.inputs[0], y: node },
        uniform: { count, c4: lastBlocks(node.shape), channels, whole: whole ? 1 : 0, c1, c2 },
        groups: linear(count),
        flops: 20 * elements(node.shape),
      },
    ];
  },
  backward: (node, gy) => [makeNode(gradOp, [node.inputs[0], gy], node.attrs)],
  rows: (node, from, count, part) => makeNode(similarityOp, [part(node.inputs[0], from, count)], node.attrs),
};

const gradOp: Op<SimilarityAttrs> = {
  name: "similarityGrad",
  shape: ([m]) => m,
  lower(node) {
    const [m, g] = node.inputs;
    const { whole, c1, c2 } = node.attrs;
    const count = blocks(g.shape);
    return [
      {
        kernel: kernel("similarity_grad", gradient),
        bind: { m, g, y: node },
        uniform: { count, c4: lastBlocks(g.shape), whole: whole ? 1 : 0, c1, c2 },
        groups: linear(count),
        flops: 40 * elements(g.shape),
      },
    ];
  },
  rows(node, from, count, part) {
    const inputs = node.inputs.map((input) => part(input, from, count));
    return makeNode(gradOp, inputs, node.attrs);
  },
};

/**
 * The structural similarity of each window and channel from the window's means of `pairMeans` (Wang, Bovik, Sheikh,
 * Simoncelli, 2004): l·cs, or cs alone, with l = (2·Ex·Ey + c1) / (Ex² + Ey² + c1) and
 * cs = (2·(Exy − Ex·Ey) + c2) / (Exx − Ex² + Eyy − Ey² + c2).
 * @param means [N, H, W, 5 · 4·⌈channels / 4⌉], weighted by weights that sum to 1; c1 and c2 > 0, large enough that no
 *   rounding of the variances comes near −c2: for values of about 1, 1e-4 and 9e-4 are
 * @returns [N, H, W, channels]
 * @throws ShapeError if the means are not those of so many channels
 */
export function similarity(means: Node, attrs: SimilarityAttrs): Node {
  return makeNode(similarityOp, [means], attrs);
}
