import { broadcastShape } from "./pointwise.js";
import { indices, offset, sizeOf, type Tensor, zeros } from "./tensor.js";

/**
 * Float64 values, each with a bound of how far the same formula in float32 may be from it (running error analysis: Higham,
 * "Accuracy and Stability of Numerical Algorithms", section 3.3), and reverse differentiation in the same arithmetic: a
 * gradient carries its bound too. For formulas of many ops, whose bounds nobody should derive by hand.
 *
 * Every op propagates its operands' errors to their full extent, and adds its own: one ULP, 2^-23, of what it computes
 * (n of Σ |terms| for a sum of n terms, in any order), or what WGSL's accuracy table grants exp, log and division.
 */
export interface Rounded {
  readonly value: Tensor;
  readonly error: Float64Array;
  readonly inputs: readonly Rounded[];
  /** One gradient per input; undefined where the input has none. */
  readonly back?: (gy: Rounded) => (Rounded | undefined)[];
}

const ULP = 2 ** -23;
/** What is smaller may be flushed to zero. */
const FLUSHED = 2 ** -126;

/** A number of the test, exact in float32. */
export const exact = (value: Tensor): Rounded => ({ value, error: new Float64Array(value.data.length), inputs: [] });
export const scalar = (value: number): Rounded => exact({ shape: [], data: Float64Array.of(value) });

type Numbers = readonly number[];

/** f of each element, with operands broadcast; `inherited` is the error from theirs, `own` in ULPs of y. */
function elementwise(
  inputs: readonly Rounded[],
  f: (v: Numbers) => number,
  inherited: (v: Numbers, e: Numbers, y: number) => number,
  own: (v: Numbers, y: number) => number,
  back: (gy: Rounded, y: Rounded) => (Rounded | undefined)[],
): Rounded {
  const shape = inputs.map((x) => x.value.shape).reduce(broadcastShape);
  const value = zeros(shape);
  const error = new Float64Array(value.data.length);
  indices(shape).forEach((index, i) => {
    const places = inputs.map((x) => placeIn(x.value.shape, index));
    const v = inputs.map((x, k) => x.value.data[places[k]]);
    const e = inputs.map((x, k) => x.error[places[k]]);
    const y = f(v);
    value.data[i] = y;
    const from = inherited(v, e, y);
    error[i] = from + own(v, y) * ULP * (Math.abs(y) + from) + (y === 0 ? 0 : FLUSHED);
  });
  const y: Rounded = {
    value,
    error,
    inputs,
    back: (gy) => back(gy, y).map((g, k) => g && sumTo(g, inputs[k].value.shape)),
  };
  return y;
}

function placeIn(shape: number[], index: number[]): number {
  const missing = index.length - shape.length;
  return offset(
    shape,
    shape.map((extent, axis) => (extent === 1 ? 0 : index[axis + missing])),
  );
}

const one = () => 1;
const abs = Math.abs;

export const add = (a: Rounded, b: Rounded): Rounded =>
  elementwise(
    [a, b],
    ([p, q]) => p + q,
    (_, [ep, eq]) => ep + eq,
    one,
    (gy) => [gy, gy],
  );
export const sub = (a: Rounded, b: Rounded): Rounded =>
  elementwise(
    [a, b],
    ([p, q]) => p - q,
    (_, [ep, eq]) => ep + eq,
    one,
    (gy) => [gy, scale(gy, -1)],
  );
export const mul = (a: Rounded, b: Rounded): Rounded =>
  elementwise(
    [a, b],
    ([p, q]) => p * q,
    ([p, q], [ep, eq]) => abs(p) * eq + abs(q) * ep + ep * eq,
    one,
    (gy) => [mul(gy, b), mul(gy, a)],
  );
export const div = (a: Rounded, b: Rounded): Rounded =>
  elementwise(
    [a, b],
    ([p, q]) => p / q,
    ([, q], [ep, eq], y) => (ep + abs(y) * eq) / (abs(q) - eq),
    () => 2.5,
    (gy, y) => [div(gy, b), scale(mul(div(gy, b), y), -1)],
  );
