/** What several runs show, in a sentence or two that follow from their numbers. */
import { slotsOf } from "../faceswap/lossSlots.js";
import type { Gate } from "../faceswap/measures.js";
import { beginOf, type Compared, endOf } from "./compared.js";
import { whyUnranked } from "./definitions.js";
import { LOSS_TEXTS, sharedPictureLoss } from "./losses.js";
import { count, figure, list, part } from "./numbers.js";
import { parts } from "./runView.js";
import { failedExpression, reconstructs } from "./verdict.js";

const names = (runs: readonly Compared[]) => list(runs.map(({ name }) => name));

/** "both" or "all 3", if they are all there are. */
const everyone = (n: number): string => (n === 2 ? "both" : `all ${n}`);
/** A sentence's beginning; names stay as they are. */
const capital = (text: string): string =>
  /^(both|all \d+|neither|none|only|whether) /.test(text) ? text.slice(0, 1).toUpperCase() + text.slice(1) : text;

/** Numbers of few runs one by one, of many from the least to the greatest. */
function figures(values: readonly number[]): string {
  if (values.length <= 3) return list(values.map(part));
  const [least, most] = [Math.min(...values), Math.max(...values)].map(part);
  return least === most ? least : `${least} to ${most}`;
}

/** Whether the runs reconstruct, and whether they swap. */
export function headline(runs: readonly Compared[]): string {
  const clauses = [reconstruction(runs), ...swap(runs)].filter((clause) => clause !== undefined);
  return clauses.length ? `${capital(clauses.join("; "))}.` : "Nothing has been measured yet.";
}

function reconstruction(runs: readonly Compared[]): string | undefined {
  const all = runs.flatMap((run) => (run.look ? [{ run, error: parts(run.look.measures).reconstruction }] : []));
  const finished = all.filter(({ run }) => run.finished);
  const measured = finished.length ? finished : all;
  if (!measured.length) return undefined;
  const far = finished.length ? "" : " so far";
  const errors = (some: typeof measured) => figures(some.map(({ error }) => error));
  const able = measured.filter(({ error }) => reconstructs(error));
  const unable = measured.filter(({ error }) => !reconstructs(error));
  const of = "of a constant picture's error";
  const who = (some: typeof measured) => names(some.map(({ run }) => run));
  if (!unable.length && able.length === runs.length)
    return `${everyone(runs.length)} reconstruct${far} (${errors(able)} ${of})`;
  if (!able.length && unable.length === runs.length) {
    return `${runs.length === 2 ? "neither" : "none"} reconstructs well${far} (${errors(unable)} ${of})`;
  }
  const verb = (some: typeof measured, one: string, more: string) => (some.length === 1 ? one : more);
  return [
    able.length && `${who(able)} ${verb(able, "reconstructs", "reconstruct")} (${errors(able)} ${of})`,
    unable.length &&
      `${who(unable)} ${verb(unable, "does", "do")} not${able.length ? "" : " reconstruct well"} (${errors(unable)}${able.length ? "" : ` ${of}`})`,
  ]
    .filter(Boolean)
    .join(", ");
}

const gatesOf = ({ look }: Compared): readonly Gate[] => look?.gates ?? [];
const passes = (run: Compared): boolean => gatesOf(run).every(({ passed }) => passed);

function swap(runs: readonly Compared[]): string[] {
  const judged = runs.filter(({ look }) => look?.final && look.gates);
  const rest = runs.filter((run) => !judged.includes(run));
  const clauses = judged.length ? [swapOfJudged(judged, runs)] : [];
  const shown = expression(
    judged.filter((run) => passes(run) && run.look?.expression),
    judged,
  );
  if (shown) clauses.push(shown);
  for (const { name, look, finished, step, config, metrics } of rest) {
    const t = look?.gates?.[0];
    if (metrics.fault && !finished) clauses.push(`${name} diverged at step ${count(metrics.fault.step)}`);
    else if (!finished) {
      const so = t ? `, t ${part(t.value)} of its ceiling so far` : "";
      clauses.push(`${name} is unfinished (step ${count(step)} of ${count(config.steps)}${so})`);
    } else clauses.push(`whether ${name} swaps is not known: it has no true swap to measure by`);
  }
  return clauses;
}

