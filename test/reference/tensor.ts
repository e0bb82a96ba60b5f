import { uniform } from "../../src/engine/philox.js";

/** A float64 tensor of the oracles: row-major, channels last, nothing padded. A scalar has shape []. */
export interface Tensor {
  shape: number[];
  data: Float64Array;
}

/** A tensor from its values in row-major order. */
export function tensor(shape: number[], values: ArrayLike<number>): Tensor {
  if (values.length !== sizeOf(shape)) throw new Error(`tensor [${shape}] cannot hold ${values.length} values`);
  return { shape: [...shape], data: Float64Array.from(values) };
}

export function zeros(shape: number[]): Tensor {
  return { shape: [...shape], data: new Float64Array(sizeOf(shape)) };
}

export function fill(shape: number[], value: number): Tensor {
  return { shape: [...shape], data: new Float64Array(sizeOf(shape)).fill(value) };
}

/**
 * A seeded source of random tensors, uniform in [low, high) and a different one at each call. The values are rounded to
 * float32, so that a GPU test and its oracle start from the same numbers.
 */
export function randomTensors(seed: number): (shape: number[], low?: number, high?: number) => Tensor {
  let stream = 0;
  return (shape, low = -1, high = 1) => {
    const unit = uniform(sizeOf(shape), { seed, step: 0, stream: stream++ });
    return tensor(
      shape,
      unit.map((u) => low + (high - low) * u),
    );
  };
}

/** The number of elements; 1 for a scalar. */
export function sizeOf(shape: number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** The place of an index in row-major data. */
export function offset(shape: number[], index: number[]): number {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) place = place * shape[axis] + index[axis];
  return place;
}

export function at(t: Tensor, ...index: number[]): number {
  return t.data[offset(t.shape, index)];
}

/** Every index of a shape, in row-major order: the n-th one belongs to data[n]. */
export function indices(shape: number[]): number[][] {
  return shape.reduce<number[][]>(
    (heads, extent) => heads.flatMap((head) => Array.from({ length: extent }, (_, i) => [...head, i])),
    [[]],
  );
}

/** f of every element. */
export function map(t: Tensor, f: (value: number, i: number) => number): Tensor {
  return { shape: [...t.shape], data: t.data.map(f) };
}

/** The absolute value of every element. */
export function abs(t: Tensor): Tensor {
  return map(t, Math.abs);
}

/** The inner product of two tensors of one shape. */
export function dot(a: Tensor, b: Tensor): number {
  if (a.shape.join() !== b.shape.join()) throw new Error(`dot of [${a.shape}] and [${b.shape}]`);
  return a.data.reduce((total, value, i) => total + value * b.data[i], 0);
}