/** x times a number, which is rounded itself. */
export const scale = (x: Rounded, k: number): Rounded =>
  elementwise(
    [x],
    ([v]) => k * v,
    (_, [e]) => abs(k) * e,
    () => (abs(k) === 1 ? 0 : 2),
    (gy) => [scale(gy, k)],
  );
export const square = (x: Rounded): Rounded =>
  elementwise(
    [x],
    ([v]) => v * v,
    ([v], [e]) => 2 * abs(v) * e + e * e,
    one,
    (gy) => [scale(mul(gy, x), 2)],
  );
export const exp = (x: Rounded): Rounded =>
  elementwise(
    [x],
    ([v]) => Math.exp(v),
    (_, [e], y) => y * Math.expm1(e),
    ([v]) => 3 + 2 * abs(v),
    (gy, y) => [mul(gy, y)],
  );
/** x where x > 0, else alpha · x. An element whose sign float32 may get wrong keeps the larger slope in its bound. */
export function leaky(x: Rounded, alpha: number): Rounded {
  const slope = (v: number) => (v > 0 ? 1 : alpha);
  const unsure = x.value.data.map((v, i) => (x.error[i] > 0 && abs(v) <= x.error[i] ? 1 - alpha : 0));
  const mask: Rounded = {
    value: { shape: x.value.shape, data: x.value.data.map(slope) },
    error: unsure.map((u) => u + alpha * ULP),
    inputs: [],
  };
  return elementwise(
    [x],
    ([v]) => slope(v) * v,
    (_, [e]) => e,
    () => (alpha ? 2 : 0),
    (gy) => [mul(gy, mask)],
  );
}
export const relu = (x: Rounded): Rounded => leaky(x, 0);

/** The sum over axes, which stay with extent 1. */
export function sum(x: Rounded, axes = x.value.shape.map((_, axis) => axis)): Rounded {
  const { shape } = x.value;
  const kept = shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const value = zeros(kept);
  const error = new Float64Array(value.data.length);
  const magnitude = new Float64Array(value.data.length);
  indices(shape).forEach((index, i) => {
    const at = placeIn(kept, index);
    value.data[at] += x.value.data[i];
    error[at] += x.error[i];
    magnitude[at] += abs(x.value.data[i]) + x.error[i];
  });
  const n = sizeOf(shape) / sizeOf(kept);
  if (n > 1) for (const [i, m] of magnitude.entries()) error[i] += n * ULP * m;
  return { value, error, inputs: [x], back: (gy) => [spread(gy, shape)] };
}

/** The gradient of a sum: copies, which round nothing. */
function spread(g: Rounded, shape: number[]): Rounded {
  const from = indices(shape).map((index) => placeIn(g.value.shape, index));
  const copied = (data: Float64Array) => Float64Array.from(from, (i) => data[i]);
  return { value: { shape, data: copied(g.value.data) }, error: copied(g.error), inputs: [] };
}

export const mean = (x: Rounded, axes?: number[]): Rounded => {
  const total = sum(x, axes);
  return scale(total, sizeOf(total.value.shape) / sizeOf(x.value.shape));
};

/** With the divisor n − 1, in two passes. */
export function variance(x: Rounded, axes: number[]): Rounded {
  const centre = mean(x, axes);
  const n = sizeOf(x.value.shape) / sizeOf(centre.value.shape);
  return scale(sum(square(sub(x, centre)), axes), 1 / (n - 1));
}

function sumTo(g: Rounded, shape: number[]): Rounded {
  const front = g.value.shape.length - shape.length;
  const axes = g.value.shape
    .map((_, i) => i)
    .filter((i) => i < front || (shape[i - front] === 1 && g.value.shape[i] > 1));
  return reshape(axes.length ? sum(g, axes) : g, shape);
}

export const reshape = (x: Rounded, shape: number[]): Rounded => ({
  value: { shape, data: x.value.data },
  error: x.error,
  inputs: [x],
  back: (gy) => [reshape(gy, x.value.shape)],
});

export function transpose(x: Rounded): Rounded {
  const [rows, columns] = x.value.shape;
  const from = Array.from({ length: rows * columns }, (_, i) => (i % rows) * columns + Math.floor(i / rows));
  const move = (data: Float64Array) => Float64Array.from(from, (i) => data[i]);
  return {
    value: { shape: [columns, rows], data: move(x.value.data) },
    error: move(x.error),
    inputs: [x],
    back: (gy) => [transpose(gy)],
  };
}

