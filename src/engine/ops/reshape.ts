import repack from "../../../shaders/repack.wgsl";
import { aliasRoot, makeNode, type Node, type Op, refuse } from "../graph.js";
import { linear } from "../lower.js";
import { blocks, elements, format, lastBlocks, type Shape, sameShape } from "../shape.js";

interface ReshapeAttrs {
  readonly shape: Shape;
}

const shapeRule = (inputs: readonly Shape[], { shape }: ReshapeAttrs): Shape => {
  if (elements(inputs[0]) !== elements(shape)) {
    refuse("reshape", inputs, `${elements(inputs[0])} values do not fill ${format(shape)}`);
  }
  return shape;
};

const backward = (node: Node<ReshapeAttrs>, gy: Node) => [reshape(gy, node.inputs[0].shape)];

const rows: Op<ReshapeAttrs>["rows"] = (node, from, count, part) => {
  const [x] = node.inputs;
  if (x.shape[0] !== node.shape[0])
    refuse("reshape", [x.shape], "a tensor beyond the binding limit keeps its first axis");
  return reshape(part(x, from, count), [count, ...node.shape.slice(1)]);
};

/** The same memory seen with another shape. */
const reshapeOp: Op<ReshapeAttrs> = { name: "reshape", kind: "alias", shape: shapeRule, backward, rows };

/** A copy, where the padding of the last axis lies elsewhere. */
const repackOp: Op<ReshapeAttrs> = {
  name: "reshape",
  shape: shapeRule,
  backward,
  rows,
  lower(node) {
    const [x] = node.inputs;
    const floats = blocks(node.shape) * 4;
    return [
      {
        kernel: { name: "repack", source: repack },
        bind: { x, y: node },
        uniform: {
          floats,
          xLast: x.shape.at(-1) ?? 1,
          xRow: lastBlocks(x.shape) * 4,
          yLast: node.shape.at(-1) ?? 1,
          yRow: lastBlocks(node.shape) * 4,
        },
        groups: linear(floats),
      },
    ];
  },
};

/** x's values in row-major order, with another shape. Free unless the channel padding moves. @throws ShapeError */
export function reshape(x: Node, shape: Shape): Node {
  if (sameShape(x.shape, shape)) return x;
  const padded = (s: Shape) => (s.at(-1) ?? 1) % 4 !== 0;
  const moves = (padded(x.shape) || padded(shape)) && (x.shape.at(-1) ?? 1) !== (shape.at(-1) ?? 1);
  return makeNode(moves ? repackOp : reshapeOp, [x], { shape });
}

const copyOp: Op<ReshapeAttrs> = { ...repackOp, name: "copy" };

/** x in memory of its own. */
export function copy(x: Node): Node {
  return makeNode(copyOp, [aliasRoot(x)], { shape: x.shape });
}
