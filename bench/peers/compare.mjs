// What "the same result" means in float32.

/** Half the distance from 1 to the next float32: the largest relative error of one rounding. */
export const ROUNDING = 2 ** -24;

/**
 * Compares sums of products, each element with a bound of its own. A float32 sum of K products, in whatever order, is at
 * most about (K + 2)·2⁻²⁴·Σ|product| from the true one, so two of them differ by at most twice that.
 * @param {ArrayLike<number>} a
 * @param {ArrayLike<number>} b
 * @param {ArrayLike<number>} magnitudes Σ|product| of every element
 * @param {number} length K
 * @param {number} computed how many of both were computed in float32: 1 if `b` is the float64 reference
 * @returns {number} the largest difference over its bound: right if at most 1; NaN and other lengths give Infinity
 */
export function compareSums(a, b, magnitudes, length, computed = 2) {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  const factor = computed * (length + 2) * ROUNDING;
  let worst = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i] - b[i]);
    if (Number.isNaN(difference)) return Number.POSITIVE_INFINITY;
    if (difference > worst * factor * magnitudes[i]) worst = difference / (factor * magnitudes[i]);
  }
  return worst;
}

/**
 * ‖a − b‖ / ‖b‖ over all elements of tensors with the same names.
 * @param {ReadonlyMap<string, ArrayLike<number>>} a
 * @param {ReadonlyMap<string, ArrayLike<number>>} b
 * @returns {number} Infinity where a name or a length differs, or a number is NaN
 */
export function relativeDistance(a, b) {
  if (a.size !== b.size) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let norm = 0;
  for (const [name, wanted] of b) {
    const found = a.get(name);
    if (found?.length !== wanted.length) return Number.POSITIVE_INFINITY;
    for (let i = 0; i < wanted.length; i++) {
      difference += (found[i] - wanted[i]) ** 2;
      norm += wanted[i] ** 2;
    }
  }
  const distance = Math.sqrt(difference / norm);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
}