/** a·b of matrices. */
export function matmul(a: Rounded, b: Rounded): Rounded {
  const [rows, inner] = a.value.shape;
  const [, columns] = b.value.shape;
  const value = zeros([rows, columns]);
  const error = new Float64Array(value.data.length);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) {
      const at = i * columns + j;
      let magnitude = 0;
      for (let k = 0; k < inner; k++) {
        const [p, q] = [i * inner + k, k * columns + j];
        const [v, w, ev, ew] = [a.value.data[p], b.value.data[q], a.error[p], b.error[q]];
        value.data[at] += v * w;
        error[at] += abs(v) * ew + abs(w) * ev + ev * ew;
        magnitude += (abs(v) + ev) * (abs(w) + ew);
      }
      error[at] += (inner + 1) * ULP * magnitude;
    }
  }
  const back = (gy: Rounded) => [matmul(gy, transpose(b)), matmul(transpose(a), gy)];
  return { value, error, inputs: [a, b], back };
}

/** Matrices one below the other. */
export function stack(parts: readonly Rounded[]): Rounded {
  const [, columns] = parts[0].value.shape;
  const join = (pieces: Float64Array[]) => Float64Array.from(pieces.flatMap((piece) => [...piece]));
  const data = join(parts.map((x) => x.value.data));
  const back = (gy: Rounded) => {
    let at = 0;
    return parts.map(({ value: { shape, data } }): Rounded => {
      const [from, to] = [at, at + data.length];
      at = to;
      return { value: { shape, data: gy.value.data.slice(from, to) }, error: gy.error.slice(from, to), inputs: [] };
    });
  };
  const value = { shape: [data.length / columns, columns], data };
  return { value, error: join(parts.map((x) => x.error)), inputs: parts, back };
}

/** x − log Σ exp(x) of each row, by way of the greatest. */
export function logSoftmax(x: Rounded): Rounded {
  const [n, k] = x.value.shape;
  const greatest = exact({
    shape: [n, 1],
    data: Float64Array.from({ length: n }, (_, i) => Math.max(...x.value.data.slice(i * k, (i + 1) * k))),
  });
  const apart = sub(x, greatest);
  const total = sum(exp(apart), [1]);
  const logOf = elementwise(
    [total],
    ([v]) => Math.log(v),
    ([v], [e]) => -Math.log1p(-e / v),
    // An absolute 2^-21 between 1/2 and 2, here in ULPs of y.
    ([v], y) => (v <= 2 ? 4 / Math.max(abs(y), 1e-300) : 3),
    () => [undefined],
  );
  const { value, error } = sub(apart, logOf);
  const y: Rounded = {
    value,
    error,
    inputs: [x],
    back: (gy) => [sub(gy, mul(exp(y), sum(gy, [1])))],
  };
  return y;
}

/** x without a gradient behind it. */
export const stop = (x: Rounded): Rounded => ({ ...x, inputs: [], back: undefined });

/** x, with the gradient times −factor. */
export const reverse = (x: Rounded, factor: number): Rounded => ({
  ...x,
  inputs: [x],
  back: (gy) => [scale(gy, -factor)],
});

/** The gradients of gy · loss, a scalar; zeros where it does not depend on a wanted value. */
export function gradients(loss: Rounded, wanted: readonly Rounded[], gy = scalar(1)): Rounded[] {
  const order: Rounded[] = [];
  const seen = new Set<Rounded>();
  const visit = (node: Rounded) => {
    if (seen.has(node)) return;
    seen.add(node);
    node.inputs.forEach(visit);
    order.push(node);
  };
  visit(loss);
  const found = new Map<Rounded, Rounded>([[loss, reshape(gy, loss.value.shape)]]);
  for (const node of order.reverse()) {
    const g = found.get(node);
    if (!g || !node.back) continue;
    node.back(g).forEach((gx, k) => {
      const x = node.inputs[k];
      const before = found.get(x);
      if (gx) found.set(x, before ? add(before, gx) : gx);
    });
  }
  return wanted.map((x) => found.get(x) ?? exact(zeros(x.value.shape)));
}
