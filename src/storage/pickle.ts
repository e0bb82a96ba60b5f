/**
 * Reads Python pickles (protocols 2 to 5) without doing what they ask for. A pickle is a program for a stack machine,
 * and in Python its globals may be any function of any module, called with any arguments. This machine knows plain data
 * and the globals that its caller lists, which are functions of ours; the rest is refused by name. Pure functions on
 * bytes.
 *
 * Source of the opcodes: https://github.com/python/cpython/blob/main/Lib/pickletools.py. Those of protocols 0 and 1 that
 * later ones do not use are left out.
 */
import { type Fail, quote } from "./describe.js";
import {
  addToDict,
  describe,
  PickleDict,
  PickleGlobal,
  PickleList,
  type PickleObject,
  PickleTuple,
  type PickleValue,
} from "./pickleValues.js";

/** What the one who unpickles stands for. */
export interface PickleHost {
  /** The whitelist, by "module.name". */
  readonly globals: ReadonlyMap<string, PickleGlobal>;
  /** Resolves a persistent id, the name of an object that is kept beside the pickle. */
  persistent(id: PickleValue): PickleObject;
}

/** A state dict takes about 20 opcodes a tensor. Each makes at most one object, so this bounds memory and time. */
export const MAX_OPCODES = 2_000_000;
export const MAX_STACK = 500_000;
export const MAX_MEMO = 1_000_000;
/** Values that are open, one in another, at one moment. */
export const MAX_OPEN = 1000;
/** Bytes of one whole number. */
const MAX_INTEGER_BYTES = 256;

/**
 * Reads the pickle that begins at byte `start`; `end` is the first byte behind it.
 *
 * A key that comes twice in a dict is refused. Lists and dicts may hold themselves: whoever walks the value must bound
 * how deep and how far.
 *
 * @param fail throws the UserError of one line, given the reason
 */
export function unpickle(
  bytes: Uint8Array,
  start: number,
  host: PickleHost,
  fail: Fail,
): { value: PickleValue; end: number } {
  const machine = new Machine(bytes, start, host, fail);
  for (let steps = 0; steps < MAX_OPCODES; steps++) {
    if (machine.step()) return { value: machine.pop(), end: machine.at };
  }
  return fail(`its pickle has more than ${MAX_OPCODES} opcodes, too many for weights`);
}

