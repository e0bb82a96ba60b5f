import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Autoencoder } from "../faceswap/architecture.js";
import type { TrainingConfig } from "../faceswap/config.js";
import {
  type ByIdentity,
  type Direction,
  drawHeldOut,
  firstOf,
  measureAvatars,
  measureFolders,
  toStack,
  Viewer,
  withResponses,
} from "../faceswap/evaluation.js";
import { expressionGates, showsExpression } from "../faceswap/expression.js";
import { countOf, type Gate, gates, type Measures, medianPicture, type Stack } from "../faceswap/measures.js";
import type { PictureSet } from "../faceswap/pictures.js";
import type { Shown } from "../report/sheets.js";
import { loadFolder } from "../storage/images.js";
import type { FinalLine, MeasureLine, Verdict } from "../storage/metrics.js";
import { type AvatarsFile, describedAvatars } from "./avatarsFile.js";
import { describe } from "./describe.js";
import { previewSheet } from "./previews.js";

/** Poses shown in a preview, and looked at in the midst of training. */
const SHOWN = 6;
const GLANCED = 16;

/** What judges a network while it trains and at the end. */
export interface Judge {
  /** A quick look: t as a part of its ceiling where the true swap is known, and a line for the metrics. */
  glance(): Promise<{ t: number | undefined; line: MeasureLine["measures"] }>;
  verdict(): Promise<{ text: string; line: FinalLine["final"] }>;
  /** A sheet of the first held-out pictures, as PNG. */
  preview(step: number): Promise<Uint8Array>;
}

/** Folders of pictures, loaded: what to train on, what to keep for judging. */
export interface Faces {
  readonly training: ByIdentity<PictureSet>;
  readonly heldOut: ByIdentity<PictureSet>;
  /** Set if the folders were filled by `shibori avatars`. */
  readonly about: AvatarsFile | undefined;
}

/** Loads each identity's folder, names what it skips, and keeps every tenth picture (of ten or more) from training. */
export function loadFaces(folders: ByIdentity<string>, size: number): Faces {
  const loaded = Object.entries(folders).map(([name, dir]) => {
    const { pictures, count, skipped } = loadFolder(dir, size);
    for (const { name: file, reason } of skipped) console.error(`skipped ${file}: ${reason}`);
    const bytes = size * size * 3;
    const select = (keep: (i: number) => boolean): PictureSet => {
      const chosen = Array.from({ length: count }, (_, i) => i).filter(keep);
      const some = new Uint8Array(chosen.length * bytes);
      chosen.forEach((from, to) => {
        some.set(pictures.subarray(from * bytes, (from + 1) * bytes), to * bytes);
      });
      return { pictures: some, count: chosen.length, size };
    };
    const few = count < 10;
    const training = select((i) => few || i % 10 !== 9);
    const heldOut = select((i) => few || i % 10 === 9);
    const kept = few ? "too few to keep any for judging" : `${heldOut.count} of them kept for judging`;
    console.log(`${dir}: ${count} pictures, ${kept}`);
    return { name, training, heldOut };
  });
  return {
    training: Object.fromEntries(loaded.map(({ name, training }) => [name, training])),
    heldOut: Object.fromEntries(loaded.map(({ name, heldOut }) => [name, heldOut])),
    about: describedAvatars(folders),
  };
}

export async function judgeOf(
  gpu: Gpu,
  model: Autoencoder,
  config: TrainingConfig,
  faces: Faces | undefined,
): Promise<Judge> {
  const viewer = await Viewer.open(gpu, model);
  return faces && !faces.about ? folderJudge(viewer, faces) : avatarJudge(gpu, viewer, config);
}

async function sheet(
  viewer: Viewer,
  pictures: ByIdentity<Stack>,
  options: { title: string; shows: Shown },
): Promise<Uint8Array> {
  return previewSheet(pictures, await viewer.view(pictures), options);
}

const passes = (m: Measures): boolean => gates(m).every(({ passed }) => passed);

const failures = (found: readonly Gate[] = []): number => found.filter(({ passed }) => !passed).length;

