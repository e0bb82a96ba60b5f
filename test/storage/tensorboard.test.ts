import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { encodePng } from "../../src/storage/png.js";
import { crc32c, EventFile, encodeEvent, type TensorboardEvent } from "../../src/storage/tensorboard.js";

// A reader of its own: bit-serial CRC, BigInt varints, no code of the writer.

function slowCrc(bytes: Uint8Array): bigint {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = (crc >> 1n) ^ (crc & 1n ? 0x82f63b78n : 0n);
  }
  return crc ^ 0xffffffffn;
}

function checkCrc(bytes: Buffer, stored: number, what: string): void {
  const turned = BigInt.asUintN(32, BigInt(stored) - 0xa282ead8n);
  const crc = BigInt.asUintN(32, (turned << 15n) | (turned >> 17n));
  if (crc !== slowCrc(bytes)) throw new Error(`bad checksum of the ${what}`);
}

/** Bodies of the records; a part of one at the end is left, as TensorBoard does. */
function records(file: Buffer): Buffer[] {
  const bodies: Buffer[] = [];
  for (let at = 0; at + 12 <= file.length; ) {
    checkCrc(file.subarray(at, at + 8), file.readUInt32LE(at + 8), "length");
    const end = at + 12 + Number(file.readBigUInt64LE(at));
    if (end + 4 > file.length) break;
    checkCrc(file.subarray(at + 12, end), file.readUInt32LE(end), "data");
    bodies.push(file.subarray(at + 12, end));
    at = end + 4;
  }
  return bodies;
}

type Field = [number: number, value: bigint | Buffer];

