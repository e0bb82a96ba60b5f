/** Tables with a column a run. */

import { isPictureLoss } from "../faceswap/lossSlots.js";
import type { Gate } from "../faceswap/measures.js";
import type { StepLine } from "../storage/metrics.js";
import { lineKey } from "./charts.js";
import { type Compared, lossAtEnd } from "./compared.js";
import { configRows } from "./configDifferences.js";
import { otherJudging, otherWorst, whyUnranked } from "./definitions.js";
import { gateBar } from "./gateCards.js";
import { type Content, type Html, html } from "./html.js";
import { LOSS_TEXTS, type Loss, lossOf, slotsOfAny, whoIs } from "./losses.js";
import { count, duration, figure, list, part } from "./numbers.js";
import { numberOf, QUANTITIES, type Quantity } from "./quantities.js";
import { parts } from "./runView.js";
import { verdictOf } from "./verdict.js";

interface Row {
  readonly head: Content;
  readonly cells: readonly Content[];
  /** Below the row, across the table. */
  readonly note?: Content;
}

/** The name of a run with the sample of its line. */
export const runHead = ({ name, tone, style }: Compared): Html =>
  html`<span class="run">${lineKey(tone, style)} ${name}</span>`;

function runsTable(caption: Content, first: string, runs: readonly Compared[], rows: readonly Row[]): Html {
  const heads = runs.map((run) => html`<th scope="col">${runHead(run)}</th>`);
  const lines = rows.map(
    ({ head, cells, note }) => html`<tr><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
${note && html`<tr class="note"><td colspan="${runs.length + 1}">${note}</td></tr>\n`}`,
  );
  return html`<div class="wide"><table class="runs">
${caption && html`<caption>${caption}</caption>`}
<thead><tr><th scope="col">${first}</th>${heads}</tr></thead>
<tbody>
${lines}</tbody></table></div>
`;
}

/** Verdicts, gates, and what the runs cost. */
export function glanceTable(runs: readonly Compared[]): Html {
  const row = (head: string, of: (run: Compared) => Content, note?: string): Row => ({
    head,
    cells: runs.map(of),
    note,
  });
  const names = runs.flatMap(({ look }) => look?.gates ?? []).map(({ name }) => name);
  const gateRows = [...new Set(names)].map((name) => {
    const gate = ({ look }: Compared) => look?.gates?.find((one) => one.name === name);
    const rule = runs.map(gate).find((one) => one !== undefined)?.rule;
    return { head: html`${name}<small>${rule}</small>`, cells: runs.map((run) => gateCell(gate(run), run)) };
  });
  const seconds = ({ times }: Compared) => times.at(-1)?.seconds ?? Number.NaN;
  const on = list([...new Set(runs.flatMap(({ look }) => (look ? [look.on] : [])))]);
  return runsTable(on && `On ${on}.`, "gate", runs, [
    row("swap", (run) => {
      const { state, word } = verdictOf(run);
      return html`<span class="badge ${state}">${word}</span>`;
    }),
    ...gateRows,
    ...(runs.some(({ look }) => look?.expression)
      ? [
          row("expression", ({ look }) => {
            if (look?.showsExpression === undefined) return "not measured";
            const failed = look.expression?.filter(({ passed }) => !passed).map(({ name }) => name) ?? [];
            const why = failed.length ? `: ${list(failed)}` : look.showsExpression ? "" : ": it is no swap";
            return html`<span class="state ${look.showsExpression ? "pass" : "fail"}">${look.showsExpression ? "✓ shown" : "✗ not shown"}</span>${why}`;
          }),
        ]
      : []),
    row("reconstruction", ({ look }) => {
      const error = look ? parts(look.measures).reconstruction : undefined;
      return error === undefined ? "not known" : html`<b>${part(error)}</b> of the constant picture's error`;
    }),
    row("code", ({ config: { network } }) => `${network.code} (${count(network.codeLength)} numbers)`),
    row("parameters", ({ config: { network } }) => count(network.parameters)),
    row("steps", ({ step, config }) =>
      step < config.steps ? `${count(step)} of ${count(config.steps)}` : count(step),
    ),
    row("time", (run) => `${duration(seconds(run))} on ${run.config.adapter.name}`),
  ]);
}

function gateCell(gate: Gate | undefined, { look }: Compared): Content {
  if (!gate || !look) return "not known";
  const said = look.final ? (gate.passed ? "passes" : "fails") : gate.passed ? "met so far" : "not met yet";
  return html`<b>${part(gate.value)}</b> <span class="state ${gate.passed ? "pass" : "fail"}">${gate.passed ? "✓" : "✗"} ${said}</span>${gateBar(gate)}`;
}

/** Why the measures of the runs must not be ranked; undefined if they may. */
function whyMeasuresUnranked(runs: readonly Compared[]): string | undefined {
  const early = runs.filter(({ look }) => !look?.final);
  if (early.length) return `${list(early.map(({ name }) => name))} ${early.length === 1 ? "is" : "are"} unfinished`;
  const kinds = new Set(runs.map(({ look }) => look?.gates !== undefined));
  if (kinds.size > 1) return "the true swap is known of some runs only";
  return otherJudging(runs) ?? otherWorst(runs.map(({ name, look }) => ({ name, worst: look?.pair })));
}

