/** Copies strided views out of storages. Pure functions on bytes. */

/** A view: value (i0, i1, …) stands at offset + Σ strides[k]·ik. All in values, whole numbers from 0. */
export interface StridedView {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** Product of the extents: a safe integer, or NaN when it is none. */
export function extentProduct(shape: readonly number[]): number {
  if (shape.includes(0)) return 0;
  const product = shape.reduce((a, b) => a * b, 1);
  return Number.isSafeInteger(product) ? product : Number.NaN;
}

/** How many values a storage must have for a view of it: 0 if the view is empty; NaN when it is no safe integer. */
export function viewEnd({ shape, strides, offset }: StridedView): number {
  if (shape.includes(0)) return 0;
  // Rounding of products beyond 2^53 cannot bring the sum back below it.
  const end = shape.reduce((sum, extent, i) => sum + (extent - 1) * strides[i], offset + 1);
  return Number.isSafeInteger(end) ? end : Number.NaN;
}

/**
 * A row-major copy of a view, `width` bytes a value. The view must lie inside `source` (viewEnd), and its extentProduct
 * be a number.
 *
 * @param swap turns the bytes of every value around, from big- to little-endian
 */
export function copyStrided(source: Uint8Array, view: StridedView, width: number, swap = false): ArrayBuffer {
  const target = new Uint8Array(extentProduct(view.shape) * width);
  if (target.length === 0) return target.buffer;
  const dims = collapse(view);
  const inner = dims.pop() ?? { extent: 1, stride: 1 };
  const index = new Array<number>(dims.length).fill(0);
  let from = view.offset * width;
  for (let to = 0; to < target.length; ) {
    to = copyRun(source, from, inner.stride * width, target, to, inner.extent, width);
    // Steps the outer indices on like the digits of a counter, the last one fastest.
    for (let k = dims.length - 1; k >= 0; k--) {
      from += dims[k].stride * width;
      if (++index[k] < dims[k].extent) break;
      from -= dims[k].extent * dims[k].stride * width;
      index[k] = 0;
    }
  }
  if (swap) for (let at = 0; at < target.length; at += width) target.subarray(at, at + width).reverse();
  return target.buffer;
}

interface Dim {
  extent: number;
  stride: number;
}

/** Drops extents of 1 and joins neighbours that run through: of a view without gaps one extent is left. */
function collapse({ shape, strides }: StridedView): Dim[] {
  const dims: Dim[] = [];
  shape.forEach((extent, i) => {
    if (extent === 1) return;
    const stride = strides[i];
    const outer = dims.at(-1);
    if (outer && outer.stride === extent * stride) dims[dims.length - 1] = { extent: outer.extent * extent, stride };
    else dims.push({ extent, stride });
  });
  return dims;
}

/** Copies `count` values that stand `step` bytes apart; where the target goes on. */
function copyRun(
  source: Uint8Array,
  from: number,
  step: number,
  target: Uint8Array,
  to: number,
  count: number,
  width: number,
): number {
  const end = to + count * width;
  if (step === width) {
    target.set(source.subarray(from, from + count * width), to);
    return end;
  }
  for (let at = from; to < end; at += step) for (let b = 0; b < width; b++) target[to++] = source[at + b];
  return end;
}