/**
 * The direction that swaps worst: it fails most of the swap's gates; of several, most of expression's; of several, it has
 * the largest error beside a constant picture's.
 */
function worstOf(directions: readonly Direction[]): Direction {
  const isWorse = ({ measures: a }: Direction, { measures: b }: Direction): boolean => {
    const swap = failures(gates(a)) - failures(gates(b));
    const shown = failures(expressionGates(a)) - failures(expressionGates(b));
    return (swap || shown || a.swapError / a.constantSwapError - b.swapError / b.constantSwapError) > 0;
  };
  return directions.reduce((worst, each) => (isWorse(each, worst) ? each : worst));
}

/** What a run's last line says of its directions. */
export function verdictLine(directions: readonly Direction[], poses: number): Verdict {
  const { from, to, measures } = worstOf(directions);
  const passed = directions.every((each) => passes(each.measures));
  const expression = expressionGates(measures);
  const shows = directions.every((each) => showsExpression(each.measures));
  return {
    poses,
    ...measures,
    gates: gates(measures),
    passed,
    ...(expression && { expression, showsExpression: shows }),
    ...(directions.length > 1 && {
      pair: `${from} → ${to}`,
      pairs: directions.map((each) => {
        const { t, swapError, poseCorrelation } = each.measures;
        return { from: each.from, to: each.to, t, swapError, poseCorrelation, passed: passes(each.measures) };
      }),
    }),
  };
}

/** Avatars: the true swap is known. */
async function avatarJudge(gpu: Gpu, viewer: Viewer, config: TrainingConfig): Promise<Judge> {
  const heldOut = await drawHeldOut(gpu, config);
  const shown = Object.fromEntries(config.identities.map((name) => [name, firstOf(heldOut.pictures[name], SHOWN)]));
  return {
    async glance() {
      const { measures } = worstOf(await measureAvatars(viewer, heldOut, GLANCED));
      return { t: measures.t / measures.tCeiling, line: { poses: GLANCED, ...measures } };
    },
    async verdict() {
      const directions = await withResponses(gpu, config, viewer, await measureAvatars(viewer, heldOut));
      const line = verdictLine(directions, countOf(heldOut.pictures[config.identities[0]]));
      return { text: describe(line), line };
    },
    preview: (step) =>
      sheet(viewer, shown, {
        title: `step ${step}, held-out poses, ${config.identities.length > 2 ? "avatars" : "pair"} ${config.pair}`,
        shows: { kind: "avatars", pair: config.pair, poses: config.poses },
      }),
  };
}

/** Pictures of which no true swap is known. */
async function folderJudge(viewer: Viewer, { training, heldOut }: Faces): Promise<Judge> {
  const names = Object.keys(training);
  const each = <T>(of: (name: string) => T) => Object.fromEntries(names.map((name) => [name, of(name)]));
  const median = each((name) => medianPicture(toStack(training[name])));
  const count = Math.min(64, ...names.map((name) => heldOut[name].count));
  if (count < 1) throw new UserError("no pictures are left to judge by");
  const held = each((name) => firstOf(toStack(heldOut[name]), count));
  const shown = each((name) => firstOf(held[name], SHOWN));
  return {
    async glance() {
      return { t: undefined, line: await measureFolders(viewer, held, median) };
    },
    async verdict() {
      const m = await measureFolders(viewer, held, median);
      const grid = Number.isNaN(m.gridEnergy)
        ? "No region of the pictures is flat enough for a measure of grid energy."
        : `Grid energy of the reconstructions: ${m.gridEnergy.toFixed(2)}/255.`;
      const text =
        `reconstruction L1 ${m.reconstruction.toFixed(4)} on ${count} pictures of each (constant median picture ` +
        `${m.constantReconstruction.toFixed(4)}).\n${grid}\nWhether it swaps cannot be measured without a known true swap: look at the previews.`;
      return { text, line: m };
    },
    preview: (step) =>
      sheet(viewer, shown, { title: `step ${step}, pictures kept from training`, shows: { kind: "folders" } }),
  };
}
