/** From what the pickle of a PyTorch file gave to tensors with names and data. Pure functions. */
import { type Fail, quote, showShape } from "./describe.js";
import { describe, PickleDict, PickleList, PickleTuple, type PickleValue } from "./pickleValues.js";
import { DTYPES, type TensorOut } from "./safetensors.js";
import { copyStrided, extentProduct, type StridedView, viewEnd } from "./strided.js";
import { isCount, type TorchStorage, TorchTensor } from "./torchPickle.js";

/** The key under which training scripts keep the weights, beside the epoch and the optimiser's state. */
const INNER = "state_dict";
// A pickle of a few bytes can hold one dict in many places, or in itself: these bound the walk.
const MAX_VALUES = 500_000;
const MAX_TENSORS = 50_000;
const MAX_DEPTH = 64;
const MAX_NAME = 1000;
/** Many tensors can share one long shape. PyTorch's own kernels stop at 64 extents too. */
const MAX_RANK = 64;

/**
 * The tensors in a pickled dict by name, in its order. A dict under "state_dict" is taken for the whole. Names of dicts
 * in dicts are joined by dots, those of lists are indices; what is no tensor is left out.
 */
export function tensorsOf(value: PickleValue, fail: Fail): Map<string, TorchTensor> {
  if (value instanceof TorchTensor) return fail("it holds one tensor without a name; save a dict of tensors");
  if (!(value instanceof PickleDict)) return fail(`it holds ${describe(value)} and no dict of tensors`);
  const inner = value.entries.get(INNER);
  const top = inner instanceof PickleDict ? inner : value;
  const tensors = new Map<string, TorchTensor>();
  let values = 0;
  const walk = (entry: PickleValue, name: string, depth: number): void => {
    if (++values > MAX_VALUES) fail(`it holds more than ${MAX_VALUES} values`);
    if (depth > MAX_DEPTH) fail(`its dicts are nested more than ${MAX_DEPTH} deep, at ${quote(name)}`);
    if (name.length > MAX_NAME) fail(`it has a name of more than ${MAX_NAME} characters: ${quote(name)}`);
    if (entry instanceof TorchTensor) {
      if (tensors.has(name)) fail(`two tensors have the name ${quote(name)}`);
      if (tensors.size === MAX_TENSORS) fail(`it holds more than ${MAX_TENSORS} tensors`);
      tensors.set(name, entry);
      return;
    }
    const prefix = depth === 0 ? "" : `${name}.`;
    if (entry instanceof PickleDict) for (const [key, item] of entry.entries) walk(item, prefix + key, depth + 1);
    if (entry instanceof PickleList || entry instanceof PickleTuple) {
      entry.items.forEach((item, i) => {
        walk(item, prefix + i, depth + 1);
      });
    }
  };
  walk(top, "", 0);
  if (tensors.size === 0 && top.entries.size > 0) fail("it holds a dict without a single tensor");
  return tensors;
}

/** Where the raw values of storages come from, `size` times the dtype's width in bytes; it throws if they are missing. */
export type Source = (storage: TorchStorage) => Uint8Array;

export interface Materialising {
  /** The most bytes that all tensors may take. */
  limit: number;
  bigEndian: boolean;
}

/** Gives every tensor a row-major copy of its values. Nothing is copied before all tensors are found to be sound. */
export function materialise(
  tensors: ReadonlyMap<string, TorchTensor>,
  source: Source,
  { limit, bigEndian }: Materialising,
  fail: Fail,
): Record<string, TensorOut> {
  let total = 0;
  const views: [name: string, storage: TorchStorage, view: StridedView][] = [];
  for (const [name, tensor] of tensors) {
    const { root } = tensor.storage;
    const view = soundView(tensor, `tensor ${quote(name)}`, fail);
    // Values narrower than float32 among the floats are widened to it.
    total += extentProduct(view.shape) * (DTYPES.get(root.dtype)?.widened ?? 0);
    if (total > limit) {
      fail(`its tensors repeat values until they take more than ${limit} bytes, which its size does not warrant`);
    }
    views.push([name, root, view]);
  }
  const result: Record<string, TensorOut> = Object.create(null);
  for (const [name, root, view] of views) {
    const { bytes, read } = DTYPES.get(root.dtype)!;
    const raw = copyStrided(source(root), view, bytes, bigEndian);
    result[name] = { dtype: root.dtype, shape: [...view.shape], data: read(raw) };
  }
  return result;
}

/** A tensor's view of its root storage, after checking that it is one and lies inside. */
function soundView(tensor: TorchTensor, what: string, fail: Fail): StridedView {
  const { storage, offset } = tensor;
  const shape =
    counts(tensor.shape) ?? fail(`${what} has no valid shape: it must be up to ${MAX_RANK} whole numbers from 0`);
  const strides = counts(tensor.strides);
  if (strides?.length !== shape.length) return fail(`${what} of shape ${showShape(shape)} has no valid strides`);
  if (!isCount(offset)) return fail(`${what} begins at ${describe(offset)} of its storage`);
  const count = extentProduct(shape);
  if (Number.isNaN(count)) fail(`${what} has the shape ${showShape(shape)}, whose product no number holds`);
  const end = viewEnd({ shape, strides, offset });
  // The negation catches NaN.
  if (!(end <= storage.size)) {
    fail(`${what} of shape ${showShape(shape)} reaches outside of its storage of ${storage.size} values`);
  }
  return { shape, strides, offset: storage.offset + offset };
}

function counts(value: PickleValue): number[] | undefined {
  const items = value instanceof PickleTuple || value instanceof PickleList ? value.items : undefined;
  return items && items.length <= MAX_RANK && items.every(isCount) ? (items as number[]) : undefined;
}
