/** A code that is a distribution: the variational information bottleneck (Alemi et al., 2017). */
import { type Node, refuse } from "../../engine/graph.js";
import { constant } from "../../engine/ops/leaf.js";
import { add, exp, mul, scale, square, sub } from "../../engine/ops/pointwise.js";
import { normal } from "../../engine/ops/random.js";
import { mean } from "../../engine/ops/sum.js";
import { sameShape } from "../../engine/shape.js";

const check = (op: string, centre: Node, logVariance: Node) => {
  if (!sameShape(centre.shape, logVariance.shape)) {
    refuse(op, [centre.shape, logVariance.shape], "mean and logarithm of the variance must have one shape");
  }
};

/**
 * The Kullback-Leibler divergence of codes N(mean, exp(logVariance)) from N(0, 1) in nats per number of the code: the mean
 * over the batch and over the numbers, so that one weight means the same for codes of every length.
 *
 *   mean of ½ (mean² + exp(logVariance) − 1 − logVariance)
 *
 * (Kingma & Welling, "Auto-encoding variational Bayes", 2014, appendix B, there as a sum over the numbers.)
 * @param centre [N, …]
 * @param logVariance of the same shape; beyond 88 its exponential overflows
 * @returns a scalar
 * @throws ShapeError unless both have one shape
 */
export function vibKl(centre: Node, logVariance: Node): Node {
  check("vibKl", centre, logVariance);
  const spread = sub(sub(exp(logVariance), logVariance), constant([1], []));
  return scale(mean(add(square(centre), spread)), 0.5);
}

/**
 * A draw from codes' distributions, mean + exp(logVariance / 2) · ε, ε ~ N(0, 1) anew every step: gradients reach both
 * (the reparametrisation of Kingma & Welling, 2014).
 * @param centre [N, …]
 * @param logVariance of the same shape
 * @param stream of ε; its own without one
 * @throws ShapeError unless both have one shape
 */
export function sampleCode(centre: Node, logVariance: Node, stream?: number): Node {
  check("sampleCode", centre, logVariance);
  return add(centre, mul(exp(scale(logVariance, 0.5)), normal(centre.shape, stream)));
}
