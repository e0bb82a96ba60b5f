import { average, type Filter, filtered } from "./filter2d.js";
import { add, div, exact, exp, mean, mul, type Rounded, scalar, scale, square, sub } from "./rounded.js";
import { type Tensor, zeros } from "./tensor.js";

/**
 * Structural similarity from its definition, each window's statistics on their own, in running error analysis; gradients by
 * differentiating that. x and y are [N, H, W, C].
 */
export interface Means {
  x: Rounded;
  y: Rounded;
  xx: Rounded;
  yy: Rounded;
  xy: Rounded;
}

const windows = (taps: number[][], stride = 1): Filter => ({ taps, stride: [stride, stride], padding: [0, 0] });

/** The weighted means over each window, of filters one after the other. */
export function pairMeans(x: Rounded, y: Rounded, ...filters: Filter[]): Means {
  const of = (t: Rounded) => filters.reduce(filtered, t);
  return { x: of(x), y: of(y), xx: of(square(x)), yy: of(square(y)), xy: of(mul(x, y)) };
}

export interface Constants {
  c1: number;
  c2: number;
  /** With the luminance, or contrast and structure only. */
  whole: boolean;
}

export const WANG: Constants = { c1: 1e-4, c2: 9e-4, whole: true };

/** A number that is rounded to float32. */
const rounded = (value: number): Rounded => ({
  ...scalar(value),
  error: Float64Array.of(Math.abs(Math.fround(value) - value)),
});

export function similarity(m: Means, { c1, c2, whole }: Constants): Rounded {
  const product = mul(m.x, m.y);
  const squares: [Rounded, Rounded] = [square(m.x), square(m.y)];
  const variances = add(sub(m.xx, squares[0]), sub(m.yy, squares[1]));
  const cs = div(add(scale(sub(m.xy, product), 2), rounded(c2)), add(variances, rounded(c2)));
  if (!whole) return cs;
  return mul(cs, div(add(scale(product, 2), rounded(c1)), add(add(...squares), rounded(c1))));
}

export function dssim(x: Rounded, y: Rounded, weights?: Rounded): Rounded {
  const q = similarity(pairMeans(x, y, average(6, 3)), WANG);
  const apart = sub(scalar(1), q);
  return scale(mean(weights ? mul(apart, filtered(weights, average(6, 3))) : apart), 0.5);
}

/** exp(−(i − 5)² / (2·1.5²)) over 11 pixels, with sum 1. */
export const gaussian: number[] = (() => {
  const row = Array.from({ length: 11 }, (_, i) => Math.exp(-((i - 5) ** 2) / 4.5));
  return row.map((v) => v / row.reduce((a, b) => a + b));
})();

const gaussianMap = (x: Rounded, y: Rounded, whole: boolean): Rounded =>
  similarity(pairMeans(x, y, windows([gaussian]), windows(gaussian.map((v) => [v]))), { ...WANG, whole });

export const ssim = (x: Rounded, y: Rounded): Rounded => mean(gaussianMap(x, y, true));

/** ln x; x / its own gradient is a quotient. */
function log(x: Rounded): Rounded {
  const value: Tensor = { shape: x.value.shape, data: x.value.data.map(Math.log) };
  // WGSL: 2^-21 between 1/2 and 2, else 3 ULP.
  const error = value.data.map((y, i) => {
    const v = x.value.data[i];
    return -Math.log1p(-x.error[i] / v) + (v >= 0.5 && v <= 2 ? 2 ** -21 : 3 * 2 ** -23 * Math.abs(y));
  });
  return { value, error, inputs: [x], back: (gy) => [div(gy, x)] };
}

/** x, but at least `least`, where the gradient ends. For values that float32 cannot take for others. */
function floor(x: Rounded, least: number): Rounded {
  const passes = zeros(x.value.shape);
  const value = zeros(x.value.shape);
  x.value.data.forEach((v, i) => {
    if (Math.abs(v - least) <= x.error[i]) throw new Error(`${v} is too near to ${least} to test`);
    passes.data[i] = v >= least ? 1 : 0;
    value.data[i] = Math.max(v, least);
  });
  const error = x.error.map((e, i) => (passes.data[i] ? e : 2 ** -24 * least));
  return { value, error, inputs: [x], back: (gy) => [mul(gy, exact(passes))] };
}

export const MS_WEIGHTS = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

export function msSsim(x: Rounded, y: Rounded): Rounded {
  const terms = MS_WEIGHTS.map((weight, i) => {
    if (i > 0) {
      const [, h, w] = x.value.shape;
      const half = average(2, 2, [h % 2, w % 2]);
      [x, y] = [filtered(x, half), filtered(y, half)];
    }
    return scale(log(floor(mean(gaussianMap(x, y, i === 4), [1, 2]), 1e-4)), weight);
  });
  return mean(exp(terms.reduce(add)));
}
