import type { Node } from "../../engine/graph.js";
import { scale } from "../../engine/ops/pointwise.js";
import { sum } from "../../engine/ops/sum.js";
import { type LatentStatistics, latentStatistics } from "../losses.js";
import { checkCodes } from "./pairs.js";

/**
 * The statistical latent L2 (see `latentStatistics`), mean over all pairs of identities. For two it is that loss.
 * @param codes one [N, …] an identity
 * @returns a scalar
 * @throws ShapeError on fewer than 2 identities or pictures an identity, or codes of several shapes
 */
export function latentLoss(codes: readonly Node[], statistics: LatentStatistics): Node {
  checkCodes("latentLoss", codes);
  const pairs = codes.flatMap((a, i) => codes.slice(i + 1).map((b) => latentStatistics(a, b, statistics)));
  return pairs.length === 1 ? pairs[0] : scale(sum(pairs), 1 / pairs.length);
}
