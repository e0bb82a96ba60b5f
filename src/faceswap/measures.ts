import { gridEnergy } from "./gridEnergy.js";
import type { Responses } from "./responses.js";

/** Pictures one after the other, each of `length` numbers: width · height · channels. */
export interface Stack {
  readonly data: Float32Array;
  readonly length: number;
}

/** How many pictures a stack holds. */
export const countOf = ({ data, length }: Stack): number => data.length / length;

/** Mean absolute difference of two stacks. */
export function meanAbsolute(a: Stack, b: Stack): number {
  let sum = 0;
  for (let i = 0; i < a.data.length; i++) sum += Math.abs(a.data[i] - b.data[i]);
  return sum / a.data.length;
}

/**
 * How far swaps went from src to dst: the mean over pictures of the projection of (swap − src) on (dst − src); 1 is dst,
 * 0 is src. Alone it is no test of a swap: a constant picture of dst scores about .89.
 */
export function transfer(swap: Stack, src: Stack, dst: Stack): number {
  const { length } = swap;
  let total = 0;
  for (let at = 0; at < swap.data.length; at += length) {
    let along = 0;
    let whole = 0;
    for (let i = at; i < at + length; i++) {
      const d = dst.data[i] - src.data[i];
      along += (swap.data[i] - src.data[i]) * d;
      whole += d * d;
    }
    total += along / whole;
  }
  return total / countOf(swap);
}

/** The mean picture of a stack. */
function meanPicture({ data, length }: Stack): Float64Array {
  const mean = new Float64Array(length);
  for (let i = 0; i < data.length; i++) mean[i % length] += data[i];
  const count = data.length / length;
  return mean.map((sum) => sum / count);
}

/**
 * Whether swaps follow the pose: the correlation of two stacks over all pixels and poses, after each stack's mean picture
 * is removed. A constant picture scores 0.
 */
export function poseCorrelation(a: Stack, b: Stack): number {
  const [ma, mb] = [meanPicture(a), meanPicture(b)];
  let ab = 0;
  let aa = 0;
  let bb = 0;
  for (let i = 0; i < a.data.length; i++) {
    const x = a.data[i] - ma[i % a.length];
    const y = b.data[i] - mb[i % b.length];
    ab += x * y;
    aa += x * x;
    bb += y * y;
  }
  return ab / (Math.sqrt(aa * bb) + 1e-9);
}

/** Mean absolute difference where a mask is: Σ mask·|a − b| / Σ mask, over pixels and their three channels. */
export function maskedAbsolute(a: Stack, b: Stack, mask: Stack): number {
  let sum = 0;
  let weight = 0;
  for (let i = 0; i < mask.data.length; i++) {
    const m = mask.data[i];
    if (m === 0) continue;
    weight += 3 * m;
    for (let c = 3 * i; c < 3 * i + 3; c++) sum += m * Math.abs(a.data[c] - b.data[c]);
  }
  return sum / weight;
}

/** The median of each pixel and channel over a stack: the constant picture with the least mean absolute error. */
export function medianPicture({ data, length }: Stack): Float32Array {
  const count = data.length / length;
  const column = new Float32Array(count);
  const median = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    for (let n = 0; n < count; n++) column[n] = data[n * length + i];
    column.sort();
    median[i] = (column[(count - 1) >> 1] + column[count >> 1]) / 2;
  }
  return median;
}

/** One picture repeated. */
export function repeated(picture: Float32Array, count: number): Stack {
  const data = new Float32Array(picture.length * count);
  for (let n = 0; n < count; n++) data.set(picture, n * picture.length);
  return { data, length: picture.length };
}

/** What is known of held-out poses: pictures of both identities in the same poses, and where eyes and mouth of dst are. */
export interface Truth {
  readonly src: Stack;
  readonly dst: Stack;
  /** One number a pixel. */
  readonly eyes: Stack;
  readonly mouth: Stack;
}

/** What a network makes of them. */
export interface Outputs {
  readonly srcReconstruction: Stack;
  readonly dstReconstruction: Stack;
  /** src's pictures through dst's decoder. */
  readonly swap: Stack;
}

/**
 * Figures of a network on held-out poses. "Ceiling" is the same figure of dst's own reconstruction. Differences are L1.
 * Responses (see responses.ts) are only measured at the end.
 */
