/**
 * What WGSL guarantees of float32 (the accuracy table of its section "Floating Point Accuracy"), as absolute errors.
 * Where the table says "inherited", the error is propagated through the formula that it inherits from.
 */

/** One unit in the last place of a number is at most this times the number. */
export const ULP = 2 ** -23;

export const DIVISION = 2.5 * ULP;

/** 1 / inverseSqrt(x): 2 ULP of inverseSqrt, 2.5 of the division. */
export const SQRT = 4.5 * ULP;

const relativeExp = (x: number): number => (3 + 2 * Math.abs(x)) * ULP;

export const expError = (x: number): number => Math.exp(x) * relativeExp(x);

export const logError = (x: number): number => (x >= 0.5 && x <= 2 ? 2 ** -21 : 3 * ULP * Math.abs(Math.log(x)));

/** 1 / (1 + exp(−x)): exp's error weighs exp(−x) / (1 + exp(−x)) = 1 − y; then an addition and a division. */
export function sigmoidError(x: number): number {
  const y = 1 / (1 + Math.exp(-x));
  return y * ((1 - y) * relativeExp(x) + ULP + DIVISION);
}

/** Of gy · y · (1 − y), for a y with that error: y's own, then two products and a difference. */
export function sigmoidGradError(x: number, gy: number, error = sigmoidError(x)): number {
  const y = 1 / (1 + Math.exp(-x));
  return Math.abs(gy) * (error + 3 * ULP * y * (1 - y));
}

/**
 * sinh(x) / cosh(x), both from exp(x) and exp(−x): each errs by cosh(x) · relativeExp(x) and a rounding; then a division.
 * The argument is limited to ±10, beyond which tanh is 1 in float32.
 */
export function tanhError(x: number): number {
  const y = Math.abs(Math.tanh(x));
  return (1 + y) * relativeExp(Math.min(Math.abs(x), 10)) + y * (2 * ULP + DIVISION);
}

/** Of gy · (1 − y²), for a y with that error. */
export function tanhGradError(x: number, gy: number, error = tanhError(x)): number {
  const y = Math.abs(Math.tanh(x));
  return Math.abs(gy) * (2 * y * error + ULP * y * y + 2 * ULP * (1 - y * y));
}
