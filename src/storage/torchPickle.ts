/**
 * What the pickle of a PyTorch file may name: storages and tensors. Tensors stay descriptions here, since a legacy file
 * has its data behind the pickle.
 *
 * Source: torch/serialization.py and torch/_utils.py of https://github.com/pytorch/pytorch.
 */
import { type Fail, quote } from "./describe.js";
import type { PickleHost } from "./pickle.js";
import {
  addToDict,
  describe,
  PickleDict,
  PickleGlobal,
  PickleList,
  PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickleValues.js";

/** A run of `size` values of one dtype that the file keeps under a key. */
export class TorchStorage extends PickleObject {
  readonly what = "a storage";
  constructor(
    readonly key: string,
    /** As in safetensors: F32, I64, … */
    readonly dtype: string,
    readonly size: number,
  ) {
    super();
  }
}

/** `size` values of a storage from value `offset` on: legacy files can name parts of storages. */
export class TorchStorageView extends PickleObject {
  readonly what = "a storage";
  constructor(
    readonly root: TorchStorage,
    readonly offset: number,
    readonly size: number,
  ) {
    super();
  }
}

/** A tensor as the file describes it; nothing of it is checked yet. */
export class TorchTensor extends PickleObject {
  readonly what = "a tensor";
  constructor(
    readonly storage: TorchStorageView,
    /** In values of the storage view, as the strides are. */
    readonly offset: PickleValue,
    readonly shape: PickleValue,
    readonly strides: PickleValue,
  ) {
    super();
  }
}

/** PyTorch's name of a storage class, without "Storage", to the dtype in safetensors' words. */
const STORAGES = new Map([
  ["Double", "F64"],
  ["Float", "F32"],
  ["Half", "F16"],
  ["BFloat16", "BF16"],
  ["Long", "I64"],
  ["Int", "I32"],
  ["Short", "I16"],
  ["Char", "I8"],
  ["Byte", "U8"],
  ["Bool", "BOOL"],
]);
/** Storages that are known, and that no TensorOut can hold. */
const UNREADABLE = ["ComplexFloat", "ComplexDouble", "QInt8", "QUInt8", "QInt32", "QUInt4x2", "QUInt2x4"];
const MODULES = ["torch", "torch.cuda"];
/** One list can be made an OrderedDict many times: entries of all those made of lists. */
const MAX_PAIRS = 200_000;

/** The host of a PyTorch file's pickles, and the storages that they have named so far, by key. */
export interface TorchHost extends PickleHost {
  readonly storages: ReadonlyMap<string, TorchStorage>;
}

/** @param fail throws the UserError of one line, given the reason */
export function torchHost(fail: Fail): TorchHost {
  const storages = new Map<string, TorchStorage>();
  const globals = new Map<string, PickleGlobal>();
  const dtypes = new Map<PickleGlobal, string>();
  let pairs = 0;
  const countPairs = (more: number): void => {
    pairs += more;
    if (pairs > MAX_PAIRS) fail(`its pickle makes OrderedDicts of more than ${MAX_PAIRS} entries`);
  };
  const add = (global: PickleGlobal): void => {
    globals.set(global.name, global);
  };

  add(new PickleGlobal("collections.OrderedDict", (args) => orderedDict(args, countPairs, fail), true));
  add(new PickleGlobal("torch.Size", (args) => tupleOf(args[0], "torch.Size", fail)));
  add(new PickleGlobal("torch._utils._rebuild_tensor", (args) => rebuildTensor(args, 4, fail)));
  add(new PickleGlobal("torch._utils._rebuild_tensor_v2", (args) => rebuildTensor(args, 6, fail)));
  add(new PickleGlobal("torch._utils._rebuild_parameter", ([data]) => tensorOf(data, fail)));
  for (const module of MODULES) {
    for (const [type, dtype] of STORAGES) {
      const global = new PickleGlobal(`${module}.${type}Storage`);
      add(global);
      dtypes.set(global, dtype);
    }
    for (const type of UNREADABLE) add(new PickleGlobal(`${module}.${type}Storage`));
  }

  /** ("storage", class, key, location, size), in legacy files with a sixth: None or (key, offset, size) of a view. */
  const persistent = (id: PickleValue): TorchStorageView => {
    const items = id instanceof PickleTuple ? id.items : [];
    const [kind, type, key, , size, view = null] = items;
    if (items.length < 5 || items.length > 6 || kind !== "storage" || typeof key !== "string") {
      return fail(`its pickle names ${describe(id)} as a storage`);
    }
    const dtype = type instanceof PickleGlobal ? dtypes.get(type) : undefined;
    if (dtype === undefined) return fail(`the storage ${quote(key)} is ${describe(type)}, which cannot be read`);
    if (!isCount(size)) return fail(`the storage ${quote(key)} has the size ${describe(size)}`);
    const known = storages.get(key) ?? new TorchStorage(key, dtype, size);
    if (known.dtype !== dtype || known.size !== size) fail(`the storage ${quote(key)} is described in two ways`);
    storages.set(key, known);
    if (view === null) return new TorchStorageView(known, 0, size);
    const [, offset, count] = view instanceof PickleTuple ? view.items : [];
    if (!isCount(offset) || !isCount(count) || offset + count > size) {
      return fail(`a view of the storage ${quote(key)} reaches outside of it`);
    }
    return new TorchStorageView(known, offset, count);
  };
  return { globals, persistent, storages };
}

/** collections.OrderedDict() or, from Python 2, OrderedDict([[key, value], …]). */
function orderedDict(args: readonly PickleValue[], countPairs: (more: number) => void, fail: Fail): PickleDict {
  const dict = new PickleDict(true);
  const [pairs] = args;
  if (pairs === undefined) return dict;
  if (!(pairs instanceof PickleList)) return fail(`its pickle makes an OrderedDict of ${describe(pairs)}`);
  countPairs(pairs.items.length);
  for (const pair of pairs.items) {
    const [key, value, more] = pair instanceof PickleList || pair instanceof PickleTuple ? pair.items : [];
    if (value === undefined || more !== undefined) return fail(`its pickle makes an OrderedDict of ${describe(pair)}`);
    addToDict(dict, key, value, fail);
  }
  return dict;
}

/** Arguments: storage, offset, shape, strides; v2 adds requires_grad, hooks and, from PyTorch 2 on, metadata. */
function rebuildTensor(args: readonly PickleValue[], count: number, fail: Fail): TorchTensor {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof TorchStorageView)) return fail(`its pickle makes a tensor of ${describe(storage)}`);
  if (args.length < count) return fail(`its pickle makes a tensor of ${args.length} arguments`);
  const metadata = args[6] ?? null;
  if (metadata !== null && !(metadata instanceof PickleDict && metadata.entries.size === 0)) {
    return fail("it holds a tensor with metadata (a lazily negated or conjugated one); save a clone of it");
  }
  return new TorchTensor(storage, offset, shape, strides);
}

function tensorOf(value: PickleValue | undefined, fail: Fail): TorchTensor {
  return value instanceof TorchTensor ? value : fail(`its pickle makes a parameter of ${describe(value)}`);
}

function tupleOf(value: PickleValue | undefined, what: string, fail: Fail): PickleTuple {
  return value instanceof PickleTuple ? value : fail(`its pickle makes a ${what} of ${describe(value)}`);
}

/** A whole number from 0. −0 is none: it comes of floats only. */
export function isCount(value: PickleValue | undefined): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
}
