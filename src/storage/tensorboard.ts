/**
 * TensorBoard event files with scalars and PNG pictures. Node only. Written by hand, protobuf included: the one npm
 * package found that writes them, @tensorflow/tfjs-node, brings TensorFlow along, and the fields are a handful.
 *
 * Sources: event.proto and summary.proto in tensorboard/compat/proto of https://github.com/tensorflow/tensorboard;
 * TFRecord framing: https://www.tensorflow.org/tutorials/load_data/tfrecord, section "TFRecords format details";
 * CRC32C: RFC 3720; protobuf's wire format: https://protobuf.dev/programming-guides/encoding/.
 */
import fs from "node:fs";
import { join } from "node:path";
import { ensureDir, fileError } from "./files.js";

/** One number, kept as a float32: what lies beyond its range becomes an infinity. NaN and infinities are kept. */
export interface ScalarSummary {
  tag: string;
  value: number;
}

/** One RGB picture as a whole PNG file, with its size in pixels. TensorBoard wants tags that no scalar has. */
export interface ImageSummary {
  tag: string;
  png: Uint8Array;
  width: number;
  height: number;
}

/** One moment of a run. It is one of three: a file version, a session start, or a summary of scalars and a picture. */
export interface TensorboardEvent {
  /** Seconds (not milliseconds) since 1970, fractions included. */
  wallTime: number;
  step: number;
  /** First event of a file only. */
  fileVersion?: string;
  scalars?: readonly ScalarSummary[];
  image?: ImageSummary;
  /** Tells a reader to forget what it has loaded from `step` on. */
  sessionStart?: boolean;
}

/** Version 2 makes TensorBoard heed session starts. */
const FILE_VERSION = "brain.Event:2";
const SESSION_START = 1;
const COLORSPACE_RGB = 3;

/**
 * Encodes one event as a TFRecord: length (u64), its masked CRC32C, the Event message, its masked CRC32C.
 * All are little-endian. The same event gives the same bytes.
 *
 * @throws RangeError when the step is not an integer from 0 to 2^53 − 1, the time is not in 0 … 10^10 (year 2286), or
 * the event is more than one of the three that it can be: readers would keep the last and drop the rest.
 */
export function encodeEvent(event: TensorboardEvent): Uint8Array {
  const { wallTime, step, fileVersion, scalars = [], image, sessionStart = false } = event;
  if (!Number.isSafeInteger(step) || step < 0) throw new RangeError(`an event's step cannot be ${step}`);
  if (!(wallTime >= 0 && wallTime < 1e10)) throw new RangeError(`an event's time cannot be ${wallTime} seconds`);
  // TensorBoard needs no plugin metadata on these two kinds of value: it adds it while reading (data_compat.py).
  const values = scalars.map(({ tag, value }) => message(1, text(1, tag), float(2, value)));
  if (image) {
    const { tag, png, width, height } = image;
    const picture = message(4, integer(1, height), integer(2, width), integer(3, COLORSPACE_RGB), message(4, png));
    values.push(message(1, text(1, tag), picture));
  }
  const what: Uint8Array[] = [];
  if (fileVersion !== undefined) what.push(text(3, fileVersion));
  if (values.length) what.push(message(5, ...values));
  if (sessionStart) what.push(message(7, integer(1, SESSION_START)));
  if (what.length > 1) throw new RangeError("an event is a file version, a session start or a summary, not several");
  return record(Buffer.concat([double(1, wallTime), integer(2, step), ...what]));
}

/** The event file of one run, to be watched with `tensorboard --logdir`. */
export class EventFile {
  private constructor(readonly path: string) {}

