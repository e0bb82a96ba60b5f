/** What must hold of every reader on every input, and a seeded source of damaged inputs. */
import { UserError } from "../../src/engine/errors.js";
import { uniform } from "../../src/engine/philox.js";

/** Names the file in every attack: error lines begin with it. */
export const NAME = "run/weights";
const MAX_MS = 1000;
const MAX_MESSAGE = 400;
const SMALL = 2 ** 26;

/**
 * Reads `bytes`. The message of the refusal, or undefined when they were read.
 *
 * @throws Error, which fails the test, when the reader breaks its promise: any other error than a UserError, a message of
 * several lines or of 400 characters or more, one that does not name the file, more than `maxMs` (1 s), or buffers of more
 * than twice what is allowed (4 times the input and 64 MiB, unpacked and again as tensors) left behind.
 */
export function attack(
  read: (bytes: Uint8Array, name: string) => unknown,
  bytes: Uint8Array,
  maxMs = MAX_MS,
): string | undefined {
  const before = process.memoryUsage().arrayBuffers;
  const start = performance.now();
  const cpu = process.cpuUsage();
  let message: string | undefined;
  let held: unknown;
  try {
    held = read(bytes, NAME);
  } catch (error) {
    if (!(error instanceof UserError)) throw new Error(`not a UserError: ${(error as Error).stack}`);
    ({ message } = error);
  }
  const { user, system } = process.cpuUsage(cpu);
  // On a busy machine the clock counts the time of others, and with helper threads the processor time is the larger.
  const ms = Math.min(performance.now() - start, (user + system) / 1000);
  const grown = process.memoryUsage().arrayBuffers - before;
  if (ms > maxMs) throw new Error(`took ${ms} ms: ${message}`);
  if (grown > 2 * (4 * bytes.length + SMALL)) throw new Error(`took ${grown} bytes: ${message}, ${typeof held}`);
  if (message === undefined) return undefined;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what must not be there
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(message))
    throw new Error(`not one line: ${JSON.stringify(message)}`);
  if (message.length >= MAX_MESSAGE) throw new Error(`a message of ${message.length} characters: ${message}`);
  if (!message.startsWith(`${NAME}: `)) throw new Error(`a message that does not name the file: ${message}`);
  return message;
}

const EDGES = [0, 1, 0x28, 0x2e, 0x52, 0x7f, 0x80, 0xff];

/** Damage number `index` of a file: one to three flips, edge values, insertions, deletions, splices, huge lengths. */
export function damaged(file: Uint8Array, other: Uint8Array, seed: number, index: number): Uint8Array {
  const draws = uniform(64, { seed, step: index, stream: 0 });
  let next = 0;
  const below = (limit: number) => Math.floor(draws[next++] * limit);
  let bytes = Buffer.from(file);
  const rounds = 1 + below(3);
  for (let round = 0; round < rounds; round++) {
    const at = below(bytes.length + 1);
    const length = 1 + below(12);
    const kind = below(7);
    if (kind === 0 && at < bytes.length) bytes[at] ^= 1 << below(8);
    if (kind === 1 && at < bytes.length) bytes[at] = EDGES[below(EDGES.length)];
    if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), noise(length, below), bytes.subarray(at)]);
    if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    if (kind === 4) {
      const from = below(other.length);
      bytes = Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + 4 * length), bytes.subarray(at)]);
    }
    if (kind === 5) {
      const from = below(bytes.length);
      bytes.copy(bytes, at, from, from + length);
    }
    if (kind === 6 && at + 8 <= bytes.length) bytes.fill(below(2) ? 0xff : 0x7f, at, at + (below(2) ? 4 : 8));
  }
  return new Uint8Array(bytes);
}

function noise(length: number, below: (limit: number) => number): Buffer {
  const byte = below(256);
  return Buffer.from(Array.from({ length }, (_, i) => (byte + 37 * i) & 0xff));
}
