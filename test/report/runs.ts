import { expressionGates, showsExpression } from "../../src/faceswap/expression.js";
import { LOSS_NAMES, type LossName, lossFormulas } from "../../src/faceswap/lossSlots.js";
import { gates, type Measures } from "../../src/faceswap/measures.js";
import { keysOf } from "../../src/report/losses.js";
import { COLUMNS, type Column, encodeMatrix, encodeSheet, type Shown } from "../../src/report/sheets.js";
import type { StepLine, Verdict } from "../../src/storage/metrics.js";
import type { Picture } from "../../src/storage/picture.js";
import type { RunConfig } from "../../src/storage/runConfig.js";
import { RunFolder } from "../../src/storage/runFolder.js";
import { runConfig } from "../storage/runs.js";

/** Measures of a run that swaps, as measured of avatar-64. */
export const SWAPS: Measures = {
  ...{ reconstruction: 0.0187, constantReconstruction: 0.0349, t: 0.8619, tCeiling: 0.9148, constantT: 0.8836 },
  ...{
    swapError: 0.0232,
    swapErrorCeiling: 0.0189,
    constantSwapError: 0.0337,
    leakError: 0.0525,
    leakErrorCeiling: 0.0551,
    constantLeakError: 0.0572,
  },
  ...{ poseCorrelation: 0.6842, poseCorrelationCeiling: 0.7231 },
  ...{
    eyes: 0.8366,
    eyesCeiling: 0.8405,
    mouth: 0.7456,
    mouthCeiling: 0.7073,
    gridEnergy: 0.42,
    gridEnergyCeiling: 0.4,
  },
};

/** Measures of a run that also shows expression, as measured of avatar-128. */
export const EXPRESSIVE: Measures = {
  ...SWAPS,
  ...{ eyes: 0.59, eyesCeiling: 0.48, mouth: 0.41, mouthCeiling: 0.34 },
  ...{ responseMouth: 0.75, responseMouthCeiling: 0.82, responseSmile: 0.57, responseSmileCeiling: 0.64 },
  ...{ responseEye: 0.34, responseEyeCeiling: 0.27, responseBrow: 0.6, responseBrowCeiling: 0.92 },
  ...{ responseGaze: 0.33, responseGazeCeiling: 0.25 },
};

/** Measures of the trap, as measured of avatar-64-naive. */
export const TRAP: Measures = {
  ...{ reconstruction: 0.0157, constantReconstruction: 0.0349, t: 0.2279, tCeiling: 0.9376, constantT: 0.8836 },
  ...{
    swapError: 0.0505,
    swapErrorCeiling: 0.0151,
    constantSwapError: 0.0337,
    leakError: 0.026,
    leakErrorCeiling: 0.0551,
    constantLeakError: 0.0572,
  },
  ...{ poseCorrelation: 0.6825, poseCorrelationCeiling: 0.8848 },
  ...{ eyes: 0.9188, eyesCeiling: 0.526, mouth: 0.5234, mouthCeiling: 0.4532, gridEnergy: 0.5, gridEnergyCeiling: 0.6 },
};

export interface Recipe {
  readonly config?: Partial<RunConfig>;
  /** Steps that are logged; all unless told. */
  readonly done?: number;
  /** How small L1 becomes. */
  readonly l1?: number;
  /** Steps of looks on 16 poses. */
  readonly looks?: readonly number[];
  readonly measures?: Measures;
  /** Of folders whose true swap is unknown. */
  readonly unknown?: boolean;
  readonly finished?: boolean;
  readonly previews?: readonly number[];
  /** What a verdict on more than two identities has besides. */
  readonly several?: Pick<Verdict, "pair" | "pairs" | "passed">;
}

/** A configuration of these losses, each of weight 1, with their formulas. */
export function logging(names: readonly LossName[], change: Partial<RunConfig> = {}): Partial<RunConfig> {
  const lossWeights = Object.fromEntries(names.map((name) => [name, 1]));
  const config = { ...runConfig(change), lossWeights };
  return { ...change, lossWeights, losses: lossFormulas(config) };
}

/** A picture that no other `n` has. */
export function pictureOf(n: number, size = 8): Picture {
  const data = Uint8Array.from({ length: size * size * 3 }, (_, i) => (Math.imul(n + 1, 2654435761) >>> (i % 24)) + i);
  return { width: size, height: size, data };
}

