import { ShapeError } from "./errors.js";
import { type Node, topological } from "./graph.js";
import { constant } from "./ops/leaf.js";
import { add } from "./ops/pointwise.js";
import { format } from "./shape.js";

/**
 * Reverse-mode differentiation, from graph to graph: the gradients of `loss` with respect to each of `wanted`, as
 * nodes. A node's gradient is the sum over its consumers; consumers are visited before the node itself.
 * @throws ShapeError if the loss is not a scalar or does not depend on one of `wanted`.
 */
export function gradients(loss: Node, wanted: Iterable<Node>): Node[] {
  if (loss.shape.length !== 0) throw new ShapeError(`gradients: the loss must be a scalar, not ${format(loss.shape)}`);
  const targets = [...wanted];
  const order = topological([loss]);

  // Only nodes on a path from a wanted node to the loss get a gradient.
  const onPath = new Set<Node>(targets);
  for (const node of order) if (node.inputs.some((x) => onPath.has(x))) onPath.add(node);

  const gradient = new Map<Node, Node>([[loss, constant([1], [])]]);
  for (const node of order.reverse()) {
    const gy = gradient.get(node);
    if (!gy || !node.inputs.some((x) => onPath.has(x))) continue;
    if (!node.op.backward) throw new ShapeError(`gradients: ${node.op.name} has no gradient`);
    node.op.backward(node, gy).forEach((gx, i) => {
      const x = node.inputs[i];
      if (!gx || !onPath.has(x)) return;
      const sum = gradient.get(x);
      gradient.set(x, sum ? add(sum, gx) : gx);
    });
  }
  return targets.map((x, i) => {
    const gx = gradient.get(x);
    if (!gx)
      throw new ShapeError(`gradients: the loss does not depend on wanted node ${i} of shape ${format(x.shape)}`);
    return gx;
  });
}
