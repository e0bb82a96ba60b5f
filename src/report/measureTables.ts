/** The measures of one run, as tables. */
import { FEATURES, RESPONSES } from "../faceswap/responses.js";
import type { PairLine } from "../storage/metrics.js";
import { type Content, type Html, html } from "./html.js";
import { count, figure, part } from "./numbers.js";
import { CHANGES, isResponse, knowsSwap, numberOf, QUANTITIES, type Quantity } from "./quantities.js";
import { type Look, parts } from "./runView.js";

const figureCell = (value: Content): Html => html`<td class="figure">${value}</td>`;
const figureHead = (text: string): Html => html`<th scope="col" class="figure">${text}</th>`;
const sign = (passed: boolean, words: string): Html =>
  html`<span class="state ${passed ? "pass" : "fail"}">${passed ? "✓" : "✗"} ${words}</span>`;

/** Every measure beside its ceiling and the constant picture's; without responses, which have a table of their own. */
export function measureTable(look: Look | undefined): Html {
  if (!look) return html`<p class="empty">Nothing has been measured yet.</p>`;
  const { measures } = look;
  const measured = QUANTITIES.filter((one) => !isResponse(one) && Number.isFinite(numberOf(measures, one.key)));
  const rows = measured.map(({ key, name, meaning, ceiling, constant }) => {
    const against = (of: Quantity["ceiling"] | Quantity["constant"]) =>
      figureCell(typeof of === "number" ? of : figure(numberOf(measures, of)));
    return html`<tr><th scope="row">${name}</th><td class="figure measured">${figure(numberOf(measures, key))}</td>${against(ceiling)}${against(constant)}</tr>
<tr class="note"><td colspan="4">${meaning}</td></tr>
`;
  });
  const { reconstruction } = parts(measures);
  return html`<table class="numbers">
<caption>${look.final ? "At the end" : `After step ${count(look.step)}`}, on ${look.on}. Ceiling: what the target's own
reconstruction reaches. Constant picture: the median of many pictures, shown whatever the pose. Reconstruction is at
${part(reconstruction)} of the constant picture's error.</caption>
<thead><tr><th scope="col">measure</th>${["measured", "ceiling", "constant picture"].map(figureHead)}</tr></thead>
<tbody>
${rows}</tbody></table>
`;
}

/** What the swap does when one thing changes in the source; nothing where that was not measured. */
export function responseTable({ measures, expression, pair }: Look): Html | undefined {
  if (!knowsSwap(measures)) return undefined;
  const measured = FEATURES.filter((feature) => Number.isFinite(numberOf(measures, `response${feature}`)));
  if (!measured.length) return undefined;
  const rows = measured.map((feature) => {
    const key = `response${feature}` as const;
    const name = QUANTITIES.find((one) => one.key === key)?.gate;
    const gate = expression?.find((one) => one.name === name);
    const { pose, low, high } = RESPONSES[feature];
    return html`<tr><th scope="row">${CHANGES[feature]}<small>${pose} ${minus(low)} → ${minus(high)}</small></th>
<td class="figure measured">${part(numberOf(measures, key))}</td>${figureCell(part(numberOf(measures, `${key}Ceiling`)))}
<td class="figure">${gate ? html`${gate.rule.replace(/ of .*$/, "")} ${sign(gate.passed, gate.passed ? "passes" : "fails")}` : "–"}</td></tr>
`;
  });
  return html`<h3>Responses: what the swap does when one thing changes</h3>
<table class="numbers"><caption>The part of the true change that the swap makes${pair && ` (${pair})`}: 0 ignores it, 1 follows wholly.
Ceiling: what the target's own reconstruction follows when the target's picture changes.</caption>
<thead><tr><th scope="col">in the source only</th>${["swap", "ceiling", "gate"].map(figureHead)}</tr></thead>
<tbody>
${rows}</tbody></table>
`;
}

const minus = (n: number): string => String(n).replace("-", "−");

/** Every direction between more than two identities. */
export function pairTable(pairs: readonly PairLine[]): Html {
  const rows = pairs.map(
    ({ from, to, t, swapError, poseCorrelation, passed }) => html`<tr><th scope="row">${from} → ${to}</th>
${[t, swapError, poseCorrelation].map((n) => figureCell(figure(n)))}<td class="figure">${sign(passed, passed ? "passes" : "fails")}</td></tr>
`,
  );
  return html`<h3>Swaps between all identities</h3>
<table class="numbers pairs"><caption>A swap passes if it meets all three gates, which hold these figures against its own ceiling or constant picture.</caption>
<thead><tr><th scope="col">from → to</th>${["t", "swap error", "pose corr.", "gates"].map(figureHead)}</tr></thead>
<tbody>
${rows}</tbody></table>
`;
}