  /**
   * Makes `folder` a log directory with one event file of ours that holds anything, since a resumed run writes its
   * history again: of earlier ones the last is emptied, the others are removed. Other files stay. The session start
   * makes a running TensorBoard forget what it had loaded.
   *
   * @param wallTime seconds since 1970; the file's name holds them, or more if an earlier file's are not fewer.
   * @throws UserError naming the folder, when the file system refuses or a file stands in the way.
   */
  static create(folder: string, wallTime: number): EventFile {
    ensureDir(folder);
    try {
      const earlier = fs
        .readdirSync(folder)
        .filter((name) => OUR_NAME.test(name))
        .sort();
      const taken = earlier.map((name) => Number(OUR_NAME.exec(name)?.[1]));
      // TensorBoard reads files in the order of their names, and never opens a name again whose file went away.
      const seconds = Math.max(Math.floor(wallTime), ...taken.map((other) => other + 1));
      const file = new EventFile(join(folder, `events.out.tfevents.${String(seconds).padStart(10, "0")}.shibori`));
      const version = encodeEvent({ wallTime, step: 0, fileVersion: FILE_VERSION });
      const start = encodeEvent({ wallTime, step: 0, sessionStart: true });
      // The new file comes first: if it fails, nothing is lost.
      fs.writeFileSync(file.path, Buffer.concat([version, start]), { flag: "wx" });
      const last = earlier.pop();
      for (const name of earlier) fs.rmSync(join(folder, name), { force: true });
      // Without its data server a running TensorBoard never gets past a removed file that it was reading; an empty one
      // it leaves for the next (directory_watcher.py).
      if (last) fs.truncateSync(join(folder, last));
      return file;
    } catch (error) {
      throw fileError("make the log directory", folder, error);
    }
  }

  /**
   * Adds events in one write. A kill in the middle leaves a part of a record at the end, for whose rest TensorBoard
   * waits; `create` then starts a new file.
   *
   * @throws UserError naming the file, when the file system refuses.
   */
  append(events: readonly TensorboardEvent[]): void {
    if (!events.length) return;
    const bytes = Buffer.concat(events.map(encodeEvent));
    try {
      fs.appendFileSync(this.path, bytes);
    } catch (error) {
      throw fileError("write", this.path, error);
    }
  }
}

/** Removes the event files that runs of ours wrote into a log directory. @throws UserError naming the folder */
export function removeEvents(folder: string): void {
  try {
    for (const name of fs.readdirSync(folder)) if (OUR_NAME.test(name)) fs.rmSync(join(folder, name));
  } catch (error) {
    throw fileError("remove event files of", folder, error);
  }
}

const OUR_NAME = /^events\.out\.tfevents\.(\d{10})\.shibori$/;

function record(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(body.length), true);
  view.setUint32(8, masked(bytes.subarray(0, 8)), true);
  bytes.set(body, 12);
  view.setUint32(12 + body.length, masked(body), true);
  return bytes;
}

/** TFRecord's checksum: turned and shifted, so that a checksum over data that holds checksums stays a good one. */
function masked(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** For each byte, the remainder of its division by Castagnoli's polynomial, bits reflected. */
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC32C (Castagnoli) as an unsigned 32-bit integer. Source: RFC 3720, sections 12.1 and B.4. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

// Protobuf fields. A field's key is its number and, in the low three bits, how its end is found.

/** Arithmetic instead of shifts: those stop at 32 bits, steps do not. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return [...bytes, value];
}

const integer = (field: number, value: number) => Buffer.from([field << 3, ...varint(value)]);

function double(field: number, value: number): Buffer {
  const bytes = Buffer.from([(field << 3) | 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  bytes.writeDoubleLE(value, 1);
  return bytes;
}

function float(field: number, value: number): Buffer {
  const bytes = Buffer.from([(field << 3) | 5, 0, 0, 0, 0]);
  bytes.writeFloatLE(value, 1);
  return bytes;
}

/** A message, a string or bytes: all three are a length and a body. */
function message(field: number, ...parts: readonly Uint8Array[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from([(field << 3) | 2, ...varint(length)]), ...parts]);
}

const text = (field: number, value: string) => message(field, Buffer.from(value, "utf8"));