class Machine {
  private readonly stack: PickleValue[] = [];
  /** For each open mark, the height of the stack below it. */
  private readonly marks: number[] = [];
  private readonly memo = new Map<number, PickleValue>();
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    public at: number,
    private readonly host: PickleHost,
    private readonly fail: Fail,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Runs one opcode. True when it was the last one. */
  step(): boolean {
    const at = this.at;
    const opcode = this.bytes[this.take(1)];
    switch (opcode) {
      case 0x80: // PROTO
        return this.protocol(this.u8());
      case 0x95: // FRAME: how much to read ahead
        this.claim(this.length64());
        return false;
      case 0x2e: // STOP
        if (this.marks.length) this.fail(`its pickle is damaged (it stops inside a value, at byte ${at})`);
        return true;
      case 0x28: // MARK
        if (this.marks.length >= MAX_OPEN) this.fail(`its pickle is nested more than ${MAX_OPEN} deep`);
        this.marks.push(this.stack.length);
        return false;
      case 0x30: // POP
        if (this.marks.length && this.stack.length === this.marks.at(-1)) this.marks.pop();
        else this.pop();
        return false;
      case 0x31: // POP_MARK
        this.popMark();
        return false;
      case 0x32: // DUP
        return this.push(this.top());
      case 0x4e: // NONE
        return this.push(null);
      case 0x88: // NEWTRUE
        return this.push(true);
      case 0x89: // NEWFALSE
        return this.push(false);
      case 0x4a: // BININT
        return this.push(this.view.getInt32(this.take(4), true));
      case 0x4b: // BININT1
        return this.push(this.u8());
      case 0x4d: // BININT2
        return this.push(this.view.getUint16(this.take(2), true));
      case 0x8a: // LONG1
        return this.push(this.integer(this.u8()));
      case 0x8b: // LONG4
        return this.push(this.integer(this.u32()));
      case 0x47: // BINFLOAT, the one big-endian number
        return this.push(this.view.getFloat64(this.take(8), false));
      case 0x55: // SHORT_BINSTRING, of Python 2
      case 0x8c: // SHORT_BINUNICODE
        return this.push(this.text(this.u8()));
      case 0x54: // BINSTRING, of Python 2
      case 0x58: // BINUNICODE
        return this.push(this.text(this.u32()));
      case 0x8d: // BINUNICODE8
        return this.push(this.text(this.length64()));
      case 0x43: // SHORT_BINBYTES
        return this.push(this.raw(this.u8()));
      case 0x42: // BINBYTES
        return this.push(this.raw(this.u32()));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.push(this.raw(this.length64()));
      case 0x5d: // EMPTY_LIST
        return this.push(new PickleList());
      case 0x61: // APPEND
        return this.append([this.pop()]);
      case 0x65: // APPENDS
        return this.append(this.popMark());
      case 0x29: // EMPTY_TUPLE
        return this.push(new PickleTuple([]));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.push(new PickleTuple(this.popMany(opcode - 0x84)));
      case 0x74: // TUPLE
        return this.push(new PickleTuple(this.popMark()));
      case 0x7d: // EMPTY_DICT
        return this.push(new PickleDict());
      case 0x73: // SETITEM
        return this.setItems(this.popMany(2));
      case 0x75: // SETITEMS
        return this.setItems(this.popMark());
      case 0x68: // BINGET
        return this.get(this.u8());
      case 0x6a: // LONG_BINGET
        return this.get(this.u32());
      case 0x71: // BINPUT
        return this.put(this.u8());
      case 0x72: // LONG_BINPUT
        return this.put(this.u32());
      case 0x94: // MEMOIZE
        return this.put(this.memo.size);
      case 0x63: // GLOBAL
        return this.push(this.global(this.line(), this.line()));
      case 0x69: // INST, of protocol 0: names a global and makes one
        this.global(this.line(), this.line());
        return this.unknown(opcode, at);
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = this.popMany(2);
        return this.push(this.global(module, name));
      }
      case 0x52: // REDUCE
        return this.call(false);
      case 0x81: // NEWOBJ
        return this.call(true);
      case 0x62: // BUILD
        return this.build();
      case 0x51: // BINPERSID
        return this.push(this.host.persistent(this.pop()));
      default:
        return this.unknown(opcode, at);
    }
  }

  pop(): PickleValue {
    const value = this.top();
    this.stack.length--;
    return value;
  }

  private top(): PickleValue {
    if (this.stack.length <= (this.marks.at(-1) ?? 0)) this.fail("its pickle is damaged (it takes what is not there)");
    return this.stack[this.stack.length - 1];
  }

  private push(value: PickleValue): false {
    if (this.stack.length >= MAX_STACK) this.fail(`its pickle stacks more than ${MAX_STACK} values`);
    this.stack.push(value);
    return false;
  }

  private popMany(count: number): PickleValue[] {
    const floor = this.marks.at(-1) ?? 0;
    if (this.stack.length - count < floor) this.fail("its pickle is damaged (it takes what is not there)");
    return this.stack.splice(this.stack.length - count);
  }

  private popMark(): PickleValue[] {
    const height = this.marks.pop() ?? this.fail("its pickle is damaged (it closes a value that is not open)");
    return this.stack.splice(height);
  }

  private get(index: number): false {
    const value = this.memo.get(index);
    if (value === undefined) this.fail(`its pickle is damaged (it has nothing under memo ${index})`);
    return this.push(value as PickleValue);
  }

  private put(index: number): false {
    this.memo.set(index, this.top());
    if (this.memo.size > MAX_MEMO) this.fail(`its pickle remembers more than ${MAX_MEMO} values`);
    return false;
  }

  private append(values: PickleValue[]): false {
    const list = this.top();
    if (!(list instanceof PickleList)) return this.fail(`its pickle is damaged (it appends to ${describe(list)})`);
    for (const value of values) list.items.push(value);
    return false;
  }

  private setItems(values: PickleValue[]): false {
    const dict = this.top();
    if (!(dict instanceof PickleDict)) return this.fail(`its pickle is damaged (it sets items of ${describe(dict)})`);
    if (values.length % 2) this.fail("its pickle is damaged (a dict has a key without a value)");
    for (let i = 0; i < values.length; i += 2) addToDict(dict, values[i], values[i + 1], this.fail);
    return false;
  }

  private global(module: PickleValue, name: PickleValue): PickleGlobal {
    if (typeof module !== "string" || typeof name !== "string") {
      return this.fail(`its pickle is damaged (a global is named by ${describe(module)} and ${describe(name)})`);
    }
    const full = `${module}.${name}`;
    return this.host.globals.get(full) ?? this.fail(refusal(full));
  }

  private call(asClass: boolean): false {
    const [callee, args] = this.popMany(2);
    if (!(callee instanceof PickleGlobal) || !callee.call || (asClass && !callee.isClass)) {
      return this.fail(`it asks to call ${describe(callee)}, which is never done`);
    }
    if (!(args instanceof PickleTuple)) return this.fail(`its pickle is damaged (it calls with ${describe(args)})`);
    return this.push(callee.call(args.items));
  }

  /** Sets attributes of an object. Only ordered dicts have any: nn.Module.state_dict adds its `_metadata` so. */
  private build(): false {
    const state = this.pop();
    const target = this.top();
    if (!(target instanceof PickleDict) || !target.ordered || !(state instanceof PickleDict)) {
      this.fail(`it asks to set the state of ${describe(target)} to ${describe(state)}, which is never done`);
    }
    return false;
  }

  private protocol(version: number): false {
    if (version < 2 || version > 5) this.fail(`its pickle has protocol ${version}; 2 to 5 can be read`);
    return false;
  }

  private unknown(opcode: number, at: number): never {
    const hex = opcode.toString(16).padStart(2, "0");
    return this.fail(`its pickle uses opcode 0x${hex} at byte ${at}, which torch.save does not write for weights`);
  }

  /** Moves past `count` bytes; where they begin. */
  private take(count: number): number {
    this.claim(count);
    const at = this.at;
    this.at += count;
    return at;
  }

  private claim(count: number): void {
    const left = this.bytes.length - this.at;
    if (count > left) this.fail(`its pickle is cut short (${count} bytes wanted, ${left} left)`);
  }

  private u8(): number {
    return this.bytes[this.take(1)];
  }

  private u32(): number {
    return this.view.getUint32(this.take(4), true);
  }

  private length64(): number {
    // Beyond 2^53 it is not exact, and beyond the file in any case.
    return Number(this.view.getBigUint64(this.take(8), true));
  }

  private raw(length: number): Uint8Array {
    const at = this.take(length);
    return this.bytes.subarray(at, at + length);
  }

  private text(length: number): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.raw(length));
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      return this.fail("its pickle holds a text that is not UTF-8");
    }
  }

  /** A line of the two that follow GLOBAL. */
  private line(): string {
    const end = this.bytes.indexOf(0x0a, this.at);
    if (end < 0) this.fail("its pickle is cut short (inside the name of a global)");
    const text = this.text(end - this.at);
    this.at++;
    return text;
  }

  /** Two's complement, little-endian, of any length. */
  private integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) this.fail(`its pickle holds a whole number of ${length} bytes`);
    let value = 0n;
    for (const byte of this.raw(length).toReversed()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value;
  }
}

function refusal(full: string): string {
  const named = /^[\w.]{1,100}$/.test(full) ? full : quote(full);
  return `it asks to run ${named}, which is never done; a file of weights is written by torch.save(model.state_dict(), …)`;
}
