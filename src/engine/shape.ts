/** Logical extents of a tensor. Images are [N, H, W, C]; a scalar is []. At most four axes. */
export type Shape = readonly number[];

export const elements = (shape: Shape): number => shape.reduce((a, b) => a * b, 1);

/** vec4 blocks along the last axis: storage pads that axis to a multiple of four; the padding lanes are always zero. */
export const lastBlocks = (shape: Shape): number => Math.ceil((shape.at(-1) ?? 1) / 4);

/** vec4 blocks of the whole tensor. */
export const blocks = (shape: Shape): number => elements(shape.slice(0, -1)) * lastBlocks(shape);

/** Bytes of the whole tensor in storage. */
export const bytes = (shape: Shape): number => blocks(shape) * 16;

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((n, i) => n === b[i]);

export const format = (shape: Shape): string => `[${shape.join(", ")}]`;

/** The shape with ones in front, up to four axes. */
export function rank4(shape: Shape): [number, number, number, number] {
  return [...Array(4 - shape.length).fill(1), ...shape] as [number, number, number, number];
}

/** Strides of the four axes of `rank4(shape)` in storage, in floats; the last is 1. */
export function strides4(shape: Shape): [number, number, number, number] {
  const [, h, w] = rank4(shape);
  const row = lastBlocks(shape) * 4;
  return [h * w * row, w * row, row, 1];
}

/** Logical values, row-major, to storage. */
export function pack(values: ArrayLike<number>, shape: Shape): Float32Array {
  const last = shape.at(-1) ?? 1;
  const row = lastBlocks(shape) * 4;
  const out = new Float32Array(blocks(shape) * 4);
  for (let i = 0, r = 0; i < values.length; i += last, r += row) {
    for (let c = 0; c < last; c++) out[r + c] = values[i + c];
  }
  return out;
}

/** Storage to logical values. */
export function unpack(storage: Float32Array, shape: Shape): Float32Array {
  const last = shape.at(-1) ?? 1;
  const row = lastBlocks(shape) * 4;
  if (last === row) return storage.slice(0, elements(shape));
  const out = new Float32Array(elements(shape));
  for (let i = 0, r = 0; i < out.length; i += last, r += row) {
    for (let c = 0; c < last; c++) out[i + c] = storage[r + c];
  }
  return out;
}
