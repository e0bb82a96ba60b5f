import forward from "../../../shaders/warp.wgsl";
import adjoint from "../../../shaders/warp_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel } from "../lower.js";
import { blocks, elements, lastBlocks } from "../shape.js";
import { rowGroups } from "./filter2d.js";

/** Control points along each side of a picture. */
export const WARP_POINTS = 5;

type WarpOp = Op<Record<string, never>>;

/** Each is the other's gradient for the pictures. The second input of both is the grid. */
const warpOp = (name: "warp" | "warpGrad", other: () => WarpOp): WarpOp => {
  const op: WarpOp = {
    name,
    shape([x, grid]) {
      if (x.length !== 4) refuse(name, [x, grid], "x must be [N, H, W, C]");
      if (grid.join() !== [x[0], WARP_POINTS, WARP_POINTS, 2].join()) {
        refuse(name, [x, grid], `the grid must be [N, ${WARP_POINTS}, ${WARP_POINTS}, 2], of as many pictures as x`);
      }
      return x;
    },
    lower(node) {
      const [x, grid] = node.inputs;
      const [, h, w] = node.shape;
      const c4 = lastBlocks(node.shape);
      const common = { uniform: { c4, h, w }, groups: rowGroups(node.shape, c4) };
      if (name === "warp") {
        const flops = 9 * elements(node.shape) + 36 * blocks(node.shape);
        return [{ ...common, kernel: kernel("warp", forward), bind: { x, grid, y: node }, flops }];
      }
      // How many pixels are looked at depends on the grid's numbers; four were taken from each, on average.
      const flops = 4 * (2 * elements(node.shape) + 36 * blocks(node.shape));
      return [{ ...common, kernel: kernel("warp_grad", adjoint), bind: { gy: x, grid, gx: node }, flops }];
    },
    backward: (node, gy) => [makeNode(other(), [gy, node.inputs[1]], {}), undefined],
    rows: (node, from, count, part) =>
      makeNode(
        op,
        node.inputs.map((x) => part(x, from, count)),
        {},
      ),
  };
  return op;
};
const forwardOp: WarpOp = warpOp("warp", () => gradOp);
const gradOp: WarpOp = warpOp("warpGrad", () => forwardOp);

/**
 * Pictures bent by a grid of 5×5 control points, evenly spread from border to border, point (a, b) at a·H / 4 from the
 * top and b·W / 4 from the left: y[n, i, j, c] = x[n, i + down, j + across, c], where (down, across) is bilinear between
 * the displacements of the control points around the centre of pixel (i, j), and x is bilinear between its pixels, and
 * continued by those at its border. An augmentation: the displacements, which are drawn and not learnt, have no gradient.
 * The pictures have one, a gather over as many pixels as the largest displacement reaches: dear where it is large.
 * @param x [N, H, W, C]
 * @param grid [N, 5, 5, 2] how far down and across from each control point to look, in pixels, finite
 * @returns [N, H, W, C]
 * @throws ShapeError
 */
export function warp(x: Node, grid: Node): Node {
  return makeNode(forwardOp, [x, grid], {});
}