export const POSES = 3;

/** Which picture stands in a column and row of the preview of a step; sources and true swaps are those of all runs. */
export function shownIn(column: Column, pose: number, step: number, run = 0): Picture {
  const still = column === "src" || column === "trueSwap" || column === "dst";
  const at = Object.keys(COLUMNS).indexOf(column === "dst" ? "trueSwap" : column);
  return pictureOf(at * 10 + pose + (still ? 0 : step * 100 + run * 7));
}

export function sheetOf(
  step: number,
  run = 0,
  shows: Shown = { kind: "avatars", pair: "mild", poses: "demo" },
): Uint8Array {
  const columns = (Object.keys(COLUMNS) as Column[]).filter((name) => shows.kind === "avatars" || name !== "trueSwap");
  return encodeSheet(
    columns.map((name) => [name, Array.from({ length: POSES }, (_, pose) => shownIn(name, pose, step, run))]),
    { title: `step ${step}`, shows },
  );
}

function matrixOf(identities: readonly string[], step: number, shows: Shown): Uint8Array {
  const pictures = (n: number) => [pictureOf(n), pictureOf(n + 1)];
  const lines = identities.map((from, i) => {
    const as = Object.fromEntries(identities.map((to, k) => [to, pictures(step + 10 * i + 2 * k)]));
    return [from, { pictures: pictures(10 * i), as }] as const;
  });
  return encodeMatrix(Object.fromEntries(lines), { title: `step ${step}`, shows });
}

const sheets = new Map<string, Uint8Array>();

/** Encoding takes time: each sheet is made once. */
function sheetOnce(...[step, run, shows]: Parameters<typeof sheetOf>): Uint8Array {
  const key = JSON.stringify([step, run, shows]);
  const sheet = sheets.get(key) ?? sheetOf(step, run, shows);
  sheets.set(key, sheet);
  return sheet;
}

let made = 0;

/** Writes the folder of a run that was never trained. */
export function makeRun(path: string, recipe: Recipe = {}): RunFolder {
  const config = runConfig(recipe.config);
  const {
    done = config.steps,
    l1 = 0.02,
    looks = [],
    measures = SWAPS,
    unknown,
    finished = false,
    previews = [],
  } = recipe;
  const folder = RunFolder.create(path, config, { overwrite: true });
  const { reconstruction, constantReconstruction, gridEnergy } = measures;
  const known = unknown ? { reconstruction, constantReconstruction, gridEnergy } : measures;
  folder.appendMetrics(
    Array.from({ length: done }, (_, i) => {
      const src = l1 + 0.1 / (1 + i / 20) + 0.001 * Math.sin(i * 12.9);
      const latent = 0.0001 + 0.02 / (1 + i);
      const line: StepLine = { step: i + 1, loss: 2 * src + 5 * latent, rate: config.rate };
      for (const name of LOSS_NAMES.filter((one) => config.lossWeights[one] !== undefined)) {
        keysOf(name, config).forEach((key, k) => {
          line[key] = name === "latent" ? latent : src * 0.9 ** k * (name === "l1" ? 1 : 3);
        });
      }
      return line;
    }),
  );
  for (const step of looks) folder.appendMetrics([{ step, measures: unknown ? known : { poses: 16, ...measures } }]);
  if (finished) {
    const expression = expressionGates(measures);
    const verdict = {
      ...{ gates: gates(measures), passed: gates(measures).every(({ passed }) => passed) },
      ...(expression && { expression, showsExpression: showsExpression(measures) }),
      ...recipe.several,
    };
    folder.appendMetrics([{ step: config.steps, final: unknown ? known : { poses: 128, ...measures, ...verdict } }]);
  }
  folder.appendTime({ step: 0, seconds: 0, at: "2026-11-25T20:07:28.477Z" });
  for (let step = 100; step <= done; step += 100) folder.appendTime({ step, seconds: step * 0.05 + (step % 3) });
  const shows: Shown = unknown ? { kind: "folders" } : { kind: "avatars", pair: config.pair, poses: config.poses };
  // Two runs that are made one after the other have different pictures.
  const number = made++ % 2;
  const sheet = (step: number) =>
    config.identities.length > 2 ? matrixOf(config.identities, step, shows) : sheetOnce(step, number, shows);
  for (const step of previews) folder.writePreview(step, sheet(step));
  folder.release();
  return folder;
}
