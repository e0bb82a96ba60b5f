/** What a pickle can hold: Python's plain data, and whatever the one who unpickles lets stand for more. */
import { type Fail, quote } from "./describe.js";

/** Whole numbers that a number cannot hold exactly are bigints. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleList
  | PickleTuple
  | PickleDict
  | PickleGlobal
  | PickleObject;

export class PickleList {
  readonly items: PickleValue[] = [];
}

export class PickleTuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export type PickleKey = string | number | bigint | boolean | null;

export class PickleDict {
  readonly entries = new Map<PickleKey, PickleValue>();
  /** @param ordered a collections.OrderedDict: it may have attributes, which are dropped */
  constructor(readonly ordered = false) {}
}

/** A global of the whitelist, as it comes when a pickle names it. What it does, it does here and not in Python. */
export class PickleGlobal {
  /**
   * @param name module and name
   * @param call what calling it (REDUCE) gives; without it, it is a mere name
   * @param isClass whether it may also be made by NEWOBJ
   */
  constructor(
    readonly name: string,
    readonly call?: (args: readonly PickleValue[]) => PickleValue,
    readonly isClass = false,
  ) {}
}

/** Base of what the owner of a whitelist makes: tensors, say. `what` names it in error lines: "a tensor". */
export abstract class PickleObject {
  abstract readonly what: string;
}

/** A value as error lines call it. */
export function describe(value: PickleValue | undefined): string {
  if (value === undefined) return "nothing";
  if (value === null) return "None";
  if (typeof value === "string") return `the text ${quote(value)}`;
  if (typeof value === "number") return `the number ${value}`;
  if (typeof value === "bigint") return "a huge number";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof PickleList) return "a list";
  if (value instanceof PickleTuple) return "a tuple";
  if (value instanceof PickleDict) return "a dict";
  if (value instanceof PickleGlobal) return value.name;
  return value.what;
}

/** Adds an entry to a dict, as SETITEM does. A key that is there already is refused: no pickler writes it. */
export function addToDict(dict: PickleDict, key: PickleValue, value: PickleValue, fail: Fail): void {
  if (!isKey(key)) fail(`it has a dict with ${describe(key)} as a key`);
  if (dict.entries.has(key)) fail(`the key ${quote(String(key))} comes twice in one dict`);
  dict.entries.set(key, value);
}

function isKey(value: PickleValue): value is PickleKey {
  return value === null || typeof value !== "object";
}
