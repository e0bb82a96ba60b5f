import { UserError } from "./errors.js";

/**
 * Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
 * 1, 2, 3", SC 2011; Random123). There is no state, so a draw is a pure function of (seed, step, stream, element), and
 * the CPU, the GPU and a resumed run agree on it.
 *
 * The project's streams: key = (seed low 32 bits, seed high 32 bits), counter = (block, step, stream, 0). Element i of
 * a tensor is word i & 3 of block i >> 2.
 */
const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;
const ROUNDS = 10;
const TWO_32 = 2 ** 32;

/** Four unsigned 32-bit words. */
export type Counter = readonly [number, number, number, number];

/** Two unsigned 32-bit words. */
export type Key = readonly [number, number];

/** Which numbers to draw. `seed`: an integer in [0, 2^53). `step` and `stream`: integers in [0, 2^32). */
export interface Draw {
  seed: number;
  step: number;
  stream: number;
}

/** One block of Philox4x32-10: four uniform 32-bit words from a counter and a key. */
export function philox(counter: Counter, key: Key): Uint32Array {
  const words = new Uint32Array(4);
  fillBlock(words, counter[0], counter[1], counter[2], counter[3], key[0], key[1]);
  return words;
}

/** The Philox key of a seed: its low and its high 32 bits. Throws UserError unless it is an integer in [0, 2^53). */
export function keyOf(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new UserError(`seed ${seed}: use an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  return [seed >>> 0, Math.floor(seed / TWO_32)];
}

/**
 * `count` numbers, uniform in [0, 1) on the grid of 2^-24: (word >>> 8) * 2^-24, exact in float32 on every device.
 * Throws UserError on a seed, step, stream or count out of range.
 */
export function uniform(count: number, draw: Draw): Float32Array {
  const values = new Float32Array(checkCount(count));
  eachBlock(count, draw, (block, words) => {
    const end = Math.min(4, count - 4 * block);
    for (let word = 0; word < end; word++) values[4 * block + word] = (words[word] >>> 8) * 2 ** -24;
  });
  return values;
}

/**
 * `count` standard normal numbers by Box-Muller in float64, rounded to float32. The word pairs (0, 1) and (2, 3) of a
 * block give its elements (0, 1) and (2, 3): u = (word + 0.5) / 2^32, radius sqrt(-2 ln u1), angle 2 pi u2, cosine
 * first. The half keeps u1 off zero, so |value| < 6.77. CPU only: `log` and `cos` differ between adapters.
 * Throws UserError on a seed, step, stream or count out of range.
 */
export function normal(count: number, draw: Draw): Float32Array {
  const values = new Float32Array(checkCount(count));
  eachBlock(count, draw, (block, words) => {
    for (let word = 0; word < 4; word += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[word] + 0.5) / TWO_32));
      const angle = 2 * Math.PI * ((words[word + 1] + 0.5) / TWO_32);
      const i = 4 * block + word;
      // A typed array drops what is written past its end: the tail of the last block.
      values[i] = radius * Math.cos(angle);
      values[i + 1] = radius * Math.sin(angle);
    }
  });
  return values;
}

function eachBlock(count: number, draw: Draw, visit: (block: number, words: Uint32Array) => void): void {
  const [key0, key1] = keyOf(draw.seed);
  const step = checkWord("step", draw.step);
  const stream = checkWord("stream", draw.stream);
  const words = new Uint32Array(4);
  for (let block = 0; 4 * block < count; block++) {
    fillBlock(words, block, step, stream, 0, key0, key1);
    visit(block, words);
  }
}

function fillBlock(
  words: Uint32Array,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  key0: number,
  key1: number,
): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = multiplyHigh(MULTIPLIER_0, c0);
    const low0 = Math.imul(MULTIPLIER_0, c0) >>> 0;
    const high1 = multiplyHigh(MULTIPLIER_1, c2);
    const low1 = Math.imul(MULTIPLIER_1, c2) >>> 0;
    c0 = (high1 ^ c1 ^ key0) >>> 0;
    c1 = low1;
    c2 = (high0 ^ c3 ^ key1) >>> 0;
    c3 = low0;
    key0 = (key0 + WEYL_0) >>> 0;
    key1 = (key1 + WEYL_1) >>> 0;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
}

/** The high 32 bits of the 64-bit product, by 16-bit halves. No partial sum reaches 2^32: 65535^2 + 65535 < 2^32. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle & 0xffff);
  return aHigh * bHigh + (middle >>> 16) + (carry >>> 16);
}

function checkWord(name: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value >= TWO_32) {
    throw new UserError(`${name} ${value}: use an integer from 0 to ${TWO_32 - 1}`);
  }
  return value;
}

function checkCount(count: number): number {
  // The block index is one 32-bit word, and four elements come from a block.
  if (!Number.isInteger(count) || count < 0 || count > 4 * TWO_32) {
    throw new UserError(`count ${count}: use an integer from 0 to ${4 * TWO_32}`);
  }
  return count;
}
