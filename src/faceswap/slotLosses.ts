/** The losses of a training step, made from what the network drew and from its codes. */
import type { Node } from "../engine/graph.js";
import { constant } from "../engine/ops/leaf.js";
import { sub } from "../engine/ops/pointwise.js";
import { gradientDifference, l1, mse } from "../nn/losses.js";
import { dssim, msSsim, ssim } from "../nn/ssim.js";
import type { IdentityClassifier } from "./code/adversary.js";
import { adversary } from "./code/adversary.js";
import { codeConsistency } from "./code/consistency.js";
import { coral } from "./code/coral.js";
import { latentLoss } from "./code/latent.js";
import { mmd } from "./code/mmd.js";
import { vibKl } from "./code/vib.js";
import type { LatentStatistics } from "./losses.js";
import { type CodeLoss, type LossWeights, lpipsKindOf, type PictureLoss } from "./lossSlots.js";
import { lpips, type PerceptualNetwork, placeholderNetwork } from "./perceptual/lpips.js";
import { type RandomFeatureNetwork, randomFeatureNetwork, randomFeatures } from "./perceptual/randomFeatures.js";

/** Frozen networks that picture losses look through. */
export interface LossNetworks {
  readonly lpips?: PerceptualNetwork;
  readonly random?: RandomFeatureNetwork;
}

/** The random-feature loss is one quantity in every run: its weights do not depend on the run's seed. */
const RANDOM_FEATURE_SEED = 0;

/** @param trunk LPIPS with its weights; without it a network that can be inspected and not run */
export function lossNetworks(weights: LossWeights, trunk?: PerceptualNetwork): LossNetworks {
  const kind = lpipsKindOf(weights);
  return {
    ...(kind && { lpips: trunk ?? placeholderNetwork(kind) }),
    ...(weights["random-features"] !== undefined && { random: randomFeatureNetwork(RANDOM_FEATURE_SEED) }),
  };
}

/**
 * One loss of a picture [N, S, S, 3] drawn for another, a scalar.
 * @param weights of pixels, [N, S, S, 1], for those that weigh regions
 */
export function pictureLoss(
  name: PictureLoss,
  drawn: Node,
  picture: Node,
  networks: LossNetworks,
  weights?: Node,
): Node {
  const one = constant([1], []);
  switch (name) {
    case "l1":
      return l1(drawn, picture, { weights });
    case "mse":
      return mse(drawn, picture, { weights });
    case "ssim":
      return sub(one, ssim(drawn, picture));
    case "ms-ssim":
      return sub(one, msSsim(drawn, picture));
    case "dssim":
      return dssim(drawn, picture, { weights });
    case "gradient-difference":
      return gradientDifference(drawn, picture, { weights });
    case "random-features":
      return randomFeatures(drawn, picture, networks.random as RandomFeatureNetwork);
    default:
      return lpips(drawn, picture, networks.lpips as PerceptualNetwork);
  }
}

/** What the losses on codes look at. Codes are [N, …], one an identity. */
export interface Codes {
  readonly codes: readonly Node[];
  /** Logarithm of the variance of sampled codes, of all identities together. */
  readonly logVariance?: Node;
  readonly mean: Node;
  readonly classifier?: IdentityClassifier;
  /** How far the gradient of the adversary is turned round at this step. */
  readonly reversal: () => Node;
  /** Codes, and what the encoder makes of their swaps, in the same order. */
  readonly swapped: () => { codes: Node; again: Node };
  readonly statistics: LatentStatistics;
}

export function codeLoss(name: CodeLoss, of: Codes): Node {
  switch (name) {
    case "latent":
      return latentLoss(of.codes, of.statistics);
    case "coral":
      return coral(of.codes);
    case "mmd":
      return mmd(of.codes);
    case "vib":
      return vibKl(of.mean, of.logVariance as Node);
    case "adversary":
      return adversary(of.codes, of.classifier as IdentityClassifier, of.reversal());
    case "consistency": {
      const { codes, again } = of.swapped();
      return codeConsistency(codes, again);
    }
  }
}
