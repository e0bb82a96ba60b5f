/** What is known of a run: its folder, read once, with what follows from it. */
import { realpathSync } from "node:fs";
import { basename } from "node:path";
import { type Gate, gates } from "../faceswap/measures.js";
import type { Metrics, PairLine, TimeLine, Verdict } from "../storage/metrics.js";
import type { RunConfig } from "../storage/runConfig.js";
import type { RunFolder } from "../storage/runFolder.js";
import { type AnyMeasures, knowsSwap } from "./quantities.js";

/** The latest measures of a run. */
export interface Look {
  readonly step: number;
  /** Taken at the end, on all held-out poses. */
  readonly final: boolean;
  readonly measures: AnyMeasures;
  /** Pictures looked at, in words. */
  readonly on: string;
  /** undefined where the true swap is not known. */
  readonly gates: readonly Gate[] | undefined;
  /** Whether eyes and mouth follow; undefined where it was not measured. */
  readonly expression: readonly Gate[] | undefined;
  readonly showsExpression: boolean | undefined;
  /** Directions between more than two identities; the measures are those of the worst, `pair`. */
  readonly pair: string | undefined;
  readonly pairs: readonly PairLine[] | undefined;
}

export interface RunView {
  readonly folder: RunFolder;
  /** The folder's own name. */
  readonly name: string;
  readonly config: RunConfig;
  readonly metrics: Metrics;
  readonly times: readonly TimeLine[];
  readonly previews: readonly { step: number; name: string; path: string }[];
  /** Steps done, as far as they are logged. */
  readonly step: number;
  readonly finished: boolean;
  /** undefined before the first one. */
  readonly look: Look | undefined;
}

/** @throws UserError naming the file that is damaged, and what of it */
export function viewRun(folder: RunFolder): RunView {
  const config = folder.readConfig();
  const metrics = folder.readMetrics();
  const times = folder.readTimes();
  return {
    folder,
    name: basename(realpathSync(folder.path)),
    config,
    metrics,
    times,
    previews: folder.previews(),
    step: metrics.steps.at(-1)?.step ?? 0,
    finished: metrics.final !== undefined,
    look: latestLook(metrics),
  };
}

function latestLook({ measures, final }: Metrics): Look | undefined {
  const last = measures.at(-1);
  const found = final?.final ?? last?.measures;
  if (!found) return undefined;
  const known = knowsSwap(found);
  const { poses, expression, showsExpression, pair, pairs } = found as Partial<Verdict>;
  return {
    step: (final ?? last)?.step ?? 0,
    final: final !== undefined,
    measures: found,
    on: known ? `${poses} held-out poses${pair ? ` (${pair}, the worst swap)` : ""}` : "pictures kept from training",
    gates: known ? gates(found) : undefined,
    ...{ expression, showsExpression, pair, pairs },
  };
}

/** A figure as a part of its ceiling, or of the constant picture's: what can be set beside another run's. */
export function parts(measures: AnyMeasures): Record<"reconstruction" | "t" | "swapError" | "poseCorrelation", number> {
  const { reconstruction, constantReconstruction } = measures;
  const swap = knowsSwap(measures) ? gates(measures).map(({ value }) => value) : [];
  const [t = Number.NaN, swapError = Number.NaN, poseCorrelation = Number.NaN] = swap;
  return { reconstruction: reconstruction / constantReconstruction, t, swapError, poseCorrelation };
}
