/** What losses between the codes of several identities share: the pairs, their weights, inner products of codes. */
import { type Node, refuse } from "../../engine/graph.js";
import { conv2dWeightGrad } from "../../engine/ops/conv2dWeightGrad.js";
import { constant } from "../../engine/ops/leaf.js";
import { mul } from "../../engine/ops/pointwise.js";
import { reshape } from "../../engine/ops/reshape.js";
import { sum } from "../../engine/ops/sum.js";
import { transpose } from "../../engine/ops/transpose.js";
import { elements, sameShape } from "../../engine/shape.js";

/**
 * @param codes one [N, …] an identity
 * @throws ShapeError unless there are two identities, their codes have one shape, and N is at least 2
 */
export function checkCodes(loss: string, codes: readonly Node[]): void {
  const shapes = codes.map(({ shape }) => shape);
  if (codes.length < 2) refuse(loss, shapes, "needs the codes of at least 2 identities");
  if (shapes.some((shape) => !sameShape(shape, shapes[0]))) refuse(loss, shapes, "all codes must have one shape");
  if (shapes[0].length < 2) refuse(loss, shapes, "codes must be [N, …], one row or map a picture");
  if (shapes[0][0] < 2) refuse(loss, shapes, "statistics over the batch need at least 2 pictures an identity");
}

/** A code [N, …] as rows [N, d]. */
export const flatten = (code: Node): Node => reshape(code, [code.shape[0], elements(code.shape.slice(1))]);

/**
 * The inner products of all rows of z, z·zᵀ: [M, d] to [M, M]. Long sums and few results are what a weight gradient
 * is, so it is computed as that of a 1×1 convolution: in splits over d, added in a fixed order.
 */
export function gram(z: Node): Node {
  const [m, d] = z.shape;
  const columns = reshape(transpose(z), [d, 1, 1, m]);
  const geometry = { stride: 1, padding: { top: 0, bottom: 0, left: 0, right: 0 } };
  return reshape(conv2dWeightGrad(columns, columns, geometry, [1, 1, m, m]), [m, m]);
}

/**
 * The mean over pairs of identities {s, t} of Σ y_ss + Σ y_tt − 2 Σ y_st, where y_st is the N × N block of y between the
 * codes of s and t.
 * @param y symmetric, [K·N, K·N] for K identities
 */
export function meanOverPairs(y: Node, identities: number): Node {
  const total = y.shape[0];
  const n = total / identities;
  // Each identity is in K − 1 of the K·(K − 1)/2 pairs; a block and its mirror image count once each.
  const weight = (i: number, j: number) => (Math.floor(i / n) === Math.floor(j / n) ? 2 : -2 / (identities - 1));
  const weights = Float32Array.from({ length: total * total }, (_, at) => weight(Math.floor(at / total), at % total));
  return sum(
    mul(
      y,
      constant(
        weights.map((w) => w / identities),
        [total, total],
      ),
    ),
  );
}
