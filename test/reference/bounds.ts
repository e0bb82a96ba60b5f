import { abs, fill, type Tensor } from "./tensor.js";

/**
 * What bounds the rounding error of a sum, for each element of one result: `magnitude` = sum of |terms| and `count` =
 * how many terms. A float32 sum in any order, fused or not, is within count * 2^-24 * magnitude of the exact one to
 * first order, and each term's own rounding adds a small constant to the count:
 * accept |error| <= c * count * 2^-24 * magnitude.
 */
export interface Bound {
  magnitude: Tensor;
  count: Tensor;
}

/**
 * Bounds of results that are sums of products of the inputs. Such a function gives the sum of |terms| when it is called
 * on absolute values, and the number of terms when it is called on ones.
 */
export function sumBounds<Inputs extends (Tensor | null)[], Name extends string>(
  results: (...inputs: Inputs) => Record<Name, Tensor | null>,
  ...inputs: Inputs
): Record<Name, Bound> {
  const each = (f: (t: Tensor) => Tensor) => inputs.map((t) => t && f(t)) as Inputs;
  const magnitudes = results(...each(abs));
  const counts = results(...each((t) => fill(t.shape, 1)));
  const bounds = {} as Record<Name, Bound>;
  for (const name of Object.keys(magnitudes) as Name[]) {
    const magnitude = magnitudes[name];
    const count = counts[name];
    if (magnitude && count) bounds[name] = { magnitude, count };
  }
  return bounds;
}

/**
 * The greatest |actual - expected| / (count * 2^-24 * magnitude): what must not exceed c. Infinity for NaN, and where a
 * sum without terms is not zero.
 */
export function worstError(actual: ArrayLike<number>, expected: Tensor, { magnitude, count }: Bound): number {
  if (actual.length !== expected.data.length) {
    throw new Error(`${actual.length} values against a tensor [${expected.shape}]`);
  }
  let worst = 0;
  for (let i = 0; i < actual.length; i++) {
    const error = Math.abs(actual[i] - expected.data[i]);
    // NaN must come out as a failure, and 0 / 0 as none.
    if (error === 0) continue;
    const ratio = error / (count.data[i] * 2 ** -24 * magnitude.data[i]);
    worst = Math.max(worst, Number.isNaN(ratio) ? Number.POSITIVE_INFINITY : ratio);
  }
  return worst;
}
