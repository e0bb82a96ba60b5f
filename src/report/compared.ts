/** Runs beside each other. */
import type { StepLine } from "../storage/metrics.js";
import type { RunFolder } from "../storage/runFolder.js";
import { type Loss, lossOf } from "./losses.js";
import type { CurveStyle } from "./pageData.js";
import { type RunView, viewRun } from "./runView.js";
import { median } from "./thin.js";

export const MOST_RUNS = 8;

export interface Compared extends RunView {
  /** Of its own among the runs. */
  readonly name: string;
  /** How its curves look, everywhere. */
  readonly tone: string;
  readonly style: CurveStyle;
}

const STYLES: readonly CurveStyle[] = ["line", "long", "dashdot"];

/** @throws UserError naming what is damaged */
export function viewRuns(folders: readonly RunFolder[]): Compared[] {
  return styled(folders.map(viewRun));
}

/** Gives each run a name and a line of its own. */
export const styled = (views: readonly RunView[]): Compared[] =>
  views.map((view, i) => ({
    ...view,
    // Folders of one name are told apart by their paths.
    name: views.some((other) => other !== view && other.name === view.name) ? view.folder.path : view.name,
    tone: `run${i % MOST_RUNS}`,
    style: STYLES[i % STYLES.length],
  }));

/** A loss at the end of what was trained: the median of the last twentieth of the steps. */
export function lossAtEnd({ metrics: { steps } }: RunView, of: (line: StepLine) => number): number {
  return median(steps.slice(-Math.max(1, Math.round(steps.length / 20))).map(of));
}

function lossAtBegin({ metrics: { steps } }: RunView, of: (line: StepLine) => number): number {
  return median(steps.slice(0, Math.max(1, Math.round(steps.length / 20))).map(of));
}

/** A loss at the end, and at the beginning; NaN where a run does not log it. */
export const endOf = (name: Loss, run: RunView): number => lossAtEnd(run, lossOf(name, run.config));
export const beginOf = (name: Loss, run: RunView): number => lossAtBegin(run, lossOf(name, run.config));
