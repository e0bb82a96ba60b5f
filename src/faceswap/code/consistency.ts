import { type Node, refuse } from "../../engine/graph.js";
import { stopGradient } from "../../engine/ops/gradientFlow.js";
import { constant } from "../../engine/ops/leaf.js";
import { add, div } from "../../engine/ops/pointwise.js";
import { mean, variance } from "../../engine/ops/sum.js";
import { sameShape } from "../../engine/shape.js";
import { mse } from "../../nn/losses.js";

/** Added to the variance, so that equal codes divide by something. */
const FLOOR = 1e-4;

/**
 * How much a code changes when it is decoded as another identity and encoded again, against how much codes differ:
 *
 *   mean of (again − codes)² / (mean variance of the codes over the batch, divisor N − 1, + 10⁻⁴)
 *
 * `codes` and the variance have no gradient, so the loss teaches the way of `again` and not the target, and it counts
 * relative to the codes' spread: smaller codes gain nothing while their variance is well above 10⁻⁴. That takes away the
 * reward for shrinking, not every trivial answer: an encoder may still blank what does not survive a swap.
 * @param codes [N, …]; of several identities one after the other, if need be
 * @param again the re-encoded swaps of the same pictures in the same order
 * @returns a scalar
 * @throws ShapeError unless both have one shape with N of at least 2
 */
export function codeConsistency(codes: Node, again: Node): Node {
  const shapes = [codes.shape, again.shape];
  if (!sameShape(codes.shape, again.shape)) refuse("codeConsistency", shapes, "both must have one shape");
  if (codes.shape.length < 2 || codes.shape[0] < 2) {
    refuse("codeConsistency", shapes, "codes must be [N, …] of at least 2 pictures, for their variance over the batch");
  }
  const target = stopGradient(codes);
  return div(mse(again, target), add(mean(variance(target, { axes: [0] })), constant([FLOOR], [])));
}
