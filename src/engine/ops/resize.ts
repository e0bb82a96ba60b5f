import nearest from "../../../shaders/resize_nearest.wgsl";
import adjoint from "../../../shaders/resize_nearest_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, elements, lastBlocks } from "../shape.js";

interface ResizeAttrs {
  /** Extents of the result. */
  readonly height: number;
  readonly width: number;
}

/** Each is the other's gradient: the sum over copies, and the copies. */
const resizeOp = (name: "resizeNearest" | "resizeNearestGrad", other: () => Op<ResizeAttrs>): Op<ResizeAttrs> => {
  const op: Op<ResizeAttrs> = {
    name,
    shape([x], { height, width }) {
      if (x.length !== 4) refuse(name, [x], "x must be [N, H, W, C]");
      if ([height, width].some((n) => !Number.isInteger(n) || n < 1)) {
        refuse(name, [x], `height ${height} and width ${width} must be whole numbers from 1`);
      }
      return [x[0], height, width, x[3]];
    },
    lower(node) {
      const [x] = node.inputs;
      const [, h, w] = x.shape;
      const [, oh, ow] = node.shape;
      const count = blocks(node.shape);
      const common = {
        bind: { x, y: node },
        uniform: { count, h, w, oh, ow, c4: lastBlocks(x.shape) },
        groups: linear(count),
      };
      if (name === "resizeNearest") return [{ ...common, kernel: kernel("resize_nearest", nearest) }];
      return [{ ...common, kernel: kernel("resize_nearest_grad", adjoint), flops: elements(x.shape) }];
    },
    backward(node, gy) {
      const [, height, width] = node.inputs[0].shape;
      return [makeNode(other(), [gy], { height, width })];
    },
    rows: (node, from, count, part) => makeNode(op, [part(node.inputs[0], from, count)], node.attrs),
  };
  return op;
};
const resizeNearestOp: Op<ResizeAttrs> = resizeOp("resizeNearest", () => resizeNearestGradOp);
const resizeNearestGradOp: Op<ResizeAttrs> = resizeOp("resizeNearestGrad", () => resizeNearestOp);

/**
 * Pictures in another size, each pixel from its nearest neighbour: y[n, i, j, c] = x[n, ⌊i·H / height⌋, ⌊j·W / width⌋, c],
 * as torch.nn.functional.interpolate(mode="nearest"), but exact: no rounded ratio. Larger or smaller, in any proportion.
 * @param x [N, H, W, C]
 * @returns [N, height, width, C]
 * @throws ShapeError on extents that are no whole numbers from 1
 */
export function resizeNearest(x: Node, height: number, width: number): Node {
  return makeNode(resizeNearestOp, [x], { height, width });
}