export interface Measures extends Partial<Responses> {
  reconstruction: number;
  /** Of the two constant median pictures. */
  constantReconstruction: number;
  t: number;
  tCeiling: number;
  /** Of the constant median picture of dst: t alone is no proof of a swap. */
  constantT: number;
  swapError: number;
  swapErrorCeiling: number;
  /** Of the constant median picture of dst. */
  constantSwapError: number;
  /** Difference of the swap from the source picture: small where the source leaks through. */
  leakError: number;
  leakErrorCeiling: number;
  constantLeakError: number;
  poseCorrelation: number;
  poseCorrelationCeiling: number;
  /** Error in the region over the constant picture's error there. */
  eyes: number;
  eyesCeiling: number;
  mouth: number;
  mouthCeiling: number;
  /** Amplitude in 1/255 of what repeats every 4 pixels in the swap's error on flat regions; NaN if none is flat. */
  gridEnergy: number;
  gridEnergyCeiling: number;
}

/** Everything at once. `median` holds the constant pictures: each pixel's median over pictures of one identity. */
export function measure(truth: Truth, made: Outputs, median: { src: Float32Array; dst: Float32Array }): Measures {
  const count = countOf(truth.dst);
  const constantSrc = repeated(median.src, count);
  const constantDst = repeated(median.dst, count);
  const region = (stack: Stack, mask: Stack) =>
    maskedAbsolute(stack, truth.dst, mask) / maskedAbsolute(constantDst, truth.dst, mask);
  const constantSwapError = meanAbsolute(constantDst, truth.dst);
  const dstError = meanAbsolute(made.dstReconstruction, truth.dst);
  return {
    reconstruction: (meanAbsolute(made.srcReconstruction, truth.src) + dstError) / 2,
    constantReconstruction: (meanAbsolute(constantSrc, truth.src) + constantSwapError) / 2,
    t: transfer(made.swap, truth.src, truth.dst),
    tCeiling: transfer(made.dstReconstruction, truth.src, truth.dst),
    constantT: transfer(constantDst, truth.src, truth.dst),
    swapError: meanAbsolute(made.swap, truth.dst),
    swapErrorCeiling: dstError,
    constantSwapError,
    leakError: meanAbsolute(made.swap, truth.src),
    leakErrorCeiling: meanAbsolute(made.dstReconstruction, truth.src),
    constantLeakError: meanAbsolute(constantDst, truth.src),
    poseCorrelation: poseCorrelation(made.swap, truth.dst),
    poseCorrelationCeiling: poseCorrelation(made.dstReconstruction, truth.dst),
    eyes: region(made.swap, truth.eyes),
    eyesCeiling: region(made.dstReconstruction, truth.eyes),
    mouth: region(made.swap, truth.mouth),
    mouthCeiling: region(made.dstReconstruction, truth.mouth),
    gridEnergy: gridEnergy(made.swap, truth.dst),
    gridEnergyCeiling: gridEnergy(made.dstReconstruction, truth.dst),
  };
}

/** One condition that a swap must meet. */
export interface Gate {
  readonly name: string;
  /** The figure, as a part of what it is compared with. */
  readonly value: number;
  readonly rule: string;
  readonly passed: boolean;
}

/**
 * The three gates of a swap: it went all the way (t), it is closer to the true swap than a constant picture, and it
 * follows the pose. Each alone can be met without a swap. A ceiling that is not positive leaves nothing to compare with,
 * and the gate fails.
 */
export function gates(m: Measures): Gate[] {
  const gate = (name: string, figure: number, against: number, bound: number, least: boolean, of: string): Gate => {
    const value = figure / against;
    const passed = against > 0 && (least ? value >= bound : value <= bound);
    return { name, value, rule: `${least ? "≥" : "≤"} ${bound} of ${of}`, passed };
  };
  return [
    gate("t", m.t, m.tCeiling, 0.92, true, "its ceiling"),
    gate("swap error", m.swapError, m.constantSwapError, 0.75, false, "the constant picture's"),
    gate("pose correlation", m.poseCorrelation, m.poseCorrelationCeiling, 0.85, true, "its ceiling"),
  ];
}
