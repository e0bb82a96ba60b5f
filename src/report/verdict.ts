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
  const worst = look.pair ? ` from ${look.pair}, the worst of ${look.pairs?.length},` : "";
  if (!failed.length && !failing.length) {
    const sentence = `The swap${worst} passes: ${figures(look.gates)}.${expressionSentence(look)}`;
    return { state: "passes", word: "Passes", sentence };
  }
  const though = reconstructs(error)
    ? `, though it reconstructs (${part(error)} of a constant picture's error)`
    : `; ${reconstruction}`;
  return { state: "fails", word: "Fails", sentence: `The swap${worst} fails: ${figures(failed)}${though}.` };
}

/** Whether a swap that passes shows expression; empty where that was not measured. */
function expressionSentence({ expression, showsExpression }: Look): string {
  if (!expression) return "";
  if (showsExpression) return " It shows expression: eyes, brows and mouth follow.";
  const failed = expression.filter(({ passed }) => !passed);
  return ` It does not show expression: ${list(failed.map(({ name, value }) => `${name} ${part(value)}`))}.`;
}

/** Whether a network reconstructs at all: clearly better than a constant picture, by the measure of the swap's own gate. */
export const reconstructs = (partOfConstant: number): boolean => partOfConstant <= 0.75;
