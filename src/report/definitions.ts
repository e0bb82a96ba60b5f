/** Which losses of which runs may be ranked, and why the others may not. */
import { trainedPoses } from "../faceswap/config.js";
import { CODE_LOSSES, type CodeLoss } from "../faceswap/lossSlots.js";
import type { RunConfig } from "../storage/runConfig.js";
import { isCodeLoss, keysOf, LOSS_TEXTS, type Loss, logs } from "./losses.js";
import { list } from "./numbers.js";

export interface Named {
  readonly name: string;
  readonly config: RunConfig;
}

const printOf = ({ data }: RunConfig): string => data.fingerprint.slice(0, 8);

const foldersOf = (config: RunConfig): string =>
  `folders of pictures at ${config.architecture.size} px (${printOf(config)})`;

/** What a run is trained on, in words; equal if it is the same. */
function trainedOn(config: RunConfig): string {
  const { data, pair, identities, architecture, warp } = config;
  const poses = [...new Set(identities.map((identity) => trainedPoses(config, identity)))].join(" and ");
  const pictures =
    data.kind === "avatars"
      ? `avatars of the pair ${pair}, poses ${poses}, ${architecture.size} px (${printOf(config)})`
      : foldersOf(config);
  return warp ? `${pictures}, warped by ${warp}` : pictures;
}

/** One clause a run, if they are not all equal. */
function apart(what: string, runs: readonly Named[], of: (config: RunConfig) => string): string | undefined {
  const found = runs.map(({ name, config }) => ({ name, text: of(config) }));
  const texts = [...new Set(found.map(({ text }) => text))];
  if (texts.length < 2) return undefined;
  const groups = texts.map((text) => {
    const names = found.filter((one) => one.text === text).map(({ name }) => name);
    return `${list(names)}: ${text}`;
  });
  return `${what} (${groups.join("; ")})`;
}

/** Why the runs are not trained on the same pictures; undefined if they are. */
export const otherPictures = (runs: readonly Named[]): string | undefined =>
  apart("they are trained on different pictures", runs, trainedOn);

/** What a run is judged on, in words: held-out poses of avatars, or pictures kept from its folders. */
function judgedOn(config: RunConfig): string {
  const { data, pair, poses, architecture } = config;
  const known = data.kind === "avatars" || data.trueSwap;
  return known ? `pair ${pair}, poses ${poses}, ${architecture.size} px` : foldersOf(config);
}

/** Why the measures of the runs are not of the same pictures; undefined if they are. */
export const otherJudging = (runs: readonly Named[]): string | undefined =>
  apart("they were measured on different pictures", runs, judgedOn);

/** Why the measures of the runs are not of the same swap, where each shows its worst of several; undefined if they are. */
export function otherWorst(runs: readonly { name: string; worst: string | undefined }[]): string | undefined {
  const worst = [...new Set(runs.map((run) => run.worst))];
  if (worst.length < 2) return undefined;
  return `each run shows its worst swap (${runs.map((run) => `${run.name}: ${run.worst ?? "the only one"}`).join("; ")})`;
}

/** Runs whose total loss is one quantity, on the same pictures, together. */
export function groupsOfTotal<R extends Named>(runs: readonly R[]): R[][] {
  const key = ({ config }: Named) => `${config.losses.loss}\n${trainedOn(config)}`;
  return [...new Set(runs.map(key))].map((one) => runs.filter((run) => key(run) === one));
}

/** Why a loss of these runs is not one quantity; undefined if it is. */
export function otherDefinition(loss: Loss, runs: readonly Named[]): string | undefined {
  const without = runs.filter(({ config }) => !logs(loss, config)).map(({ name }) => name);
  if (without.length) return `${list(without)} ${without.length === 1 ? "does" : "do"} not log it`;
  const keys = [...new Set(runs.flatMap(({ config }) => keysOf(loss, config)))];
  const reasons = keys.map((key) =>
    apart("the formulas differ", runs, ({ losses }) => losses[key] ?? "none is recorded"),
  );
  return reasons.find((reason) => reason !== undefined);
}

/** Losses of statistics over the batch: the fewer its pictures, the more is chance. */
const OVER_BATCH: readonly CodeLoss[] = ["latent", "coral", "mmd", "consistency"];

/**
 * Why a loss of these runs must not be ranked; undefined if it may. A total is only as comparable as what it adds up:
 * it must have one formula, and what it has of losses on codes must be of the same code.
 */
export function whyUnranked(loss: Loss, runs: readonly Named[]): string | undefined {
  const why = otherDefinition(loss, runs) ?? otherPictures(runs);
  if (why || (loss !== "loss" && !isCodeLoss(loss))) return why;
  const weighed = CODE_LOSSES.filter((name) => runs.some(({ config }) => (config.lossWeights[name] ?? 0) > 0));
  const parts = loss === "loss" ? weighed : [loss as CodeLoss];
  const reasons = parts.map((name) => {
    const it = loss === "loss" ? `its ${LOSS_TEXTS[name].word} part is` : "it is";
    // Two opponents are two measures of a code, whatever their formula.
    if (name === "adversary")
      return runs.length > 1 ? `${it} of a classifier that each run trains for itself` : undefined;
    return (
      apart(`${it} of codes of different shapes`, runs, ({ network }) => network.code) ??
      (OVER_BATCH.includes(name)
        ? apart(`${it} over batches of different sizes`, runs, ({ batch }) => String(batch))
        : undefined)
    );
  });
  return reasons.find((reason) => reason !== undefined);
}
