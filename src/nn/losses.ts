import type { Node } from "../engine/graph.js";
import { refuse } from "../engine/graph.js";
import { abs, square, sub } from "../engine/ops/pointwise.js";
import { mean } from "../engine/ops/sum.js";
import { sameShape } from "../engine/shape.js";

const alike = (name: string, a: Node, b: Node) => {
  if (!sameShape(a.shape, b.shape)) refuse(name, [a.shape, b.shape], "both must have one shape");
};

/** Mean absolute difference. @throws ShapeError unless both shapes are equal */
export function l1(a: Node, b: Node): Node {
  alike("l1", a, b);
  return mean(abs(sub(a, b)));
}

/** Mean squared difference. @throws ShapeError unless both shapes are equal */
export function mse(a: Node, b: Node): Node {
  alike("mse", a, b);
  return mean(square(sub(a, b)));
}
