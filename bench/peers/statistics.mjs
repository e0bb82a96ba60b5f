// Medians and spreads of samples: what the tables and the JSON are made of.

/** @param {readonly number[]} values not empty  @param {number} q from 0 to 1  @returns {number} the interpolated quantile */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.ceil(at)] - sorted[low]);
}

/** @param {readonly number[]} values */
export const median = (values) => quantile(values, 0.5);

/** Half the distance between the quartiles over the median. @param {readonly number[]} values */
export const spread = (values) => (quantile(values, 0.75) - quantile(values, 0.25)) / 2 / median(values);

/**
 * How many times longer `theirs` took: the median of the ratios of each round, so that a machine that slows down for a
 * while changes both sides of a ratio. Both lists hold one number a round.
 * @param {readonly number[]} theirs
 * @param {readonly number[]} ours
 */
export const pairedRatio = (theirs, ours) => median(theirs.map((value, i) => value / ours[i]));
