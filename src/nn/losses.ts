import type { Node } from "../engine/graph.js";
import { refuse } from "../engine/graph.js";
import { filter2d } from "../engine/ops/filter2d.js";
import { abs, add, mul, square, sub } from "../engine/ops/pointwise.js";
import { slice } from "../engine/ops/region.js";
import { mean } from "../engine/ops/sum.js";
import { format, type Shape, sameShape } from "../engine/shape.js";

/** @throws ShapeError unless both shapes are equal */
export function alike(name: string, a: Node, b: Node): void {
  if (!sameShape(a.shape, b.shape)) refuse(name, [a.shape, b.shape], "both must have one shape");
}

export interface PixelWeights {
  /** [N, H, W, 1], a factor for each pixel of pictures [N, H, W, C]. They are taken as they are: not brought to a mean of 1. */
  weights?: Node;
}

/** @throws ShapeError unless the weights, where there are any, fit to pictures of this shape */
export function fitWeights(name: string, shape: Shape, weights?: Node): void {
  if (!weights) return;
  const wanted = [...shape.slice(0, 3), 1];
  if (shape.length !== 4 || !sameShape(weights.shape, wanted)) {
    const rule =
      shape.length === 4 ? `weights must have shape ${format(wanted)}` : "weights need pictures [N, H, W, C]";
    refuse(name, [shape, weights.shape], rule);
  }
}

/** The mean of `values`, each times its pixel's weight; the divisor is the count of values. */
const weightedMean = (values: Node, weights?: Node): Node => mean(weights ? mul(values, weights) : values);

/** Mean of w·|a − b|, with w = 1 without weights. @throws ShapeError unless both shapes are equal and the weights fit */
export function l1(a: Node, b: Node, { weights }: PixelWeights = {}): Node {
  alike("l1", a, b);
  fitWeights("l1", a.shape, weights);
  return weightedMean(abs(sub(a, b)), weights);
}

/** Mean of w·(a − b)², with w = 1 without weights. @throws ShapeError unless both shapes are equal and the weights fit */
export function mse(a: Node, b: Node, { weights }: PixelWeights = {}): Node {
  alike("mse", a, b);
  fitWeights("mse", a.shape, weights);
  return weightedMean(square(sub(a, b)), weights);
}

/**
 * How far edges differ: with d = x − y, the mean of w·|d[i, j + 1] − d[i, j]| plus the mean of w·|d[i + 1, j] − d[i, j]|,
 * where w (1 without weights) is the weight of the later pixel, j + 1 or i + 1. Each mean divides by the count of its own
 * differences. This is the gradient difference loss of Mathieu, Couprie, LeCun ("Deep multi-scale video prediction beyond
 * mean square error", 2016) with exponent 1, but of the signed differences: theirs, ||x[i + 1] − x[i]| − |y[i + 1] − y[i]||,
 * takes magnitudes first and so does not see an edge of the wrong sign.
 * @param x [N, H, W, C], H and W at least 2
 * @param y [N, H, W, C]
 * @returns a scalar; the gradient of a difference of 0 is 0
 * @throws ShapeError unless both shapes are equal, the pictures have two rows and columns, and the weights fit
 */
export function gradientDifference(x: Node, y: Node, { weights }: PixelWeights = {}): Node {
  const name = "gradientDifference";
  alike(name, x, y);
  if (x.shape.length !== 4 || x.shape[1] < 2 || x.shape[2] < 2) {
    refuse(name, [x.shape, y.shape], "the pictures must be [N, H, W, C] with at least 2 rows and 2 columns");
  }
  fitWeights(name, x.shape, weights);
  const d = sub(x, y);
  const [n, h, w] = x.shape;
  const across = weights && slice(weights, [0, 0, 1, 0], [n, h, w - 1, 1]);
  const down = weights && slice(weights, [0, 1, 0, 0], [n, h - 1, w, 1]);
  return add(weightedMean(abs(filter2d(d, [[-1, 1]])), across), weightedMean(abs(filter2d(d, [[-1], [1]])), down));
}
