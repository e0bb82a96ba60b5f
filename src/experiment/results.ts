/** What the runs of an experiment measured, as tables of numbers: a line a run, and a line an epoch. */
import type { Leak } from "../faceswap/code/leak.js";
import { FEATURES } from "../faceswap/responses.js";
import { lossOf } from "../report/losses.js";
import { knowsSwap } from "../report/quantities.js";
import { parts, type RunView } from "../report/runView.js";
import type { DeclaredRun } from "./declare.js";

export type Row = Readonly<Record<string, string | number>>;

/** An epoch is so many faces of each identity, as in the article. */
const EPOCH = 1024;
/** Losses that are logged by any experiment, as columns. */
const LOSSES = ["l1", "random-features", "dssim", "latent"] as const;

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
const column = (name: string): string => name.replaceAll("-", "_");

/** One finished run. Ratios: t and pose correlation as parts of their ceilings, errors as parts of the constant picture's. */
export function rowOf(run: DeclaredRun, view: RunView, leak: Leak, factors: readonly string[]): Row {
  const { config, metrics, times, look } = view;
  const { network } = config;
  const measures = look?.measures;
  const ratio = measures ? parts(measures) : undefined;
  const known = measures && knowsSwap(measures) ? measures : undefined;
  const seconds = times.at(-1)?.seconds ?? Number.NaN;
  const ending = metrics.steps.slice(-Math.max(1, Math.round(metrics.steps.length / 20)));
  return {
    ...{ run: run.name, arm: run.arm, label: run.label, seed: run.seed },
    ...Object.fromEntries(factors.map((factor) => [factor, run.levels[factor] ?? ""])),
    ...{ preset: run.preset, cast: config.pair, adapter: config.adapter.name, steps: view.step, batch: config.batch },
    ...{ code: network.code, code_numbers: network.codeLength, parameters: network.parameters },
    gflop_step: network.flopsPerStep / 1e9,
    tflop: (network.flopsPerStep * view.step) / 1e12,
    seconds,
    reconstruction: measures?.reconstruction ?? Number.NaN,
    reconstruction_ratio: ratio?.reconstruction ?? Number.NaN,
    ...{ t: known?.t ?? Number.NaN, t_ceiling: known?.tCeiling ?? Number.NaN, t_ratio: ratio?.t ?? Number.NaN },
    ...{ swap_error: known?.swapError ?? Number.NaN, swap_ratio: ratio?.swapError ?? Number.NaN },
    ...{ pose_correlation: known?.poseCorrelation ?? Number.NaN, pose_ratio: ratio?.poseCorrelation ?? Number.NaN },
    ...{ eyes: known?.eyes ?? Number.NaN, mouth: known?.mouth ?? Number.NaN },
    ...Object.fromEntries(
      FEATURES.map((name) => [`response_${name.toLowerCase()}`, known?.[`response${name}`] ?? Number.NaN]),
    ),
    grid_energy: known?.gridEnergy ?? Number.NaN,
    passes: Number(look?.gates?.every(({ passed }) => passed) ?? false),
    shows_expression: Number(look?.showsExpression ?? false),
    ...{ gap: leak.gap, mean_gap: leak.meanGap, probe_accuracy: leak.accuracy, probe_bits: leak.bits },
    cell_accuracy: mean(leak.cellAccuracy),
    cell_bits: mean(leak.cellBits),
    ...Object.fromEntries(LOSSES.map((name) => [`loss_${column(name)}`, mean(ending.map(lossOf(name, config)))])),
  };
}

/** The mean losses of each whole epoch of a run, and t (as a part of its ceiling) where it was looked at last. */
export function epochsOf(run: DeclaredRun, { config, metrics }: RunView): Row[] {
  const length = EPOCH / config.batch;
  const count = Math.floor(metrics.steps.length / length);
  return Array.from({ length: count }, (_, epoch) => {
    const steps = metrics.steps.slice(Math.round(epoch * length), Math.round((epoch + 1) * length));
    const last = steps.at(-1)?.step ?? 0;
    const seen = metrics.measures.findLast(({ step }) => step <= last)?.measures;
    return {
      ...{ run: run.name, arm: run.arm, label: run.label, seed: run.seed, epoch: epoch + 1 },
      ...Object.fromEntries(LOSSES.map((name) => [column(name), mean(steps.map(lossOf(name, config)))])),
      t_ratio: seen ? parts(seen).t : Number.NaN,
    };
  });
}

/** Comma-separated values (RFC 4180): a head, and the rows in their order; what is not known is empty. */
export function csv(rows: readonly Row[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: string | number | undefined): string => {
    if (value === undefined || (typeof value === "number" && !Number.isFinite(value))) return "";
    const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : value;
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return [names, ...rows.map((row) => names.map((name) => cell(row[name])))]
    .map((line) => `${line.join(",")}\n`)
    .join("");
}
