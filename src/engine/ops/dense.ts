import { type Activation, type Node, refuse } from "../graph.js";
import { conv2d } from "./conv2d.js";

import { reshape } from "./reshape.js";

/**
 * A fully connected layer, act(x·w + b): a 1×1 convolution of 1×1 images, with that op's kernels and gradients.
 * @param x [N, in]
 * @param w [in, out]
 * @returns [N, out]
 * @throws ShapeError
 */
export function dense(x: Node, w: Node, options: { bias?: Node; activation?: Activation } = {}): Node {
  const shapes = [x.shape, w.shape, ...(options.bias ? [options.bias.shape] : [])];
  if (x.shape.length !== 2 || w.shape.length !== 2 || x.shape[1] !== w.shape[0]) {
    refuse("dense", shapes, "x must be [N, in] and w [in, out]");
  }
  const [n, inputs] = x.shape;
  const [, outputs] = w.shape;
  if (options.bias && (options.bias.shape.length !== 1 || options.bias.shape[0] !== outputs)) {
    refuse("dense", shapes, `the bias must be [${outputs}]`);
  }
  const y = conv2d(reshape(x, [n, 1, 1, inputs]), reshape(w, [1, 1, inputs, outputs]), options);
  return reshape(y, [n, outputs]);
}
