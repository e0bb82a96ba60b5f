import { type Node, refuse } from "../engine/graph.js";
import { add, square, sub } from "../engine/ops/pointwise.js";
import { mean, variance } from "../engine/ops/sum.js";
import { sameShape } from "../engine/shape.js";

/** Whose statistics are compared: of each number of the code over the batch, or of each channel over batch and grid. */
export const LATENT_STATISTICS = ["element", "channel"] as const;
export type LatentStatistics = (typeof LATENT_STATISTICS)[number];

/**
 * Statistical latent L2: the mean of the squared differences between the two identities' means, plus that between their
 * variances (divisor n − 1). Statistics are taken over the batch for each element of the code, or over batch and grid
 * for each channel; a dense code knows no grid, so both are the same there.
 * @param src codes [N, …] of one identity
 * @param dst codes of the other, of the same shape
 * @throws ShapeError unless both have one shape, with at least two values behind each variance
 */
export function latentStatistics(src: Node, dst: Node, statistics: LatentStatistics = "element"): Node {
  if (!sameShape(src.shape, dst.shape)) refuse("latentStatistics", [src.shape, dst.shape], "both must have one shape");
  if (src.shape[0] < 2) {
    refuse(
      "latentStatistics",
      [src.shape, dst.shape],
      "the variance over the batch needs at least 2 pictures an identity",
    );
  }
  const axes = statistics === "channel" ? src.shape.map((_, i) => i).slice(0, -1) : [0];
  const apart = (of: typeof mean) => mean(square(sub(of(src, { axes }), of(dst, { axes }))));
  return add(apart(mean), apart(variance));
}
