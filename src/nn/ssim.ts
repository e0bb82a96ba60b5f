import { type Node, refuse } from "../engine/graph.js";
import { averagePool2d, filter2d } from "../engine/ops/filter2d.js";
import { constant } from "../engine/ops/leaf.js";
import { pairMeans } from "../engine/ops/pairMeans.js";
import { clamp, exp, log, mul, scale, sub } from "../engine/ops/pointwise.js";
import { similarity } from "../engine/ops/similarity.js";
import { mean, sum } from "../engine/ops/sum.js";
import { alike, fitWeights, type PixelWeights } from "./losses.js";

/** (K1·L)² and (K2·L)² with Wang's K1 = 0.01, K2 = 0.03, for values between 0 and L = 1. */
const C1 = 1e-4;
const C2 = 9e-4;

/** Wang's window: a Gaussian of deviation 1.5 on 11 × 11 pixels, the outer product of this row, which sums to 1. */
const WINDOW = 11;
const SIGMA = 1.5;
const GAUSSIAN: readonly number[] = (() => {
  const row = Array.from({ length: WINDOW }, (_, i) => Math.exp(-((i - (WINDOW - 1) / 2) ** 2) / (2 * SIGMA ** 2)));
  const total = row.reduce((a, b) => a + b);
  return row.map((value) => value / total);
})();
const COLUMN = GAUSSIAN.map((value) => [value]);

/** Weights of the scales, finest first (Wang, Simoncelli, Bovik, 2003). */
const SCALES: readonly number[] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];
/** Four times halved, rounded up, a side of so many pixels still holds a window. */
const LEAST = (WINDOW - 1) * 2 ** (SCALES.length - 1) + 1;
/** Below this a scale's similarity is taken as constant: see msSsim. */
const FLOOR = 1e-4;

/** The window of dssim, in pixels, and its stride. */
const BOX = 6;
const STRIDE = 3;
const BOX_TAPS: number[][] = Array(BOX).fill(Array(BOX).fill(1 / BOX ** 2));

/** @throws ShapeError unless both are pictures of one shape with at least so many pixels a side */
function pictures(name: string, x: Node, y: Node, least: number): void {
  alike(name, x, y);
  const [, h = 0, w = 0] = x.shape;
  if (x.shape.length !== 4 || Math.min(h, w) < least) {
    const found = x.shape.length === 4 ? `, not ${h}×${w}` : "";
    refuse(
      name,
      [x.shape, y.shape],
      `the pictures must be [N, H, W, C] with at least ${least}×${least} pixels${found}`,
    );
  }
}

/** The similarity of each Gaussian window: l·cs, or cs alone. [N, H, W, C] to [N, H − 10, W − 10, C] */
function gaussianMap(x: Node, y: Node, whole: boolean): Node {
  const means = filter2d(pairMeans(x, y, [GAUSSIAN]), COLUMN);
  return similarity(means, { channels: x.shape[3], whole, c1: C1, c2: C2 });
}

/**
 * Structural dissimilarity in cheap windows: the mean over windows and channels of p(w)·(1 − q) / 2, where q is SSIM (see
 * `ssim`) of the plain means over 6 × 6 pixels, every 3 pixels, with C1 = 1e-4 and C2 = 9e-4, and p(w) the window's mean of
 * the weights, 1 without them. Variances are E[x²] − E[x]², so values should be about 0 to 1.
 * @param x [N, H, W, C], H and W at least 6
 * @param y [N, H, W, C]
 * @returns a scalar, 0 for equal pictures, at most 1 without weights
 * @throws ShapeError unless both shapes are equal, the pictures hold a window, and the weights fit
 */
export function dssim(x: Node, y: Node, { weights }: PixelWeights = {}): Node {
  pictures("dssim", x, y, BOX);
  fitWeights("dssim", x.shape, weights);
  const means = pairMeans(x, y, BOX_TAPS, [STRIDE, STRIDE]);
  const q = similarity(means, { channels: x.shape[3], whole: true, c1: C1, c2: C2 });
  const apart = sub(constant([1], []), q);
  return scale(mean(weights ? mul(apart, averagePool2d(weights, BOX, STRIDE)) : apart), 0.5);
}

/**
 * The structural similarity index (Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to
 * structural similarity", 2004): windows of 11 × 11 pixels weighted by a Gaussian of deviation 1.5, those that lie inside
 * of the picture only, K1 = 0.01, K2 = 0.03, L = 1; each channel on its own, and the mean over windows, channels, pictures.
 * @param x [N, H, W, C], values from 0 to 1, H and W at least 11
 * @param y [N, H, W, C]
 * @returns a scalar, 1 for equal pictures
 * @throws ShapeError unless both shapes are equal and the pictures hold a window
 */
export function ssim(x: Node, y: Node): Node {
  pictures("ssim", x, y, WINDOW);
  return mean(gaussianMap(x, y, true));
}

/** 1 − ssim(x, y). @throws ShapeError as `ssim` */
export function ssimLoss(x: Node, y: Node): Node {
  return sub(constant([1], []), ssim(x, y));
}

/**
 * Multi-scale structural similarity (Wang, Simoncelli, Bovik: "Multi-scale structural similarity for image quality
 * assessment", 2003): per picture and channel Π over five scales of s^weight, with the paper's weights, where s is the mean
 * of contrast and structure (cs) at scales 1 to 4 and of the whole ssim at scale 5; then the mean over pictures and
 * channels. From scale to scale the pictures are halved by means over 2 × 2 pixels; an odd extent gets a row or column of
 * zeros on both sides first, as the pytorch-msssim package does.
 *
 * A negative mean has no fractional power: s below 1e-4 counts as 1e-4, and no gradient passes there. (Above, the slope
 * weight·s^(weight − 1) stays finite.)
 * @param x [N, H, W, C], values from 0 to 1, H and W at least 161 = (11 − 1)·2⁴ + 1
 * @param y [N, H, W, C]
 * @returns a scalar, 1 for equal pictures
 * @throws ShapeError unless both shapes are equal and the pictures hold a window at scale 5
 */
export function msSsim(x: Node, y: Node): Node {
  pictures("msSsim", x, y, LEAST);
  const terms = SCALES.map((weight, i) => {
    if (i > 0) {
      const padding = [x.shape[1] % 2, x.shape[2] % 2] as const;
      x = averagePool2d(x, 2, 2, padding);
      y = averagePool2d(y, 2, 2, padding);
    }
    const s = mean(gaussianMap(x, y, i === SCALES.length - 1), { axes: [1, 2] });
    // The upper end only stands for none: a mean of similarities is at most 1, but for rounding.
    return scale(log(clamp(s, FLOOR, 2)), weight);
  });
  return mean(exp(sum(terms)));
}
