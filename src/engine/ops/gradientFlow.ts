/** Two ops that compute nothing and change what comes back through them. */
import { UserError } from "../errors.js";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { mul, neg, scale } from "./pointwise.js";

const stopOp: Op<Record<string, never>> = {
  name: "stopGradient",
  kind: "alias",
  shape: ([x]) => x,
  backward: () => [undefined],
  rows: (node, from, count, part) => part(node.inputs[0], from, count),
};

/** x as a constant: the same memory, and no gradient behind it. */
export function stopGradient(x: Node): Node {
  return makeNode(stopOp, [x], {});
}

interface ReverseAttrs {
  /** Read by backward only, which makes it an input of the gradient. */
  readonly factor: Node | number;
}

const reverseOp: Op<ReverseAttrs> = {
  name: "reverseGradient",
  kind: "alias",
  shape([x], { factor }) {
    if (typeof factor === "object" && factor.shape.length > 0) {
      refuse("reverseGradient", [x, factor.shape], "the factor must be a number or a scalar");
    }
    return x;
  },
  backward(node, gy) {
    const { factor } = node.attrs;
    return [typeof factor === "number" ? scale(gy, -factor) : neg(mul(gy, factor))];
  },
  rows: (node, from, count, part) => part(node.inputs[0], from, count),
};

/**
 * x itself, with the gradient times −factor: what is trained through it makes the loss larger (Ganin & Lempitsky,
 * "Unsupervised domain adaptation by backpropagation", 2015).
 * @param factor a number from 0, or a scalar node, so that it can change with the step
 * @throws ShapeError if the factor has axes; UserError if it is a number below 0 or not finite
 */
export function reverseGradient(x: Node, factor: Node | number): Node {
  if (typeof factor === "number" && !(factor >= 0 && Number.isFinite(factor))) {
    throw new UserError(`reverseGradient: factor ${factor} must be a number from 0`);
  }
  return makeNode(reverseOp, [x], { factor });
}