/** Every measure of every run beside its ceiling and the constant picture's. */
export function measuresTable(runs: readonly Compared[]): Html {
  const why = whyMeasuresUnranked(runs);
  const values = ({ key }: Quantity) => runs.map(({ look }) => (look ? numberOf(look.measures, key) : Number.NaN));
  const rows = QUANTITIES.filter((quantity) => values(quantity).some(Number.isFinite)).map((quantity): Row => {
    const { name, meaning, ceiling, constant, best } = quantity;
    const own = values(quantity);
    const winner = why === undefined && best ? bestOf(own, best) : undefined;
    const cells = runs.map(({ look }, i) => {
      const against = (label: string, of: Quantity["ceiling"] | Quantity["constant"]) =>
        look &&
        of !== undefined &&
        html`<small>${label} ${typeof of === "number" ? of : figure(numberOf(look.measures, of))}</small>`;
      return html`${value(own[i], i === winner)}${against("ceiling", ceiling)}${against("constant picture", constant)}`;
    });
    return { head: name, cells, note: meaning };
  });
  if (!rows.length) return html`<p class="empty">Nothing has been measured yet.</p>`;
  const on = new Set(runs.flatMap(({ look }) => (look ? [look.on] : [])));
  const ranked = why ? `No value is marked as the best: ${why}.` : "★ marks the best of each line.";
  return runsTable(`Measured on ${list([...on])}. ${ranked}`, "measure", runs, rows);
}

const value = (n: number, best: boolean, digits?: number): Html =>
  html`<b>${figure(n, digits)}</b>${best && html` <span class="star">★<span class="hidden"> best</span></span>`}`;

/** The index of the best value; undefined if it is shared, or not all are there. */
function bestOf(values: readonly number[], best: NonNullable<Quantity["best"]>): number | undefined {
  if (!values.every(Number.isFinite)) return undefined;
  const scores = values.map((v) => (best === "most" ? -v : best === "one" ? Math.abs(1 - v) : v));
  const least = Math.min(...scores);
  return scores.indexOf(least) === scores.lastIndexOf(least) ? scores.indexOf(least) : undefined;
}

/** Losses at the end; those of one definition on the same pictures are ranked, of the others the reason is given. */
export function lossesTable(runs: readonly Compared[]): Html {
  const configs = runs.map(({ config }) => config);
  const rows = [...slotsOfAny(configs), "loss" as const].flatMap((loss): Row[] => {
    const why = whyUnranked(loss, runs);
    const row = (head: string, of: (run: Compared) => number): Row => {
      const own = runs.map(of);
      const winner = why ? undefined : bestOf(own, "least");
      return { head, cells: own.map((n, i) => value(n, i === winner)) };
    };
    const each = rowsOf(loss, configs).map(({ head, of }) => row(head, (run) => lossAtEnd(run, of(run))));
    return each.map((one, i) => (i === each.length - 1 ? { ...one, note: why && `Not ranked: ${why}.` } : one));
  });
  const lengths = new Set(runs.map(({ step }) => step));
  const steps =
    lengths.size > 1
      ? ` The runs are of different lengths: ${runs.map(({ name, step }) => `${name} ${count(step)}`).join(", ")} steps.`
      : "";
  return runsTable(
    `Median of the last twentieth of the steps, on training pictures. ★ marks the least, where the runs' losses are one and the same quantity.${steps}`,
    "loss",
    runs,
    rows,
  );
}

/** A row for each name under which a loss is logged by any of the runs. */
function rowsOf(loss: Loss, configs: readonly Compared["config"][]) {
  const word = loss === "loss" ? "total" : LOSS_TEXTS[loss].word;
  if (loss === "loss" || !isPictureLoss(loss))
    return [{ head: word, of: ({ config }: Compared) => lossOf(loss, config) }];
  const identities = [...new Set(configs.flatMap((config) => config.identities))];
  return identities.map((identity) => ({
    head: `${word}, ${whoIs(identity)}`,
    of: () => (line: StepLine) => line[`${loss}.${identity}`] ?? Number.NaN,
  }));
}

/** What differs in config.json; what is equal can be folded out. */
export function configTable(runs: readonly Compared[]): Html {
  const { differing, equal } = configRows(runs.map(({ config }) => config));
  const rows = (some: typeof differing): Row[] =>
    some.map(({ key, values }) => ({
      head: html`<code>${key}</code>`,
      cells: values.map((text) => (text === undefined ? "–" : shortened(text))),
    }));
  const same = equal.map(
    ({ key, values }) =>
      html`<tr><th scope="row"><code>${key}</code></th><td>${values[0] && shortened(values[0])}</td></tr>\n`,
  );
  return html`${differing.length ? runsTable(`${count(differing.length)} of ${count(differing.length + equal.length)} entries of config.json differ.`, "entry", runs, rows(differing)) : html`<p class="empty">The configurations are equal.</p>`}
<details><summary>${count(equal.length)} entries that are equal</summary>
<table class="facts"><tbody>
${same}</tbody></table>
</details>
`;
}

/** A hash by its beginning. */
const shortened = (text: string): Content =>
  /^[0-9a-f]{64}$/.test(text) ? html`<code title="${text}">${text.slice(0, 12)}…</code>` : text;
