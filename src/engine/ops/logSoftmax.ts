import source from "../../../shaders/log_softmax.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { elements, lastBlocks } from "../shape.js";
import { exp, mul, sub } from "./pointwise.js";
import { sum } from "./sum.js";

const logSoftmaxOp: Op<Record<string, never>> = {
  name: "logSoftmax",
  shape([x]) {
    if (x.length !== 2) refuse("logSoftmax", [x], "x must be [N, K], one row of logits an example");
    return x;
  },
  lower(node) {
    const [x] = node.inputs;
    const [rows, classes] = x.shape;
    return [
      {
        kernel: kernel("log_softmax", source),
        bind: { x, y: node },
        uniform: { rows, classes, row: lastBlocks(x.shape) * 4 },
        groups: linear(rows),
        flops: 5 * elements(x.shape),
      },
    ];
  },
  // ∂y_k / ∂x_j = [j = k] − softmax_j, and softmax = exp(y).
  backward: (node, gy) => [sub(gy, mul(exp(node), sum(gy, { axes: [1], keepDims: true })))],
  rows: (node, from, count, part) => logSoftmax(part(node.inputs[0], from, count)),
};

/**
 * The logarithm of the softmax over the last axis of logits [N, K]: x − log Σ exp(x), without overflow for any finite
 * logits whose differences are finite.
 * @throws ShapeError unless x has two axes
 */
export function logSoftmax(x: Node): Node {
  return makeNode(logSoftmaxOp, [x], {});
}