function fields(message: Buffer): Field[] {
  const found: Field[] = [];
  let at = 0;
  const take = (length: number) => {
    if (at + length > message.length) throw new Error("the message ends in the middle of a field");
    at += length;
    return message.subarray(at - length, at);
  };
  const varint = () => {
    for (let value = 0n, shift = 0n; ; shift += 7n) {
      const byte = BigInt(take(1)[0]);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  while (at < message.length) {
    const key = Number(varint());
    const wire = key & 7;
    if (wire === 0) found.push([key >> 3, varint()]);
    else if (wire === 1) found.push([key >> 3, take(8)]);
    else if (wire === 2) found.push([key >> 3, take(Number(varint()))]);
    else if (wire === 5) found.push([key >> 3, take(4)]);
    else throw new Error(`wire type ${wire}`);
  }
  return found;
}

/** Names the fields of a message after its schema; a field that the schema lacks, or that comes twice, is an error. */
function named(message: Buffer, schema: Record<number, [string, (value: never) => unknown]>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [number, value] of fields(message)) {
    const [name, read] = schema[number] ?? [];
    if (!name || !read || name in result) throw new Error(`field ${number} is unknown or comes twice`);
    result[name] = read(value as never);
  }
  return result;
}

const int = (value: bigint) => Number(BigInt.asIntN(64, value));
const string = (value: Buffer) => new TextDecoder("utf-8", { fatal: true }).decode(value);
const image = (value: Buffer) =>
  named(value, {
    1: ["height", int],
    2: ["width", int],
    3: ["colorspace", int],
    4: ["png", (png: Buffer) => [...png]],
  });
const summaryValue = (value: Buffer) =>
  named(value, { 1: ["tag", string], 2: ["simple", (v: Buffer) => v.readFloatLE()], 4: ["image", image] });
const event = (body: Buffer) =>
  named(body, {
    1: ["wallTime", (value: Buffer) => value.readDoubleLE()],
    2: ["step", int],
    3: ["fileVersion", string],
    5: ["values", (value: Buffer) => fields(value).map(([number, v]) => [number, summaryValue(v as Buffer)])],
    7: ["session", (value: Buffer) => named(value, { 1: ["status", int] })],
  });
const decode = (bytes: Uint8Array) => records(Buffer.from(bytes)).map(event);
const decodeFile = (path: string) => decode(fs.readFileSync(path));

test.each([
  ["32 bytes of zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["32 rising bytes", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["32 falling bytes", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  [
    "an iSCSI read command",
    Buffer.from(
      `01c0${"00".repeat(14)}14${"00".repeat(5)}04000000001400000018280000000000000002${"00".repeat(7)}`,
      "hex",
    ),
    0xd9963a56,
  ],
  ["nothing", new Uint8Array(), 0],
])("CRC32C of RFC 3720, B.4: %s", (_, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
  expect(slowCrc(bytes)).toBe(BigInt(expected));
});

test("a record, byte for byte", () => {
  const bytes = encodeEvent({ wallTime: 1, step: 300, scalars: [{ tag: "a", value: 0 }] });
  const body = "09000000000000f03f" + "10ac02" + "2a0a" + "0a08" + "0a0161" + "1500000000";
  const hex = Buffer.from(bytes).toString("hex");
  expect(hex.slice(0, 16)).toBe("1800000000000000");
  expect(hex.slice(24, -8)).toBe(body);
  expect(records(Buffer.from(bytes))).toHaveLength(1);
});

describe("an event", () => {
  test("keeps its scalars, in order, as float32", () => {
    const values = [0, -0, 0.1, -1.5, 1e-45, 3.4e38, 1e39, -1e39, Number.NaN, Number.POSITIVE_INFINITY];
    const scalars = values.map((value, i) => ({ tag: `loss/${i}`, value }));
    expect(decode(encodeEvent({ wallTime: 1764100000.25, step: 7, scalars }))).toEqual([
      {
        wallTime: 1764100000.25,
        step: 7,
        values: values.map((value, i) => [1, { tag: `loss/${i}`, simple: Math.fround(value) }]),
      },
    ]);
  });

  test.each([0, 1, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 32 + 5, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER])(
    "at step %d",
    (step) => {
      expect(decode(encodeEvent({ wallTime: 0, step }))).toEqual([{ wallTime: 0, step }]);
    },
  );

  test("keeps tags of any script; half a surrogate pair becomes the replacement character", () => {
    const tags = ["", "été/größe", "縞 絞り", "🧵".repeat(40), "\ud83e"];
    const [{ values }] = decode(encodeEvent({ wallTime: 0, step: 0, scalars: tags.map((tag) => ({ tag, value: 1 })) }));
    const expected = [...tags.slice(0, -1), "\ufffd"].map((tag) => [1, { tag, simple: 1 }]);
    expect(values).toEqual(expected);
  });

  test("keeps a picture of some KB, beside a scalar", () => {
    const [width, height] = [97, 61];
    let state = 1;
    const noise = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    };
    const data = Uint8Array.from({ length: width * height * 3 }, noise);
    const png = encodePng({ width, height, data });
    expect(png.length).toBeGreaterThan(2 ** 14); // a length of three bytes
    const bytes = encodeEvent({
      wallTime: 5,
      step: 9,
      scalars: [{ tag: "t", value: 2 }],
      image: { tag: "preview", png, width, height },
    });
    const [{ values }] = decode(bytes);
    expect(values).toEqual([
      [1, { tag: "t", simple: 2 }],
      [1, { tag: "preview", image: { height, width, colorspace: 3, png: [...png] } }],
    ]);
  });

  test("of any length is read back", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.string({ unit: "binary" }),
        fc.maxSafeNat(),
        (png, tag, step) => {
          const bytes = encodeEvent({ wallTime: 0.5, step, image: { tag, png, width: 1, height: 200 } });
          const picture = { height: 200, width: 1, colorspace: 3, png: [...png] };
          expect(decode(bytes)).toEqual([{ wallTime: 0.5, step, values: [[1, { tag, image: picture }]] }]);
        },
      ),
    );
  });

  test("does not survive a flipped bit anywhere", () => {
    const bytes = encodeEvent({ wallTime: 3, step: 70000, scalars: [{ tag: "loss", value: 0.25 }] });
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect(() => decode(damaged), `bit ${bit}`).toThrow("bad checksum");
    }
  });

  test.each<[string, Partial<TensorboardEvent>]>([
    ["a negative step", { step: -1 }],
    ["half a step", { step: 0.5 }],
    ["a step beyond 2^53", { step: 2 ** 53 }],
    ["no time", { wallTime: Number.NaN }],
    ["milliseconds", { wallTime: 1764100000000 }],
    ["two kinds at once", { fileVersion: "brain.Event:2", sessionStart: true }],
    ["a session start with scalars", { sessionStart: true, scalars: [{ tag: "a", value: 1 }] }],
  ])("is refused with %s", (_, part) => {
    expect(() => encodeEvent({ wallTime: 0, step: 0, ...part })).toThrow(RangeError);
  });
});

