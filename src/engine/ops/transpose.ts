import source from "../../../shaders/transpose.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, lastBlocks } from "../shape.js";

const transposeOp: Op<Record<string, never>> = {
  name: "transpose",
  shape([x]) {
    if (x.length !== 2) refuse("transpose", [x], "x must be [M, N]");
    return [x[1], x[0]];
  },
  lower(node) {
    const [x] = node.inputs;
    const [rows, columns] = x.shape;
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel("transpose", source),
        bind: { x, y: node },
        uniform: { count, rows, columns, xRow: lastBlocks(x.shape) * 4, yRow4: lastBlocks(node.shape) },
        groups: linear(count),
      },
    ];
  },
  backward: (_node, gy) => [transpose(gy)],
};

/** x [M, N] to [N, M]. @throws ShapeError unless x has two axes */
export function transpose(x: Node): Node {
  return makeNode(transposeOp, [x], {});
}
