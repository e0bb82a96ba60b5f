/** The lines of `metrics.jsonl` and `times.jsonl`: a JSON object each. Pure. */
import { UserError } from "../engine/errors.js";
import type { FolderMeasures } from "../faceswap/evaluation.js";
import type { Gate, Measures } from "../faceswap/measures.js";

/** What every line has: the step that it is about. */
export interface Line {
  step: number;
}

/**
 * One step: what training made smaller, the learning rate, and every loss by name, unweighted: "l1.src" is a picture
 * loss of one identity, "latent" a loss on the codes.
 */
export type StepLine = { step: number; loss: number; rate: number } & Record<string, number>;

/** A look in the midst of training; `poses` is how many held-out poses were looked at. */
export interface MeasureLine {
  step: number;
  measures: (Measures & { poses: number }) | FolderMeasures;
}

/** The verdict at the end. Of folders whose true swap is unknown there is only the reconstruction. */
export interface FinalLine {
  step: number;
  final: Verdict | FolderMeasures;
}

/** What was measured of a finished swap, and what follows. */
export type Verdict = Measures & {
  poses: number;
  gates: Gate[];
  passed: boolean;
  /** Whether eyes, brows and mouth follow: the swap's gates are part of it. */
  expression?: Gate[];
  showsExpression?: boolean;
  /** Of more than two identities: the worst pair, whose figures these are, and all of them. It passes if all pass. */
  pair?: string;
  pairs?: PairLine[];
};

/** One direction between two of several identities. */
export interface PairLine {
  from: string;
  to: string;
  t: number;
  swapError: number;
  poseCorrelation: number;
  passed: boolean;
}

/** Why a run stopped at a step, which it could not do: something in it was not finite. */
export interface FaultLine {
  step: number;
  fault: string;
}

/** Seconds of training behind a step, over all sittings of the run; `at` marks the beginning of one. */
export interface TimeLine {
  step: number;
  seconds: number;
  /** ISO 8601. */
  at?: string;
}

export interface Metrics {
  readonly steps: StepLine[];
  readonly measures: MeasureLine[];
  readonly final: FinalLine | undefined;
  readonly fault: FaultLine | undefined;
}

/**
 * The complete lines of a file: behind the last line's end may be what a killed process had begun to write.
 * @param name how error lines call the file
 * @throws UserError naming the line at fault
 */
export function parseLines(text: string, name: string): Line[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((each, i) => {
      const line = parseLine(each);
      if (!line) throw new UserError(`${name}, line ${i + 1} is not one that a run writes: mend or delete the line`);
      return line;
    });
}

/** The lines of metrics by their kind, each in its order. */
export function sortLines(lines: readonly Line[]): Metrics {
  return {
    steps: lines.filter((line): line is StepLine => "loss" in line),
    measures: lines.filter((line): line is MeasureLine => "measures" in line),
    final: lines.findLast((line): line is FinalLine => "final" in line),
    fault: lines.findLast((line): line is FaultLine => "fault" in line),
  };
}

/** Measures: numbers (null where one was not finite), and the gates of a verdict. */
function isMeasured(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const {
    gates = [],
    expression = [],
    pairs = [],
    passed = true,
    showsExpression = true,
    pair = "",
    ...numbers
  } = value as Record<string, unknown>;
  const passable = (list: unknown, name: string) =>
    Array.isArray(list) && list.every((each) => typeof each?.[name] === "string" && typeof each.passed === "boolean");
  return (
    "reconstruction" in numbers &&
    Object.values(numbers).every((n) => n === null || typeof n === "number") &&
    passable(gates, "name") &&
    passable(expression, "name") &&
    passable(pairs, "from") &&
    passable(pairs, "to") &&
    typeof passed === "boolean" &&
    typeof showsExpression === "boolean" &&
    typeof pair === "string"
  );
}

/** A line of metrics or times; undefined if it is none. */
function parseLine(text: string): Line | undefined {
  let line: Record<string, unknown> | null;
  try {
    line = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof line !== "object" || !Number.isSafeInteger(line?.step) || (line?.step as number) < 0) return undefined;
  const { seconds, measures, final, fault, at } = line as Record<string, unknown>;
  const time = (value: unknown) =>
    value === undefined || (Date.parse(String(value)) >= 0 && String(value).length === 24);
  const losses = "loss" in (line as object) && "rate" in (line as object);
  const sound =
    (losses && Object.values(line as object).every((value) => typeof value === "number")) ||
    (typeof seconds === "number" && seconds >= 0 && seconds < 1e9 && time(at)) ||
    [measures, final].some(isMeasured) ||
    typeof fault === "string";
  return sound ? (line as unknown as Line) : undefined;
}