describe("an event file", () => {
  let dir: string;
  beforeEach(() => {
    dir = fs.mkdtempSync(join(tmpdir(), "shibori-tensorboard-"));
  });
  afterEach(() => {
    vi.restoreAllMocks();
    fs.rmSync(dir, { recursive: true });
  });
  const name = (seconds: string) => `events.out.tfevents.${seconds}.shibori`;
  const head = (wallTime: number) => [
    { wallTime, step: 0, fileVersion: "brain.Event:2" },
    { wallTime, step: 0, session: { status: 1 } },
  ];

  test("begins with its version and a session start, and grows in single writes", () => {
    const folder = join(dir, "new", "tensorboard");
    const file = EventFile.create(folder, 1764100000.75);
    expect(fs.readdirSync(folder)).toEqual([name("1764100000")]);
    expect(file.path).toBe(join(folder, name("1764100000")));
    expect(decodeFile(file.path)).toEqual(head(1764100000.75));

    const write = vi.spyOn(fs, "appendFileSync");
    file.append([]);
    expect(write).not.toHaveBeenCalled();
    file.append([1, 2].map((step) => ({ wallTime: 1764100001, step, scalars: [{ tag: "loss", value: step / 2 }] })));
    expect(write).toHaveBeenCalledTimes(1);
    file.append([{ wallTime: 1764100002, step: 3, scalars: [{ tag: "loss", value: 4 }] }]);
    const events = decodeFile(file.path);
    expect(events.slice(0, 2)).toEqual(head(1764100000.75));
    expect(events.slice(2).map(({ step, values }) => [step, values])).toEqual([
      [1, [[1, { tag: "loss", simple: 0.5 }]]],
      [2, [[1, { tag: "loss", simple: 1 }]]],
      [3, [[1, { tag: "loss", simple: 4 }]]],
    ]);
  });

  test("takes the place of earlier ones under a later name, even within a second or with the clock set back", () => {
    fs.writeFileSync(join(dir, name("0000000007")), "old");
    fs.writeFileSync(join(dir, name("0000000008")), "old");
    fs.writeFileSync(join(dir, "events.out.tfevents.1764100000.host.1.2"), "another writer's");
    fs.writeFileSync(join(dir, "notes.txt"), "");
    const others = ["events.out.tfevents.1764100000.host.1.2", "notes.txt"];
    const names = [1764100000, 1764100000.5, 1764000000, 1764200000].map((time) => {
      const { path } = EventFile.create(dir, time);
      // A TensorBoard that reads the last of the earlier ones would get stuck if that were gone.
      const [last, ours, ...more] = fs
        .readdirSync(dir)
        .sort()
        .filter((file) => !others.includes(file));
      expect(more).toEqual([]);
      expect(fs.statSync(join(dir, last)).size).toBe(0);
      expect(join(dir, ours)).toBe(path);
      expect(decodeFile(path)).toEqual(head(time));
      return ours;
    });
    expect(names).toEqual(["1764100000", "1764100001", "1764100002", "1764200000"].map(name));
    expect(fs.readdirSync(dir)).toEqual(expect.arrayContaining(others));
  });

  test("cut off by a kill is whole up to there, and the next one starts afresh", () => {
    const file = EventFile.create(dir, 10);
    file.append([{ wallTime: 11, step: 1, scalars: [{ tag: "loss", value: 1 }] }]);
    fs.truncateSync(file.path, fs.statSync(file.path).size - 3);
    expect(decodeFile(file.path)).toEqual(head(10));
    expect(decodeFile(EventFile.create(dir, 10).path)).toEqual(head(10));
  });

  function refusal(action: () => unknown): string {
    try {
      action();
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as UserError).message;
    }
    throw new Error("nothing was thrown");
  }

  test("says in one line what the file system refuses", () => {
    const taken = join(dir, "taken");
    fs.writeFileSync(taken, "");
    expect(refusal(() => EventFile.create(taken, 1))).toBe(
      `cannot create the folder ${taken}: a file of that name is in the way`,
    );
    const file = EventFile.create(join(dir, "a"), 1);
    fs.rmSync(join(dir, "a"), { recursive: true });
    expect(refusal(() => file.append([{ wallTime: 1, step: 1 }]))).toBe(
      `cannot write ${file.path}: a part of the path does not exist; check its spelling`,
    );
  });

  const calls = ["readdirSync", "writeFileSync", "rmSync", "truncateSync"] as const;
  test.each(calls)("says in one line that %s failed, and loses nothing", (call) => {
    EventFile.create(dir, 1);
    const earlier = EventFile.create(dir, 2);
    vi.spyOn(fs, call).mockImplementationOnce(() => {
      throw Object.assign(new Error("EACCES: raw text"), { code: "EACCES", syscall: "open" });
    });
    const line = refusal(() => EventFile.create(dir, 5));
    expect(line).toMatch(/^cannot make the log directory \S+: permission denied/);
    expect(line).toContain(dir);
    expect(decodeFile(earlier.path)).toEqual(head(2));
    // The next try clears up after the failed one.
    const { path } = EventFile.create(dir, 5);
    const [last, ...rest] = fs.readdirSync(dir).sort();
    expect(fs.statSync(join(dir, last)).size).toBe(0);
    expect(rest.map((file) => join(dir, file))).toEqual([path]);
  });
});
