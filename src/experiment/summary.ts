/** What the runs of an experiment show together. Pure. */
import { list, part } from "../report/numbers.js";
import type { Row } from "./results.js";

/** Runs that differ in their seeds alone. */
export interface Arm {
  readonly arm: string;
  readonly label: string;
  readonly rows: readonly Row[];
}

/** The arms in the order of their first runs. */
export function armsOf(rows: readonly Row[]): Arm[] {
  const names = [...new Set(rows.map(({ arm }) => arm as string))];
  return names.map((arm) => {
    const own = rows.filter((row) => row.arm === arm);
    return { arm, label: own[0].label as string, rows: own };
  });
}

export interface Spread {
  readonly mean: number;
  /** Standard deviation of the seeds (divisor n − 1); NaN of one. */
  readonly deviation: number;
  readonly least: number;
  readonly most: number;
  readonly count: number;
}

/** Of a column over an arm's runs, where it is known. */
export function spreadOf(rows: readonly Row[], column: string): Spread {
  const values = rows.map((row) => row[column]).filter((v): v is number => typeof v === "number" && Number.isFinite(v));
  const count = values.length;
  const mean = values.reduce((sum, v) => sum + v, 0) / count;
  const variance = values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (count - 1);
  return {
    mean,
    deviation: count > 1 ? Math.sqrt(variance) : Number.NaN,
    least: Math.min(...values),
    most: Math.max(...values),
    count,
  };
}

/** ".0203 ± .0004", or one number where there is one run. */
export function spreadText({ mean, deviation }: Spread, show: (n: number) => string = part): string {
  return Number.isFinite(deviation) ? `${show(mean)} ± ${show(deviation)}` : show(mean);
}

const passing = ({ rows }: Arm): number => rows.filter(({ passes }) => passes === 1).length;
const showing = ({ rows }: Arm): number => rows.filter((row) => row.shows_expression === 1).length;

/** "3×3", or "3×3 (2 of 3 seeds)" where not all agree. */
const someOf = (arms: readonly Arm[], count: (arm: Arm) => number): string =>
  list(
    arms.map((arm) =>
      count(arm) === arm.rows.length ? arm.label : `${arm.label} (${count(arm)} of ${arm.rows.length} seeds)`,
    ),
  );

/** What must be equal for one arm's pictures to be set against another's: who is drawn, and how many faces were seen. */
const setting = ({ rows: [{ cast, steps, batch }] }: Arm): string => `${cast} ${Number(steps) * Number(batch)}`;

/**
 * The statement that the numbers support: who passes, who shows expression; and, against the first arm of the same people
 * and as many faces that passes, who reconstructs at least as well and swaps worse than a constant picture. A difference is
 * claimed only where no seed of the one reaches any of the other, and only of arms with three seeds or more; else it is
 * said to be of so many seeds.
 */
export function statement(rows: readonly Row[]): string[] {
  const arms = armsOf(rows);
  if (!arms.length) return ["Nothing has been measured yet."];
  const able = arms.filter((arm) => passing(arm) > 0);
  const unable = arms.filter((arm) => passing(arm) === 0);
  const lines: string[] = [];
  if (able.length) lines.push(`The swap passes with ${someOf(able, passing)}.`);
  if (unable.length)
    lines.push(
      `It fails with ${list(unable.map(({ label }) => label))}${able.length ? "" : ": with every one of them"}.`,
    );
  const expressive = able.filter((arm) => showing(arm) > 0);
  if (expressive.length) lines.push(`Expression is shown by ${someOf(expressive, showing)}.`);
  for (const each of new Set(unable.map(setting))) {
    const standard = able.find((arm) => setting(arm) === each);
    if (!standard) continue;
    const some = unable.filter((arm) => setting(arm) === each);
    lines.push(...trapLines(some, standard));
  }
  const seeds = arms.map((arm) => arm.rows.length);
  const fewest = Math.min(...seeds);
  if (fewest < 3) {
    const few = arms.filter((arm) => arm.rows.length === fewest);
    const who =
      few.length === arms.length
        ? "every arm"
        : few.length > 4
          ? `${few.length} arms`
          : list(few.map(({ label }) => label));
    lines.push(
      `Of ${who} there ${fewest === 1 ? "is one seed" : `are ${fewest} seeds`}: a difference as large as between seeds proves nothing.`,
    );
  }
  return lines;
}

/** Of the arms whose pictures are no worse, and whose swap is worse than a constant picture: a sentence for all alike. */
function trapLines(arms: readonly Arm[], standard: Arm): string[] {
  const sentences = new Map<string, Arm[]>();
  const other = spreadOf(standard.rows, "reconstruction");
  for (const arm of arms) {
    const own = spreadOf(arm.rows, "reconstruction");
    if (own.mean > other.mean || !(spreadOf(arm.rows, "swap_ratio").mean > 1)) continue;
    const several = Math.min(own.count, other.count) >= 3;
    const better = own.most < other.least;
    const how = `${better ? "better" : "no worse"} than ${standard.label}'s`;
    const sure = several ? (better ? " with every seed" : ", within the spread of the seeds") : "";
    sentences.set(how + sure, [...(sentences.get(how + sure) ?? []), arm]);
  }
  return [...sentences].map(([how, some]) => {
    const labels = list(some.map(({ label }) => label));
    const [are, its] = some.length > 1 ? ["are", "the"] : ["is", "its"];
    const of = (column: string, show?: (n: number) => string) => rangeText(some, column, show);
    const figures = `${of("reconstruction", four)} against ${spreadText(other, four)}`;
    const against = spreadText(spreadOf(standard.rows, "t_ratio"));
    return (
      `${labels} ${are} the trap: ${its} reconstruction is ${how} (${figures}), but ${its} swap is worse than a constant ` +
      `picture (error ${of("swap_ratio")} of that one's) and reaches ${of("t_ratio")} of its ceiling, not ${against}.`
    );
  });
}

/** The spread over seeds of one arm; of several the least and the greatest of their means. */
function rangeText(arms: readonly Arm[], column: string, show: (n: number) => string = part): string {
  const all = arms.map(({ rows }) => spreadOf(rows, column));
  if (all.length === 1) return spreadText(all[0], show);
  const means = all.map(({ mean }) => mean);
  return `${show(Math.min(...means))} to ${show(Math.max(...means))}`;
}

const four = (n: number): string => n.toFixed(4);
