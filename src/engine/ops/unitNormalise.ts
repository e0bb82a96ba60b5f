import forward from "../../../shaders/unit_normalise.wgsl";
import adjoint from "../../../shaders/unit_normalise_grad.wgsl";
import { UserError } from "../errors.js";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { elements, lastBlocks, type Shape } from "../shape.js";

interface NormaliseAttrs {
  readonly epsilon: number;
}

const rowsOf = (shape: Shape): number => elements(shape.slice(0, -1));

const common = ({ shape, attrs }: Node<NormaliseAttrs>) => ({
  uniform: { rows: rowsOf(shape), c4: lastBlocks(shape), epsilon: attrs.epsilon },
  groups: linear(rowsOf(shape)),
});

const unitNormaliseOp: Op<NormaliseAttrs> = {
  name: "unitNormalise",
  shape([x]) {
    if (x.length < 2) refuse("unitNormalise", [x], "x must have a row of numbers for each item: [N, …, C]");
    return x;
  },
  lower(node) {
    const [x] = node.inputs;
    const bind = { x, y: node };
    return [{ kernel: kernel("unit_normalise", forward), bind, ...common(node), flops: 3 * elements(x.shape) }];
  },
  backward: (node, gy) => [makeNode(unitNormaliseGradOp, [node.inputs[0], gy], node.attrs)],
  rows: (node, from, count, part) => makeNode(unitNormaliseOp, [part(node.inputs[0], from, count)], node.attrs),
};

/** Inputs x and gy; only the gradient of unitNormalise, without one of its own. */
const unitNormaliseGradOp: Op<NormaliseAttrs> = {
  name: "unitNormaliseGrad",
  shape: ([x]) => x,
  lower(node) {
    const [x, gy] = node.inputs;
    const bind = { x, gy, gx: node };
    return [{ kernel: kernel("unit_normalise_grad", adjoint), bind, ...common(node), flops: 8 * elements(x.shape) }];
  },
  rows: (node, from, count, part) =>
    makeNode(
      unitNormaliseGradOp,
      node.inputs.map((x) => part(x, from, count)),
      node.attrs,
    ),
};

/**
 * Each vector along the last axis divided by its length: y = x / (‖x‖₂ + epsilon). So LPIPS compares features
 * (normalize_tensor in the lpips package); epsilon stands outside of the root.
 *
 * A zero vector gives y = 0, and its gradient is defined as 0, where the chain rule through √ gives NaN and the true
 * derivative, 1 / epsilon, would drown every other gradient. A vector is zero here if its squares are zero in float32:
 * all its numbers below about 1e-23 (1e-19 where an adapter flushes denormals).
 * @param x [N, …, C]
 * @param epsilon a positive number, large enough for float32 (1e-37)
 * @returns the shape of x
 * @throws ShapeError on fewer than two axes; UserError on another epsilon
 */
export function unitNormalise(x: Node, epsilon = 1e-10): Node {
  // Without one 0 / 0 would fill a zero vector, its padding included, with NaN.
  if (!(epsilon >= 1e-37 && Number.isFinite(epsilon))) {
    throw new UserError(`unitNormalise: epsilon ${epsilon} must be a number from 1e-37`);
  }
  return makeNode(unitNormaliseOp, [x], { epsilon });
}
