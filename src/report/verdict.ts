/** What a run shows, in one sentence. */
import type { Gate } from "../faceswap/measures.js";
import { count, list, part } from "./numbers.js";
import { knowsSwap } from "./quantities.js";
import { type Look, parts, type RunView } from "./runView.js";

export interface Verdict {
  readonly state: "passes" | "fails" | "unknown" | "unfinished" | "diverged";
  /** The state in a word or two. */
  readonly word: string;
  readonly sentence: string;
}

/** "t is 0.94 of its ceiling and swap error 0.69 of the constant picture's" */
function figures(gates: readonly Gate[]): string {
  return list(
    gates.map(({ name, value, rule }, i) => {
      const of = / of (.*)$/.exec(rule)?.[1] ?? "";
      return `${name} ${i ? "" : "is "}${part(value)} of ${of}`;
    }),
  );
}

export function verdictOf(view: RunView): Verdict {
  const { config, metrics, look, step, finished } = view;
  const of = `${count(step)} of ${count(config.steps)} steps`;
  if (metrics.fault && !finished) {
    const { step: at, fault } = metrics.fault;
    const sentence = `Training stopped before step ${count(at)} of ${count(config.steps)}, which was not applied: ${fault}.`;
    return { state: "diverged", word: "Diverged", sentence };
  }
  if (!look) {
    const done = step ? `After ${of} nothing has been measured yet` : "No step has been logged yet";
    return { state: "unfinished", word: "Unfinished", sentence: `${done}; the verdict comes at the end.` };
  }
  const error = parts(look.measures).reconstruction;
  const reconstruction = `reconstruction is ${part(error)} of a constant picture's error`;
  if (!knowsSwap(look.measures) || !look.gates) {
    const known = "whether it swaps cannot be measured without a known true swap: look at the previews";
    return finished
      ? { state: "unknown", word: "No verdict", sentence: `After ${of} ${reconstruction}; ${known}.` }
      : { state: "unfinished", word: "Unfinished", sentence: `After ${of} ${reconstruction}; ${known}.` };
  }
  if (!finished) {
    const [{ value }] = look.gates;
    // The last look may lie some steps back.
    const when = look.step === step ? "" : `, at step ${count(look.step)}`;
    return {
      state: "unfinished",
      word: "Unfinished",
      sentence: `After ${of}: t is ${part(value)} of its ceiling on ${look.on}${when}; the verdict comes at the end.`,
    };
  }
  const failed = look.gates.filter(({ passed }) => !passed);
  const failing = look.pairs?.filter(({ passed }) => !passed) ?? [];
  if (!failed.length && !failing.length) {
    const sentence = `${subject(look, true)}: ${figures(look.gates)}.${expressionSentence(look)}`;
    return { state: "passes", word: "Passes", sentence };
  }
  const though = reconstructs(error)
    ? `, though it reconstructs (${part(error)} of a constant picture's error)`
    : `; ${reconstruction}`;
  return { state: "fails", word: "Fails", sentence: `${subject(look, false)}: ${figures(failed)}${though}.` };
}

/** "The swap passes"; of several, how many do, and whose the figures are. */
function subject({ pair, pairs }: Look, passes: boolean): string {
  if (!pair || !pairs) return `The swap ${passes ? "passes" : "fails"}`;
  const some = pairs.filter(({ passed }) => passed === passes).length;
  const who = some === pairs.length ? `All ${some} swaps` : `${some} of ${pairs.length} swaps`;
  return `${who} ${some === 1 ? (passes ? "passes" : "fails") : passes ? "pass" : "fail"}; of the worst, ${pair}`;
}

/** Whether a swap that passes shows expression; empty where that was not measured. */
function expressionSentence(look: Look): string {
  const { expression, showsExpression, pairs } = look;
  if (!expression) return "";
  if (showsExpression) return ` ${pairs ? "All show" : "It shows"} expression: eyes, brows and mouth follow.`;
  return ` ${pairs ? "Not all show" : "It does not show"} expression: ${failedExpression(look)}.`;
}

/** The figures that fall short of expression: "eye response 0.00 of the true change". */
export function failedExpression(look: Look | undefined): string {
  const failed = look?.expression?.filter(({ passed }) => !passed) ?? [];
  if (!failed.length) return "another direction falls short";
  return list(
    failed.map(({ name, value, rule }) => `${name} ${part(value)} instead of ${rule.replace(/ of .*$/, "")}`),
  );
}

/** Whether a network reconstructs at all: clearly better than a constant picture, by the measure of the swap's own gate. */
export const reconstructs = (partOfConstant: number): boolean => partOfConstant <= 0.75;
