/** Charts as HTML: title, how to read it, what is drawn and its latest values; a page's script draws the curves. */
import { type Content, type Html, html } from "./html.js";
import { figure } from "./numbers.js";
import { type ChartData, type CurveGroup, type CurveStyle, LINES } from "./pageData.js";

/** A curve and its name. */
export interface NamedCurve {
  readonly label: string;
  readonly group: CurveGroup;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  /** How to read it, in one line. */
  readonly hint: Content;
  /** Label of the upright axis, with unit. */
  readonly axis: string;
  readonly curves: readonly NamedCurve[];
  readonly x: readonly [number, number];
  readonly log?: boolean;
  readonly shows?: readonly number[];
  readonly marks?: readonly number[];
  /** Decimals of its values. */
  readonly digits?: number;
}

export const chartData = ({ curves, x, log = false, shows = [], marks = [], digits }: Chart): ChartData => ({
  groups: curves.map(({ group }) => group),
  x,
  log,
  y: shows,
  marks,
  digits,
});

/** The sample of a line in a legend. */
export function lineKey(tone: string, style: CurveStyle): Html {
  const { width, dash, alpha = 1 } = LINES[style];
  const mark =
    style === "point"
      ? html`<circle cx="13" cy="5" r="4"/>`
      : html`<line x1="1" y1="5" x2="25" y2="5" stroke-width="${width}" stroke-dasharray="${dash.join(" ")}" opacity="${alpha}"/>`;
  return html`<svg class="key" style="color:var(--${tone})" viewBox="0 0 26 10" aria-hidden="true">${mark}</svg>`;
}

const lastOf = ({ curves: [{ y }] }: CurveGroup): number => y.findLast((v) => v !== null) ?? Number.NaN;

/** A chart, or a line that says why there is none yet. */
export function chartFigure(chart: Chart): Html {
  const { id, title, hint, axis, log, digits } = chart;
  const drawn = chart.curves.filter(({ group }) => Number.isFinite(lastOf(group)));
  if (!drawn.length) {
    return html`<figure class="chart" id="${id}"><figcaption><h3>${title}</h3></figcaption>
<p class="empty">Nothing to draw yet.</p></figure>`;
  }
  const said = drawn.map(({ label, group }) => `${label} ${figure(lastOf(group), digits)}`).join(", ");
  const legend = chart.curves.map(({ label, group }) => {
    const [{ tone, style }] = group.curves;
    return html`<li>${lineKey(tone, style)}<span>${label}</span> <b>${figure(lastOf(group), digits)}</b></li>\n`;
  });
  return html`<figure class="chart" id="${id}">
<figcaption><h3>${title}</h3><p class="hint">${hint}</p></figcaption>
<p class="axis">${axis}${log && " (log scale)"}</p>
<div class="plot" data-chart="${id}" role="img" aria-label="${title} over steps; at the end: ${said}"></div>
<ul class="legend">${legend}</ul>
</figure>
`;
}
