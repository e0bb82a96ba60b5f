import shuffle from "../../../shaders/pixel_shuffle.wgsl";
import unshuffle from "../../../shaders/pixel_unshuffle.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, lastBlocks, type Shape } from "../shape.js";

interface ShuffleAttrs {
  /** How much larger a picture becomes, or how much smaller, both ways. */
  readonly r: number;
}

function check(op: string, x: Shape, { r }: ShuffleAttrs): void {
  if (x.length !== 4) refuse(op, [x], "x must be [N, H, W, C]");
  if (!Number.isInteger(r) || r < 1) refuse(op, [x], `the factor ${r} must be a whole number from 1`);
}

/** Each is the other's gradient, since both only move numbers. */
const shuffleOp = (name: "pixelShuffle" | "pixelUnshuffle", other: () => Op<ShuffleAttrs>): Op<ShuffleAttrs> => {
  const op: Op<ShuffleAttrs> = {
    name,
    shape([x], attrs) {
      check(name, x, attrs);
      const { r } = attrs;
      const [n, h, w, c] = x;
      if (name === "pixelShuffle") {
        if (c % r ** 2) refuse(name, [x], `${c} channels do not divide by ${r}² = ${r ** 2}`);
        return [n, h * r, w * r, c / r ** 2];
      }
      if (h % r || w % r) refuse(name, [x], `${h}×${w} pixels do not divide by ${r}`);
      return [n, h / r, w / r, c * r ** 2];
    },
    lower(node) {
      const [x] = node.inputs;
      const [, , width, c] = node.shape;
      const count = blocks(node.shape);
      return [
        {
          kernel: name === "pixelShuffle" ? kernel("pixel_shuffle", shuffle) : kernel("pixel_unshuffle", unshuffle),
          bind: { x, y: node },
          uniform: {
            ...{ count, width, c, c4: lastBlocks(node.shape), r: node.attrs.r },
            ...{ xWidth: x.shape[2], xRow: lastBlocks(x.shape) * 4 },
          },
          groups: linear(count),
        },
      ];
    },
    backward: (node, gy) => [makeNode(other(), [gy], node.attrs)],
    rows: (node, from, count, part) => makeNode(op, [part(node.inputs[0], from, count)], node.attrs),
  };
  return op;
};
const pixelShuffleOp: Op<ShuffleAttrs> = shuffleOp("pixelShuffle", () => pixelUnshuffleOp);
const pixelUnshuffleOp: Op<ShuffleAttrs> = shuffleOp("pixelUnshuffle", () => pixelShuffleOp);

/**
 * Channels to pixels: y[n, h·r + i, w·r + j, c] = x[n, h, w, c·r² + i·r + j], as torch.nn.PixelShuffle (Shi et al.,
 * "Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network", 2016).
 * @param x [N, H, W, C·r²]
 * @returns [N, H·r, W·r, C]
 * @throws ShapeError if the channels do not divide by r²
 */
export function pixelShuffle(x: Node, r: number): Node {
  return makeNode(pixelShuffleOp, [x], { r });
}

/**
 * Pixels to channels, the inverse of `pixelShuffle`.
 * @param x [N, H·r, W·r, C]
 * @returns [N, H, W, C·r²]
 * @throws ShapeError if height or width do not divide by r
 */
export function pixelUnshuffle(x: Node, r: number): Node {
  return makeNode(pixelUnshuffleOp, [x], { r });
}