function swapOfJudged(judged: readonly Compared[], runs: readonly Compared[]): string {
  const [good, bad] = [judged.filter(passes), judged.filter((run) => !passes(run))];
  const gate = tellingGate(bad);
  const value = (run: Compared) => gatesOf(run)[gate].value;
  const { name, rule } = gatesOf(judged[0])[gate];
  const of = /of .*$/.exec(rule)?.[0] ?? "";
  const told = (some: readonly Compared[]) => figures(some.map(value));
  const whole = judged.length === runs.length;
  if (!bad.length) {
    const who = whole ? everyone(runs.length) : names(good);
    return `${who} ${good.length === 1 ? "swaps" : "swap"} (${name} ${told(good)} ${of})`;
  }
  if (!good.length) {
    if (judged.length === 1) return `${names(bad)} does not swap (${name} ${told(bad)} ${of})`;
    return `${judged.length === 2 ? "neither" : "none"}${whole ? "" : ` of ${names(bad)}`} swaps (${name} ${told(bad)} ${of})`;
  }
  return `only ${names(good)} ${good.length === 1 ? "swaps" : "swap"} (${name} ${told(good)} against ${told(bad)} ${of})`;
}

/** Which of the runs that swap show expression; undefined where none was measured for it. */
function expression(swapping: readonly Compared[], judged: readonly Compared[]): string | undefined {
  if (!swapping.length) return undefined;
  const shows = swapping.filter(({ look }) => look?.showsExpression);
  const lacks = swapping.filter((run) => !shows.includes(run));
  const whole = swapping.length === judged.length && swapping.length > 1;
  if (!lacks.length) {
    return `${whole ? everyone(shows.length) : names(shows)} ${shows.length === 1 ? "shows" : "show"} expression`;
  }
  const why = lacks.length === 1 ? ` (${failedExpression(lacks[0].look)})` : "";
  if (!shows.length) {
    if (whole) return `${lacks.length === 2 ? "neither" : "none"} shows expression`;
    return `${names(lacks)} ${lacks.length === 1 ? "does" : "do"} not show expression${why}`;
  }
  return `of these only ${names(shows)} ${shows.length === 1 ? "shows" : "show"} expression`;
}

/** The gate that most of the failing runs fail. */
function tellingGate(failing: readonly Compared[]): number {
  const failures = [0, 1, 2].map((gate) => failing.filter((run) => !gatesOf(run)[gate].passed).length);
  return failures.indexOf(Math.max(...failures));
}

/** Whether the losses would have told, where some runs swap and others do not; undefined where that says nothing. */
export function lossesLine(runs: readonly Compared[]): string | undefined {
  const judged = runs.filter(({ look }) => look?.final && look.gates);
  const [good, bad] = [judged.filter(passes), judged.filter((run) => !passes(run))];
  if (!good.length || !bad.length) return undefined;
  const shared = sharedPictureLoss(judged.map(({ config }) => config));
  if (!shared) return "Their losses cannot be ranked: there is no loss of pictures that all of them log.";
  const why = whyUnranked(shared, judged);
  if (why) return `Their losses cannot be ranked: ${why.replace(/ \(.*\)$/, "")}.`;
  const what = LOSS_TEXTS[shared].word;
  const end = (run: Compared) => endOf(shared, run);
  const best = (some: readonly Compared[]) => some.reduce((a, b) => (end(b) < end(a) ? b : a));
  const [swapping, failing] = [best(good), best(bad)];
  const fall = judged.every((run) =>
    slotsOf(run.config.lossWeights).every((name) => endOf(name, run) < 0.5 * beginOf(name, run)),
  );
  const falls = fall ? `, and every loss falls in ${everyone(judged.length)}` : "";
  const [least, most] = [end(failing), end(swapping)];
  if (least < most) {
    return `The losses do not show it: ${failing.name}, which does not swap, ends with the lower ${what} (${figure(least)} against ${figure(most)})${falls}.`;
  }
  if (least < 1.5 * most) {
    return `The losses hardly show it: ${what} ends at ${figure(most)} in ${swapping.name} and at ${figure(least)} in ${failing.name}${falls}.`;
  }
  return `${what} ends at ${figure(most)} in ${swapping.name} and at ${figure(least)} in ${failing.name}${falls}.`;
}
