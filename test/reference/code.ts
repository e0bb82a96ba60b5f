import {
  add,
  div,
  exact,
  exp,
  leaky,
  logSoftmax,
  matmul,
  mean,
  mul,
  type Rounded,
  relu,
  reshape,
  reverse,
  scalar,
  scale,
  square,
  stack,
  stop,
  sub,
  sum,
  transpose,
  variance,
} from "./rounded.js";
import { sizeOf, type Tensor, zeros } from "./tensor.js";

/** The losses on codes, as values with bounds of their float32 rounding. Codes [N, ...], one an identity. */

const flat = (x: Rounded): Rounded => reshape(x, [x.value.shape[0], x.value.data.length / x.value.shape[0]]);
const toScalar = (x: Rounded): Rounded => reshape(x, []);
const meanOf = (terms: readonly Rounded[]): Rounded => scale(terms.reduce(add), 1 / terms.length);
const pairsOf = <T>(list: readonly T[]): [T, T][] =>
  list.flatMap((a, i) => list.slice(i + 1).map((b): [T, T] => [a, b]));

/** mean of (mean(a) - mean(b))^2 + mean of (variance(a) - variance(b))^2, mean over pairs. */
export function latent(codes: readonly Rounded[], pooling: "element" | "channel"): Rounded {
  const shape = codes[0].value.shape;
  const axes = pooling === "element" ? [0] : shape.map((_, axis) => axis).slice(0, -1);
  const apart = (a: Rounded, b: Rounded) => toScalar(mean(square(sub(a, b))));
  return meanOf(
    pairsOf(codes).map(([a, b]) =>
      add(apart(mean(a, axes), mean(b, axes)), apart(variance(a, axes), variance(b, axes))),
    ),
  );
}

/** +1 within an identity and -1 between two, each weighed so that the sum over the matrix is the mean over pairs. */
function signs(identities: number, n: number): Rounded {
  const total = identities * n;
  const weights = zeros([total, total]);
  const pairs = (identities * (identities - 1)) / 2;
  for (let i = 0; i < total; i++) {
    for (let j = 0; j < total; j++) {
      const same = Math.floor(i / n) === Math.floor(j / n);
      weights.data[i * total + j] = Math.fround(same ? (identities - 1) / pairs : -1 / pairs);
    }
  }
  return exact(weights);
}

/** ||Cs - Ct||^2 / (4 d^2) by Gram matrices, mean over pairs. */
export function coral(codes: readonly Rounded[]): Rounded {
  const z = stack(codes.map(flat).map((x) => sub(x, mean(x, [0]))));
  const [, d] = z.value.shape;
  const [n] = codes[0].value.shape;
  const products = scale(matmul(z, transpose(z)), 1 / ((n - 1) * 2 * d));
  return relu(toScalar(sum(mul(square(products), signs(codes.length, n)))));
}

/** The same from the d x d covariances; float64 only. */
export function naiveCoral(codes: readonly Tensor[]): number {
  const covariances = codes.map(({ shape: [n], data }) => {
    const d = data.length / n;
    const at = (s: number, i: number) => data[s * d + i];
    const rows = Array.from({ length: n }, (_, s) => s);
    const means = Array.from({ length: d }, (_, i) => rows.reduce((total, s) => total + at(s, i), 0) / n);
    return Array.from({ length: d * d }, (_, e) => {
      const [i, j] = [Math.floor(e / d), e % d];
      return rows.reduce((total, s) => total + (at(s, i) - means[i]) * (at(s, j) - means[j]), 0) / (n - 1);
    });
  });
  const d2 = covariances[0].length;
  const losses = pairsOf(covariances).map(([a, b]) => a.reduce((t, v, e) => t + (v - b[e]) ** 2, 0) / (4 * d2));
  return losses.reduce((a, b) => a + b) / losses.length;
}

/** Squared MMD, biased, five Gaussian kernels. `typical` in place of the codes' own mean squared distance. */
export function mmd(codes: readonly Rounded[], typical?: Rounded): Rounded {
  const all = stack(codes.map(flat));
  const [total] = all.value.shape;
  const n = total / codes.length;
  const z = sub(all, stop(mean(all, [0])));
  const products = matmul(z, transpose(z));
  const diagonal = zeros([total, total]);
  for (let i = 0; i < total; i++) diagonal.data[i * total + i] = 1;
  const own = mul(products, exact(diagonal));
  // A code is exactly as far from itself as float32 says: 2 p - 2 p for one number p.
  const apart = exact({ shape: [total, total], data: diagonal.data.map((v) => 1 - v) });
  const distances = relu(mul(sub(add(sum(own, [1]), sum(own, [0])), scale(products, 2)), apart));
  const s = typical ?? stop(scale(toScalar(sum(distances)), 1 / (total * (total - 1))));
  let kernel = exp(scale(div(distances, s), -1 / 4));
  let mixture = kernel;
  for (let i = 1; i < 5; i++) {
    kernel = square(kernel);
    mixture = add(mixture, kernel);
  }
  return relu(scale(toScalar(sum(mul(mixture, signs(codes.length, n)))), 1 / (5 * n * n)));
}

/** The mean squared distance between different codes, as `mmd` has it. */
export function typicalDistance(codes: readonly Tensor[]): number {
  const rows = codes.flatMap(({ shape: [n], data }) =>
    Array.from({ length: n }, (_, s) => data.slice((s * data.length) / n, ((s + 1) * data.length) / n)),
  );
  const distances = pairsOf(rows).map(([a, b]) => a.reduce((t, v, i) => t + (v - b[i]) ** 2, 0));
  return distances.reduce((a, b) => a + b) / distances.length;
}

/** mean of (mean^2 + exp(v) - 1 - v) / 2. */
export function vibKl(centre: Rounded, logVariance: Rounded): Rounded {
  const spread = sub(sub(exp(logVariance), logVariance), scalar(1));
  return scale(toScalar(mean(add(square(centre), spread))), 0.5);
}

export interface ClassifierWeights {
  w0: Rounded;
  b0: Rounded;
  w1: Rounded;
  b1: Rounded;
}

/** -log p(identity), mean over all codes; the codes' gradient times -factor. */
export function adversary(codes: readonly Rounded[], { w0, b0, w1, b1 }: ClassifierWeights, factor: number): Rounded {
  const rows = reverse(stack(codes.map(flat)), factor);
  const logits = add(matmul(leaky(add(matmul(rows, w0), b0), 0.1), w1), b1);
  const [total] = rows.value.shape;
  const truth = zeros([total, codes.length]);
  for (let i = 0; i < total; i++) truth.data[i * codes.length + Math.floor((i * codes.length) / total)] = 1;
  return scale(toScalar(sum(mul(logSoftmax(logits), exact(truth)))), -1 / total);
}

/** mean of (again - codes)^2 / (mean variance over the batch + 1e-4), neither codes nor variance with a gradient. */
export function consistency(codes: Rounded, again: Rounded): Rounded {
  const target = stop(codes);
  const size = sizeOf(codes.value.shape);
  const change = scale(toScalar(sum(square(sub(again, target)))), 1 / size);
  return div(change, add(toScalar(mean(variance(target, [0]))), scalar(Math.fround(1e-4))));
}
