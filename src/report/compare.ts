/** The comparison of several runs: one page, which needs nothing beside it. */
import { chartData, chartFigure } from "./charts.js";
import { compareCharts } from "./compareCharts.js";
import type { Compared } from "./compared.js";
import { configTable, glanceTable, lossesTable, measuresTable } from "./compareTables.js";
import { tilesSection } from "./compareTiles.js";
import { headline, lossesLine } from "./headline.js";
import { html, page } from "./html.js";
import { list } from "./numbers.js";
import { readTiles } from "./tiles.js";

/**
 * @returns the page, and a line for every preview that could not be read
 */
export function comparePage(runs: readonly Compared[]): { page: string; problems: readonly string[] } {
  const tiles = readTiles(runs);
  const { section, stops } = tilesSection(tiles, runs);
  // What looks alike, and what does not, right below the pictures.
  const [l1, t, ...others] = compareCharts(runs);
  const losses = lossesLine(runs);
  const names = list(runs.map(({ name }) => name));
  const links = ["pictures", "verdicts", "differences", "measures", "curves"].map(
    (id) => html`<a href="#${id}">${id}</a>\n`,
  );
  const body = html`<header>
<p class="quiet">shibori · comparison of ${runs.length} training runs</p>
<h1>${names}</h1>
<nav>${links}</nav>
</header>
<main>
<section class="verdict"><h2 class="hidden">What the runs show</h2>
<p class="sentence">${headline(runs)}</p>
${losses && html`<p>${losses}</p>`}
</section>
${section}
<div class="charts glance">${[l1, t].map(chartFigure)}</div>
<section id="verdicts"><h2>Verdicts</h2>
${glanceTable(runs)}
</section>
<section id="differences"><h2>What differs in the configurations</h2>
${configTable(runs)}
</section>
<section id="measures"><h2>Measures and losses</h2>
${measuresTable(runs)}
${lossesTable(runs)}
</section>
<section id="curves"><h2>Curves</h2>
<p class="quiet about">A run has the same line everywhere. Losses: without their weights in the total, medians over about a fiftieth of the steps (at most 501). Measures: on fewer
poses while training than at the end, which is the last point.</p>
<div class="charts">${others.map(chartFigure)}</div>
</section>
</main>
<footer><p>Written by shibori. Charts: drag to zoom, double-click to see all again. They are drawn by uPlot (MIT licence, in
this page's source).</p></footer>`;
  return {
    page: page(`${names} · shibori`, body, {
      charts: Object.fromEntries([l1, t, ...others].map((chart) => [chart.id, chartData(chart)])),
      ...(stops.length > 1 ? { tiles: stops } : {}),
    }),
    problems: tiles.problems,
  };
}
