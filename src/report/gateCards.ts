/** A gate as a card: its value, its rule, whether it is met, and a bar. */
import type { Gate } from "../faceswap/measures.js";
import { type Html, html } from "./html.js";
import { part } from "./numbers.js";
import { boundOf } from "./quantities.js";

/** The bar ends here, or further out. */
const BAR_END = 1.2;

export function gateCard(gate: Gate, final: boolean): Html {
  const { name, value, rule, passed } = gate;
  const said = final ? (passed ? "passes" : "fails") : passed ? "met so far" : "not met yet";
  return html`<li class="gate"><h3>${name}</h3>
<p class="value">${part(value)} <span class="state ${passed ? "pass" : "fail"}">${passed ? "✓" : "✗"} ${said}</span></p>
${gateBar(gate)}
<p class="quiet">${rule}</p></li>
`;
}

/** From 0; the marked stretch is where the gate is met. */
export function gateBar(gate: Gate): Html {
  const { value, passed } = gate;
  const { bound, least } = boundOf(gate);
  const end = Math.max(BAR_END, Number.isFinite(value) ? value * 1.05 : 0);
  const at = (n: number) => `${((100 * Math.min(end, Math.max(0, n))) / end).toFixed(1)}%`;
  const [from, to] = least ? [bound, end] : [0, bound];
  return html`<div class="bar ${passed ? "pass" : "fail"}" aria-hidden="true"><i class="good" style="left:${at(from)};width:${at(to - from)}"></i><i class="fill" style="width:${at(Number.isFinite(value) ? value : 0)}"></i><i class="tick" style="left:${at(bound)}"></i></div>`;
}
