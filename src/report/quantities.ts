/** The figures of a swap, as people read them. Their formulas are in faceswap/measures.ts. */
import type { FolderMeasures } from "../faceswap/evaluation.js";
import type { Gate, Measures } from "../faceswap/measures.js";
import { FEATURES, type Feature } from "../faceswap/responses.js";

export type AnyMeasures = Measures | FolderMeasures;

export interface Quantity {
  readonly key: keyof Measures;
  readonly name: string;
  /** Label of its axis, with unit and range. */
  readonly axis: string;
  readonly meaning: string;
  /** What dst's own reconstruction reaches. */
  readonly ceiling?: keyof Measures;
  /** What a constant picture reaches: a measure, or the same number always. */
  readonly constant?: keyof Measures | number;
  /** Name of the gate that it must pass. */
  readonly gate?: string;
  /** Whether that gate is one of expression, not of the swap. */
  readonly expression?: boolean;
  /** Which value is best: the least, the most, the one closest to 1; without it no value is better than another. */
  readonly best?: "least" | "most" | "one";
  /** Values that its axis always shows. */
  readonly shows: readonly number[];
}

const L1 = "L1: mean absolute difference, 0 to 1";

/** What is changed alone in the source, in words. */
export const CHANGES: Readonly<Record<Feature, string>> = {
  Mouth: "the mouth opens",
  Smile: "the mouth smiles",
  Eye: "the eyes open",
  Brow: "the brows rise",
  Gaze: "the gaze wanders",
};

/** Names of the gates of responses. */
const RESPONSE_GATES: Partial<Record<Feature, string>> = {
  Mouth: "mouth response",
  Eye: "eye response",
  Brow: "brow response",
};

export const QUANTITIES: readonly Quantity[] = [
  {
    key: "t",
    name: "t: how far the swap went",
    axis: "t: 0 is the source, 1 the true swap",
    meaning:
      "The way from the source picture to the true swap. A constant picture of the target can score high too, " +
      "so t alone proves nothing.",
    ceiling: "tCeiling",
    constant: "constantT",
    gate: "t",
    best: "one",
    shows: [0, 1],
  },
  {
    key: "swapError",
    name: "Swap error",
    axis: L1,
    meaning:
      "Distance of the swap from the true swap. Above the constant picture's, it is worse than no network at all.",
    ceiling: "swapErrorCeiling",
    constant: "constantSwapError",
    gate: "swap error",
    best: "least",
    shows: [0],
  },
  {
    key: "poseCorrelation",
    name: "Pose correlation",
    axis: "correlation, −1 to 1",
    meaning: "Whether the swap turns, looks and smiles as the source does. A constant picture scores 0.",
    ceiling: "poseCorrelationCeiling",
    constant: 0,
    gate: "pose correlation",
    best: "most",
    shows: [0, 1],
  },
  {
    key: "reconstruction",
    name: "Reconstruction error",
    axis: L1,
    meaning: "Distance of both identities' reconstructions from their pictures. It says nothing about the swap.",
    constant: "constantReconstruction",
    best: "least",
    shows: [0],
  },
  {
    key: "eyes",
    name: "Eyes",
    axis: "error ÷ constant picture's error there",
    meaning: "The swap's error at eyes and brows, as a part of the constant picture's error there: expression.",
    ceiling: "eyesCeiling",
    constant: 1,
    gate: "eyes",
    expression: true,
    best: "least",
    shows: [0, 1],
  },
  {
    key: "mouth",
    name: "Mouth",
    axis: "error ÷ constant picture's error there",
    meaning: "The swap's error at the mouth, as a part of the constant picture's error there: expression.",
    ceiling: "mouthCeiling",
    constant: 1,
    gate: "mouth",
    expression: true,
    best: "least",
    shows: [0, 1],
  },
  {
    key: "gridEnergy",
    name: "Grid energy",
    axis: "amplitude in 1/255 of full scale",
    meaning:
      "What repeats every 2 or 4 pixels in the error on flat regions, in 1/255 of full scale: the checkerboard that " +
      "transposed convolutions leave.",
    ceiling: "gridEnergyCeiling",
    constant: 0,
    best: "least",
    shows: [0],
  },
  ...FEATURES.map(
    (feature): Quantity => ({
      key: `response${feature}`,
      name: `Response: ${CHANGES[feature]}`,
      axis: "part of the true change",
      meaning: `How far the swap follows when in the source only ${CHANGES[feature]}: 0 ignores it, 1 follows wholly.`,
      ceiling: `response${feature}Ceiling`,
      constant: 0,
      gate: RESPONSE_GATES[feature],
      expression: true,
      best: "one",
      shows: [0, 1],
    }),
  ),
  {
    key: "leakError",
    name: "Distance from the source",
    axis: L1,
    meaning: "Distance of the swap from the source picture: small where the source leaks through.",
    ceiling: "leakErrorCeiling",
    constant: "constantLeakError",
    shows: [0],
  },
];

/** What a swap does when one thing changes: measured at the end only, and shown in a table of its own. */
export const isResponse = ({ key }: Quantity): boolean => key.startsWith("response");

/** NaN where the measures lack it. */
export function numberOf(measures: AnyMeasures, key: keyof Measures | number | undefined): number {
  if (key === undefined) return Number.NaN;
  return typeof key === "number" ? key : ((measures as Partial<Measures>)[key] ?? Number.NaN);
}

/** Whether the true swap was known to whoever measured. */
export const knowsSwap = (measures: AnyMeasures): measures is Measures => "t" in measures;

/** The number that a gate's value is held against, and from which side: its rule says both. */
export function boundOf({ rule }: Gate): { bound: number; least: boolean } {
  const [, sign, bound] = /^([≥≤]) ([\d.]+)/.exec(rule) ?? [];
  return { bound: Number(bound), least: sign === "≥" };
}
