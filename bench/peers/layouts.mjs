// Between our layouts (images NHWC, weights [kh][kw][in][out]) and those of libraries that put channels first.

/**
 * @param {ArrayLike<number>} values row-major
 * @param {readonly number[]} shape
 * @param {readonly number[]} axes axis i of the result is axis axes[i] of the input
 * @returns {Float32Array}
 */
export function permute(values, shape, axes) {
  const strides = shape.map((_, i) => shape.slice(i + 1).reduce((a, b) => a * b, 1));
  const extents = axes.map((axis) => shape[axis]);
  const steps = axes.map((axis) => strides[axis]);
  const result = new Float32Array(values.length);
  const index = extents.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = values[from];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      from += steps[axis];
      if (++index[axis] < extents[axis]) break;
      from -= steps[axis] * extents[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** NHWC → NCHW. @param {readonly number[]} shape */
export const channelsFirst = ([n, h, w, c]) => ({ shape: [n, c, h, w], axes: [0, 3, 1, 2] });

/** NCHW → NHWC. @param {readonly number[]} shape */
export const channelsLast = ([n, c, h, w]) => ({ shape: [n, h, w, c], axes: [0, 2, 3, 1] });

/** [kh][kw][a][b] ↔ [b][a][kh][kw]. @param {readonly number[]} shape */
export const reversedWeights = ([k0, k1, k2, k3]) => ({ shape: [k3, k2, k0, k1], axes: [3, 2, 0, 1] });
export const nativeWeights = ([b, a, kh, kw]) => ({ shape: [kh, kw, a, b], axes: [2, 3, 1, 0] });
