/** A linear reader of codes: logistic regression. Pure. */

/** Weight of the squared norm of the reader's weights. */
const RIDGE = 1e-3;
const ITERATIONS = 120;

/** score = bias + Σ weights · (x − mean) / deviation */
export interface Reader {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
  readonly weights: Float64Array;
  readonly bias: number;
}

const sigmoid = (s: number): number => 1 / (1 + Math.exp(-s));

/** Rows less their mean, in deviations. */
function standardised(
  { mean, deviation }: Pick<Reader, "mean" | "deviation">,
  x: readonly Float32Array[],
): Float32Array[] {
  return x.map((row) => {
    const own = new Float32Array(row.length);
    for (let k = 0; k < row.length; k++) own[k] = (row[k] - mean[k]) / deviation[k];
    return own;
  });
}

function dot(a: Float64Array, b: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** The largest eigenvalue of XᵀX / rows, by power iteration, a little too large. */
function curvature(x: readonly Float32Array[]): number {
  let v = new Float64Array(x[0].length).fill(1 / Math.sqrt(x[0].length));
  let norm = 1;
  for (let i = 0; i < 12; i++) {
    const next = new Float64Array(v.length);
    for (const row of x) {
      const s = dot(v, row) / x.length;
      for (let k = 0; k < row.length; k++) next[k] += s * row[k];
    }
    norm = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0)) || 1;
    v = next.map((value) => value / norm);
  }
  return 1.3 * norm;
}

/**
 * Fits weights and bias to labels 0 and 1 by Nesterov's accelerated gradient descent (1983) on the mean cross-entropy
 * plus RIDGE/2 · |weights|².
 * @param x rows of one length
 */
export function fitReader(x: readonly Float32Array[], labels: readonly number[]): Reader {
  const length = x[0].length;
  const mean = new Float64Array(length);
  const deviation = new Float64Array(length);
  for (const row of x) for (let k = 0; k < length; k++) mean[k] += row[k] / x.length;
  for (const row of x) for (let k = 0; k < length; k++) deviation[k] += (row[k] - mean[k]) ** 2 / x.length;
  // A number that never changes tells nothing.
  for (let k = 0; k < length; k++) deviation[k] = Math.sqrt(deviation[k]) || 1;
  const rows = standardised({ mean, deviation }, x);
  const rate = 1 / (curvature(rows) / 4 + 0.25 + RIDGE);
  let weights = new Float64Array(length);
  let bias = 0;
  let [ahead, biasAhead] = [weights, bias];
  for (let i = 0; i < ITERATIONS; i++) {
    const gradient = ahead.map((w) => RIDGE * w);
    let biasGradient = 0;
    rows.forEach((row, n) => {
      const error = (sigmoid(dot(ahead, row) + biasAhead) - labels[n]) / rows.length;
      for (let k = 0; k < length; k++) gradient[k] += error * row[k];
      biasGradient += error;
    });
    const next = ahead.map((w, k) => w - rate * gradient[k]);
    const nextBias = biasAhead - rate * biasGradient;
    const momentum = i / (i + 3);
    ahead = next.map((w, k) => w + momentum * (w - weights[k]));
    biasAhead = nextBias + momentum * (nextBias - bias);
    [weights, bias] = [next, nextBias];
  }
  return { mean, deviation, weights, bias };
}

/**
 * How a reader does on rows that it was not fitted to. `bits` is what it tells of the label, 1 − its cross-entropy in
 * bits: a lower bound of the mutual information where labels are equally frequent (Barber & Agakov, 2003); 0 if negative.
 */
export function accuracyAndBits(
  reader: Reader,
  x: readonly Float32Array[],
  labels: readonly number[],
): { accuracy: number; bits: number } {
  let right = 0;
  let bits = 0;
  standardised(reader, x).forEach((row, n) => {
    const score = (dot(reader.weights, row) + reader.bias) * (labels[n] === 1 ? 1 : -1);
    if (score > 0) right++;
    // log2 sigmoid(score), without an overflow.
    bits += 1 - Math.log1p(Math.exp(-Math.abs(score))) / Math.LN2 + Math.min(score, 0) / Math.LN2;
  });
  return { accuracy: right / x.length, bits: Math.max(0, bits / x.length) };
}
