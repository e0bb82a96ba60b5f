/** What repeated readings of one quantity say. */
export interface Figure {
  readonly median: number;
  /** First and third quartile: half of the readings lie between. */
  readonly low: number;
  readonly high: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** The value below which the part `q` of the sorted values lies, interpolated between neighbours. */
function quantile(sorted: readonly number[], q: number): number {
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/** @param readings at least one */
export function figureOf(readings: readonly number[]): Figure {
  const sorted = [...readings].sort((a, b) => a - b);
  const [least, low, median, high, most] = [0, 0.25, 0.5, 0.75, 1].map((q) => quantile(sorted, q));
  return { median, low, high, least, most, count: sorted.length };
}

/** Half the distance between the quartiles, as a part of the median: ±0.02 is 2 %. */
export const spreadOf = ({ median, low, high }: Figure): number => (median ? (high - low) / 2 / median : 0);

export const median = (readings: readonly number[]): number => figureOf(readings).median;
