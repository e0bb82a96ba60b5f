/** Many numbers to as many as a chart can show. */
import type { CurveGroup, CurveStyle } from "./pageData.js";

/** Numbers by step. */
export interface Series {
  readonly x: readonly number[];
  /** What is not finite leaves a gap. */
  readonly y: readonly number[];
}

/** A chart has about so many pixels. */
export const POINTS = 1000;
const SMOOTH_POINTS = 300;

/** Four digits are more than a chart shows. */
const short = (n: number): number | null => (Number.isFinite(n) ? Number(n.toPrecision(4)) : null);

export function curve(series: Series, tone: string, style: CurveStyle): CurveGroup {
  return { x: series.x, curves: [{ tone, style, y: series.y.map(short) }] };
}

/**
 * At most about `points` of them: of each stretch of steps the least and the greatest, at their own steps, so that no
 * peak is lost.
 */
export function thinned({ x, y }: Series, points = POINTS): Series {
  if (x.length <= points) return { x, y };
  const stretch = Math.ceil(x.length / (points / 2));
  const kept: number[] = [];
  for (let from = 0; from < x.length; from += stretch) {
    const to = Math.min(x.length, from + stretch);
    let [least, most] = [from, from];
    for (let i = from + 1; i < to; i++) {
      if (y[i] < y[least]) least = i;
      if (y[i] > y[most]) most = i;
    }
    kept.push(...(least === most ? [least] : [Math.min(least, most), Math.max(least, most)]));
  }
  return { x: kept.map((i) => x[i]), y: kept.map((i) => y[i]) };
}

/** Over how many steps a curve of `length` steps is smoothed: about a fiftieth, an odd number; 1 for short ones. */
export const windowOf = (length: number): number => 2 * Math.min(250, Math.floor(length / 100)) + 1;

/** The median of the `window` steps around each of at most about `points` steps; fewer at the ends. */
export function smoothed({ x, y }: Series, window: number, points = SMOOTH_POINTS): Series {
  const half = (window - 1) / 2;
  const stride = Math.max(1, Math.ceil(x.length / points));
  const last = x.length - 1;
  const at = x.map((_, i) => i).filter((i) => i % stride === 0 || i === last);
  return { x: at.map((i) => x[i]), y: at.map((i) => median(y.slice(Math.max(0, i - half), i + half + 1))) };
}

/** NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const n = sorted.length;
  return n ? (sorted[(n - 1) >> 1] + sorted[n >> 1]) / 2 : Number.NaN;
}

/** Whether a logarithmic axis shows more: all numbers are positive, and they span a decade. */
export function spansDecades(groups: readonly CurveGroup[]): boolean {
  const values = groups.flatMap(({ curves }) => curves.flatMap(({ y }) => y.filter((v) => v !== null)));
  const least = Math.min(...values);
  return values.length > 0 && least > 0 && Math.max(...values) >= 10 * least;
}
