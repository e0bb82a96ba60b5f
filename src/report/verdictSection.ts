/** The verdict at the head of a report: in words, and the gates as cards. */
import type { Gate } from "../faceswap/measures.js";
import { gateCard } from "./gateCards.js";
import { type Html, html } from "./html.js";
import { count } from "./numbers.js";
import type { Look, RunView } from "./runView.js";
import { verdictOf } from "./verdict.js";

export function verdictSection(view: RunView): Html {
  const { state, word, sentence } = verdictOf(view);
  const { look } = view;
  return html`<section id="verdict" class="verdict ${state}"><h2><span class="badge ${state}">${word}</span>${look && expressionBadge(look)}</h2>
<p class="sentence">${sentence}</p>
${look?.gates && swapCards(look, look.gates)}
${look?.expression && expressionCards(look.expression, look.final)}
</section>`;
}

/** Only a swap can show expression: of one that fails, nothing is said. */
function expressionBadge({ gates, showsExpression }: Look): Html | false {
  if (showsExpression === undefined || !gates?.every(({ passed }) => passed)) return false;
  return html` <span class="badge ${showsExpression ? "passes" : "fails"}">${showsExpression ? "Shows expression" : "No expression"}</span>`;
}

function swapCards({ final, on, step, pairs }: Look, gates: readonly Gate[]): Html {
  const all = pairs ? " All swaps stand in a table under Measures." : "";
  return html`<ul class="gates">${gates.map((gate) => gateCard(gate, final))}</ul>
<p class="quiet">The gates on ${on}${final ? "" : `, after step ${count(step)}`}:
each can be met without a swap, all three together cannot.${all}</p>
`;
}

/** Whether eyes and mouth follow too. */
function expressionCards(expression: readonly Gate[], final: boolean): Html {
  return html`<h3 class="group">Expression</h3>
<ul class="gates narrow">${expression.map((gate) => gateCard(gate, final))}</ul>
<p class="quiet">Error at eyes and mouth, and how far the swap follows when only the mouth, the eyes or the brows change in
the source. It counts in a swap that passes: the source's own face has all of it too.</p>
`;
}
