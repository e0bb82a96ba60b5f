import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Autoencoder, Side } from "../faceswap/architecture.js";
import { drawHeldOut, firstOf, measureAvatars, measureFolders, toStack, Viewer } from "../faceswap/evaluation.js";
import { countOf, gates, type Measures, medianPicture, type Stack } from "../faceswap/measures.js";
import type { PictureSet } from "../faceswap/pictures.js";
import type { TrainingConfig } from "../faceswap/presets.js";
import type { Shown } from "../report/sheets.js";
import { loadFolder } from "../storage/images.js";
import type { FinalLine, MeasureLine } from "../storage/metrics.js";
import { type AvatarsFile, describedAvatars } from "./avatarsFile.js";
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
  readonly training: Record<Side, PictureSet>;
  readonly heldOut: Record<Side, PictureSet>;
  /** Set if the folders were filled by `shibori avatars`. */
  readonly about: AvatarsFile | undefined;
}

/** Loads both folders, names what it skips, and keeps every tenth picture (of ten or more) from training. */
export function loadFaces(src: string, dst: string, size: number): Faces {
  const sides = [src, dst].map((dir) => {
    const { pictures, count, skipped } = loadFolder(dir, size);
    for (const { name, reason } of skipped) console.error(`skipped ${name}: ${reason}`);
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
    return { training, heldOut };
  });
  return {
    training: { src: sides[0].training, dst: sides[1].training },
    heldOut: { src: sides[0].heldOut, dst: sides[1].heldOut },
    about: describedAvatars(src, dst),
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
  pictures: Record<Side, Stack>,
  options: { title: string; shows: Shown },
): Promise<Uint8Array> {
  return previewSheet(pictures, await viewer.view(pictures.src, pictures.dst), options);
}

/** Avatars: the true swap is known. */
async function avatarJudge(gpu: Gpu, viewer: Viewer, config: TrainingConfig): Promise<Judge> {
  const heldOut = await drawHeldOut(gpu, config);
  const shown = { src: firstOf(heldOut.truth.src, SHOWN), dst: firstOf(heldOut.truth.dst, SHOWN) };
  return {
    async glance() {
      const m = await measureAvatars(viewer, heldOut, GLANCED);
      return { t: m.t / m.tCeiling, line: { poses: GLANCED, ...m } };
    },
    async verdict() {
      const m = await measureAvatars(viewer, heldOut);
      const poses = countOf(heldOut.truth.dst);
      const passed = gates(m).every((gate) => gate.passed);
      return { text: describe(m, poses), line: { poses, ...m, gates: gates(m), passed } };
    },
    preview: (step) =>
      sheet(viewer, shown, {
        title: `step ${step}, held-out poses, pair ${config.pair}`,
        shows: { kind: "avatars", pair: config.pair, poses: config.poses },
      }),
  };
}

/** Pictures of which no true swap is known. */
async function folderJudge(viewer: Viewer, { training, heldOut }: Faces): Promise<Judge> {
  const median = { src: medianPicture(toStack(training.src)), dst: medianPicture(toStack(training.dst)) };
  const count = Math.min(heldOut.src.count, heldOut.dst.count, 64);
  if (count < 1) throw new UserError("no pictures are left to judge by");
  const held = { src: firstOf(toStack(heldOut.src), count), dst: firstOf(toStack(heldOut.dst), count) };
  const shown = { src: firstOf(held.src, SHOWN), dst: firstOf(held.dst, SHOWN) };
  return {
    async glance() {
      return { t: undefined, line: await measureFolders(viewer, held, median) };
    },
    async verdict() {
      const m = await measureFolders(viewer, held, median);
      const text =
        `reconstruction L1 ${m.reconstruction.toFixed(4)} on ${count} pictures of each (constant median picture ` +
        `${m.constantReconstruction.toFixed(4)}).\nWhether it swaps cannot be measured without a known true swap: look at the previews.`;
      return { text, line: m };
    },
    preview: (step) =>
      sheet(viewer, shown, { title: `step ${step}, pictures kept from training`, shows: { kind: "folders" } }),
  };
}

/** The measures as a table, and the verdict. */
export function describe(m: Measures, poses: number): string {
  const row = (name: string, value: number, ceiling: number | undefined, constant: number) =>
    `  ${name.padEnd(28)} ${value.toFixed(4).padStart(8)} ${(ceiling?.toFixed(4) ?? "").padStart(10)} ${constant.toFixed(4).padStart(10)}`;
  const failed = gates(m).filter((gate) => !gate.passed);
  const gateText = gates(m).map(
    ({ name, value, rule, passed }) => `  ${passed ? "passes" : "FAILS "}  ${name}: ${value.toFixed(2)} (${rule})`,
  );
  return [
    `${`on ${poses} held-out poses`.padEnd(30)} ${"measured".padStart(8)} ${"ceiling".padStart(10)} ${"constant".padStart(10)}`,
    row("reconstruction L1", m.reconstruction, undefined, m.constantReconstruction),
    row("t (0 src … 1 dst)", m.t, m.tCeiling, m.constantT),
    row("swap error L1", m.swapError, m.swapErrorCeiling, m.constantSwapError),
    row("leak error L1 (from src)", m.leakError, m.leakErrorCeiling, m.constantLeakError),
    row("pose correlation", m.poseCorrelation, m.poseCorrelationCeiling, 0),
    row("eyes: error / constant's", m.eyes, m.eyesCeiling, 1),
    row("mouth: error / constant's", m.mouth, m.mouthCeiling, 1),
    `reconstruction is ${(m.reconstruction / m.constantReconstruction).toFixed(2)} of the constant median picture's error`,
    ...gateText,
    failed.length ? `The swap FAILS: ${failed.map((gate) => gate.name).join(", ")}.` : "The swap passes.",
  ].join("\n");
}
