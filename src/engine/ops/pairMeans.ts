import forward from "../../../shaders/pair_means.wgsl";
import gradient from "../../../shaders/pair_means_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel } from "../lower.js";
import { elements, lastBlocks, sameShape } from "../shape.js";
import { type Pair, rowGroups } from "./filter2d.js";
import { constant } from "./leaf.js";

interface MeansAttrs {
  /** Rows and columns of the taps. */
  readonly size: Pair;
  readonly stride: Pair;
}

const pairMeansOp: Op<MeansAttrs> = {
  name: "pairMeans",
  shape([x, y], { size, stride }) {
    if (x.length !== 4 || !sameShape(x, y)) refuse("pairMeans", [x, y], "both must have one shape, [N, H, W, C]");
    if (stride.some((s) => !Number.isInteger(s) || s < 1)) {
      refuse("pairMeans", [x, y], `the stride ${stride.join(" × ")} must be whole numbers from 1`);
    }
    if (size[0] > x[1] || size[1] > x[2]) {
      refuse("pairMeans", [x, y], `a window of ${size.join("×")} does not fit into ${x[1]}×${x[2]} pixels`);
    }
    const [h, w] = size.map((k, i) => Math.floor((x[i + 1] - k) / stride[i]) + 1);
    return [x[0], h, w, 20 * lastBlocks(x)];
  },
  lower(node) {
    const [x, y, taps] = node.inputs;
    const [n, h, w, c] = x.shape;
    const [, oh, ow] = node.shape;
    const { size, stride } = node.attrs;
    const c4 = lastBlocks(x.shape);
    return [
      {
        kernel: kernel("pair_means", forward),
        bind: { x, y, taps, m: node },
        uniform: { c4, h, w, oh, ow, kh: size[0], kw: size[1], sh: stride[0], sw: stride[1] },
        groups: rowGroups(node.shape, c4),
        flops: 13 * size[0] * size[1] * n * oh * ow * c,
      },
    ];
  },
  backward(node, gy) {
    const [x, y, taps] = node.inputs;
    const of = (operand: 0 | 1, a: Node, b: Node) => makeNode(gradOp, [gy, a, b, taps], { ...node.attrs, operand });
    return [of(0, x, y), of(1, y, x), undefined];
  },
  rows({ inputs: [x, y, taps], attrs }, from, count, part) {
    return makeNode(pairMeansOp, [part(x, from, count), part(y, from, count), taps], attrs);
  },
};

interface GradAttrs extends MeansAttrs {
  /** Whose gradient: 0 for x, 1 for y. */
  readonly operand: 0 | 1;
}

const gradOp: Op<GradAttrs> = {
  name: "pairMeansGrad",
  shape: ([, a]) => a,
  lower(node) {
    const [g, a, b, taps] = node.inputs;
    const [n, h, w] = g.shape;
    const [, oh, ow, c] = node.shape;
    const { size, stride, operand } = node.attrs;
    const c4 = lastBlocks(node.shape);
    return [
      {
        kernel: kernel("pair_means_grad", gradient),
        bind: { g, a, b, taps, y: node },
        uniform: { c4, h, w, oh, ow, kh: size[0], kw: size[1], sh: stride[0], sw: stride[1], operand, channels: c },
        groups: rowGroups(node.shape, c4),
        flops: 6 * size[0] * size[1] * n * h * w * c + 4 * elements(node.shape),
      },
    ];
  },
  rows({ inputs: [g, a, b, taps], attrs }, from, count, part) {
    return makeNode(gradOp, [...[g, a, b].map((input) => part(input, from, count)), taps], attrs);
  },
};

/**
 * The weighted means over windows of x, y, x², y² and x·y in one tensor: what the windows' means, variances and covariance
 * are made of. Five groups of channels, each padded by zeros to a multiple of four:
 * Σ taps[a][b] · x[n, i·stride + a, j·stride + b, c] and so on, for windows that lie inside of the picture.
 * @param x [N, H, W, C]
 * @param y [N, H, W, C]
 * @param taps rows of equal length, fixed, rounded to float32
 * @param stride down and across
 * @returns [N, ⌊(H − rows) / stride⌋ + 1, ⌊(W − columns) / stride⌋ + 1, 5 · 4·⌈C / 4⌉]
 * @throws ShapeError unless both shapes are equal and a window fits
 */
export function pairMeans(x: Node, y: Node, taps: readonly (readonly number[])[], stride: Pair = [1, 1]): Node {
  const size = [taps.length, taps[0].length] as const;
  return makeNode(pairMeansOp, [x, y, constant(taps.flat(), [size[0] * size[1]])], { size, stride });
}
