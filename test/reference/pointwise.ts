import { at, indices, map, offset, type Tensor, zeros } from "./tensor.js";

/** y = f(x) element by element; gx = gy * f'(x). */
export interface Unary {
  forward(x: Tensor): Tensor;
  backward(x: Tensor, gy: Tensor): Tensor;
}

/** y = f(a, b) element by element, with broadcasting; each gradient is summed over the axes that were broadcast. */
export interface Binary {
  forward(a: Tensor, b: Tensor): Tensor;
  backward(a: Tensor, b: Tensor, gy: Tensor): { ga: Tensor; gb: Tensor };
}

function unary(f: (x: number) => number, derivative: (x: number) => number): Unary {
  return {
    forward: (x) => map(x, f),
    backward: (x, gy) => map(x, (value, i) => gy.data[i] * derivative(value)),
  };
}

export const neg = unary(
  (x) => -x,
  () => -1,
);
/** Subgradient 0 at 0, as in PyTorch. */
export const abs = unary(Math.abs, Math.sign);
export const square = unary(
  (x) => x * x,
  (x) => 2 * x,
);
export const sqrt = unary(Math.sqrt, (x) => 0.5 / Math.sqrt(x));
export const exp = unary(Math.exp, Math.exp);
export const log = unary(Math.log, (x) => 1 / x);
/** Subgradient 0 at 0, as in PyTorch. */
export const relu = unary(
  (x) => Math.max(x, 0),
  (x) => (x > 0 ? 1 : 0),
);
/** x where x > 0, else alpha * x. Subgradient alpha at 0, as in PyTorch. */
export const leakyRelu = (alpha: number) =>
  unary(
    (x) => (x > 0 ? x : alpha * x),
    (x) => (x > 0 ? 1 : alpha),
  );
export const sigmoid = unary(logistic, (x) => logistic(x) * (1 - logistic(x)));
export const tanh = unary(Math.tanh, (x) => 1 - Math.tanh(x) ** 2);
/** min(max(x, lo), hi). The gradient passes where lo <= x <= hi, ends included, as in PyTorch. */
export const clamp = (lo: number, hi: number) =>
  unary(
    (x) => Math.min(Math.max(x, lo), hi),
    (x) => (lo <= x && x <= hi ? 1 : 0),
  );
export const scale = (factor: number) =>
  unary(
    (x) => factor * x,
    () => factor,
  );

function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

function binary(
  f: (a: number, b: number) => number,
  derivativeA: (a: number, b: number) => number,
  derivativeB: (a: number, b: number) => number,
): Binary {
  return {
    forward(a, b) {
      const y = zeros(broadcastShape(a.shape, b.shape));
      indices(y.shape).forEach((index, i) => {
        y.data[i] = f(at(a, ...project(index, a.shape)), at(b, ...project(index, b.shape)));
      });
      return y;
    },
    backward(a, b, gy) {
      const ga = zeros(a.shape);
      const gb = zeros(b.shape);
      indices(gy.shape).forEach((index, i) => {
        const ia = offset(a.shape, project(index, a.shape));
        const ib = offset(b.shape, project(index, b.shape));
        ga.data[ia] += gy.data[i] * derivativeA(a.data[ia], b.data[ib]);
        gb.data[ib] += gy.data[i] * derivativeB(a.data[ia], b.data[ib]);
      });
      return { ga, gb };
    },
  };
}

export const add = binary(
  (a, b) => a + b,
  () => 1,
  () => 1,
);
export const sub = binary(
  (a, b) => a - b,
  () => 1,
  () => -1,
);
export const mul = binary(
  (a, b) => a * b,
  (_, b) => b,
  (a) => a,
);
export const div = binary(
  (a, b) => a / b,
  (_, b) => 1 / b,
  (a, b) => -a / (b * b),
);

/** numpy's rule: align at the last axis; extents must be equal or one of them 1 (or absent). */
export function broadcastShape(a: number[], b: number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const ea = a[axis - rank + a.length] ?? 1;
    const eb = b[axis - rank + b.length] ?? 1;
    if (ea !== eb && ea !== 1 && eb !== 1) throw new Error(`[${a}] and [${b}] do not broadcast`);
    return ea === 1 ? eb : ea;
  });
}

/** The index of the element of a `shape` that is broadcast to `index`. */
function project(index: number[], shape: number[]): number[] {
  const missing = index.length - shape.length;
  return shape.map((extent, axis) => (extent === 1 ? 0 : index[axis + missing]));
}
