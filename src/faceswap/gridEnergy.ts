import type { Stack } from "./measures.js";

/** Side of a block, and the period that its patterns are looked for with: layers that double twice leave 2 and 4. */
const BLOCK = 8;
const PERIOD = 4;
/** A block is flat if no channel of the true picture varies by more: 13 of 255. */
const FLAT = 13 / 255;

/**
 * The checkerboard that transposed convolutions leave (Odena, Dumoulin, Olah: "Deconvolution and checkerboard artifacts",
 * 2016), as an amplitude in 1/255 of full scale. Where the true picture is flat, over blocks of 8 × 8 pixels, the error
 * drawn − true is freed of its plane (a brightness or a slope that is wrong is no pattern) and folded to 4 × 4: what
 * repeats every 2 or 4 pixels stays whole, and noise falls to a half. The result is the root mean square of the fold, over
 * all channels, in the median block: blocks into which the network draws a misplaced edge are few, and would outweigh all
 * others in a mean. NaN where no block is flat.
 * @param drawn what a network drew, as many square pictures of 3 channels as `truth` has, in [0, 1]
 * @param truth what it should have drawn
 */
export function gridEnergy(drawn: Stack, truth: Stack): number {
  const size = Math.sqrt(truth.length / 3);
  const energies: number[] = [];
  const block = new Float64Array(BLOCK * BLOCK);
  for (let picture = 0; picture < truth.data.length; picture += truth.length) {
    for (let y = 0; y + BLOCK <= size; y += BLOCK) {
      for (let x = 0; x + BLOCK <= size; x += BLOCK) {
        const at = (i: number, j: number, c: number) => picture + ((y + i) * size + x + j) * 3 + c;
        if (!isFlat(truth.data, at)) continue;
        let energy = 0;
        for (let c = 0; c < 3; c++) {
          for (let i = 0; i < BLOCK; i++) {
            for (let j = 0; j < BLOCK; j++) block[i * BLOCK + j] = drawn.data[at(i, j, c)] - truth.data[at(i, j, c)];
          }
          energy += foldedEnergy(block) / 3;
        }
        energies.push(energy);
      }
    }
  }
  if (!energies.length) return Number.NaN;
  energies.sort((a, b) => a - b);
  const middle = (energies[(energies.length - 1) >> 1] + energies[energies.length >> 1]) / 2;
  return 255 * Math.sqrt(middle);
}

function isFlat(data: Float32Array, at: (i: number, j: number, c: number) => number): boolean {
  for (let c = 0; c < 3; c++) {
    let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (let i = 0; i < BLOCK; i++) {
      for (let j = 0; j < BLOCK; j++) {
        const value = data[at(i, j, c)];
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
    }
    if (most - least > FLAT) return false;
  }
  return true;
}

/**
 * The mean square of a block without its plane, folded to PERIOD × PERIOD. The plane is that of the means of the block's
 * four quarters, in which a pattern of that period is the same: it takes nothing from the pattern, as least squares would
 * from stripes.
 */
function foldedEnergy(block: Float64Array): number {
  const centre = (BLOCK - 1) / 2;
  const fold = new Float64Array(PERIOD * PERIOD);
  const count = BLOCK * BLOCK;
  let [mean, slopeY, slopeX] = [0, 0, 0];
  block.forEach((value, at) => {
    const [i, j] = [Math.floor(at / BLOCK), at % BLOCK];
    mean += value / count;
    // The means of two halves lie half a block apart.
    slopeY += (Math.sign(i - centre) * value * 4) / (count * BLOCK);
    slopeX += (Math.sign(j - centre) * value * 4) / (count * BLOCK);
  });
  block.forEach((value, at) => {
    const [i, j] = [Math.floor(at / BLOCK), at % BLOCK];
    const rest = value - mean - slopeY * (i - centre) - slopeX * (j - centre);
    fold[(i % PERIOD) * PERIOD + (j % PERIOD)] += (rest * fold.length) / count;
  });
  return fold.reduce((sum, value) => sum + value * value, 0) / fold.length;
}
