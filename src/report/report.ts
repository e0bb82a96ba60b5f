/** `report.html` in a run's folder: what the run did, to be opened from disk. */

import type { Gate } from "../faceswap/measures.js";
import { PRESETS } from "../faceswap/presets.js";
import { writeFileAtomic } from "../storage/files.js";
import type { PairLine } from "../storage/metrics.js";
import { RUN_FILES, type RunFolder } from "../storage/runFolder.js";
import { type Chart, chartData, chartFigure } from "./charts.js";
import { repeatCommand, resumeCommand } from "./commands.js";
import { configTables, table } from "./configTables.js";
import { gateCard } from "./gateCards.js";
import { type Html, html, page } from "./html.js";
import { count, duration, figure, list, part } from "./numbers.js";
import { numberOf, QUANTITIES } from "./quantities.js";
import { lossCharts, measureCharts, smoothingNote, stretches, timeCharts } from "./runCharts.js";
import { parts, type RunView, viewRun } from "./runView.js";
import { verdictOf } from "./verdict.js";

/**
 * Writes the report anew, whatever the run has come to.
 * @throws UserError if the folder's files are damaged, or the report cannot be written
 */
export function writeReport(folder: RunFolder): void {
  writeFileAtomic(folder.file(RUN_FILES.report), reportPage(viewRun(folder)));
}

export function reportPage(view: RunView): string {
  const groups = { measures: measureCharts(view), losses: lossCharts(view), time: timeCharts(view) };
  const charts = Object.values(groups).flat();
  const body = html`${header(view)}
<main>
${verdict(view)}
${previews(view)}
<section id="measures"><h2>Measures</h2>
${measureTable(view)}
${figures(groups.measures)}
</section>
<section id="losses"><h2>Losses</h2>
<p class="quiet about">They say how well the network reconstructs, not whether it swaps. ${smoothingNote(view.metrics.steps.length)}</p>
${figures(groups.losses)}
</section>
<section id="time"><h2>Time</h2>
${timeTable(view)}
${figures(groups.time)}
</section>
${configuration(view)}
</main>
<footer><p>Written by shibori ${view.config.versions.shibori}. Charts: drag to zoom, double-click to see all again. They are
drawn by uPlot (MIT licence, in this page's source).</p></footer>`;
  return page(`${view.name}: ${verdictOf(view).word.toLowerCase()} · shibori`, body, {
    charts: Object.fromEntries(charts.map((chart) => [chart.id, chartData(chart)])),
    previews: view.previews.map(({ step, name }) => ({ step, name })),
  });
}

const figures = (charts: readonly Chart[]): Html => html`<div class="charts">${charts.map(chartFigure)}</div>`;

function header({ name, config, step, times }: RunView): Html {
  const seconds = times.at(-1)?.seconds ?? 0;
  const machines = [config, ...(config.continued ?? [])].map(({ adapter: { name, kind } }) => `${name} (${kind})`);
  const what = Object.hasOwn(PRESETS, config.preset) ? PRESETS[config.preset].description : "";
  const links = ["previews", "measures", "losses", "time", "configuration"].map(
    (id) => html`<a href="#${id}">${id}</a>\n`,
  );
  return html`<header>
<p class="quiet">shibori · report of a training run</p>
<h1>${name}</h1>
<p><b>${config.preset}</b>${what && `: ${what}`}</p>
<p class="quiet">${count(step)} of ${count(config.steps)} steps, ${duration(seconds)} on ${list(machines)}</p>
<nav>${links}</nav>
</header>`;
}

function verdict(view: RunView): Html {
  const { state, word, sentence } = verdictOf(view);
  const { look } = view;
  const cards = look?.gates?.map((gate) => gateCard(gate, look.final));
  const about =
    look?.gates &&
    html`<p class="quiet">The gates on ${look.on}${look.final ? "" : `, after step ${count(look.step)}`}:
each can be met without a swap, all three together cannot.</p>`;
  return html`<section id="verdict" class="verdict ${state}"><h2><span class="badge ${state}">${word}</span></h2>
<p class="sentence">${sentence}</p>
${cards && html`<ul class="gates">${cards}</ul>`}
${about}
${look?.expression && expressionCards(look.expression, look.final)}
${look?.pairs && pairTable(look.pairs)}</section>`;
}

/** Whether eyes and mouth follow too. */
function expressionCards(expression: readonly Gate[], final: boolean): Html {
  return html`<h3>Expression</h3>
<ul class="gates">${expression.map((gate) => gateCard(gate, final))}</ul>
<p class="quiet">Errors at eyes and mouth, and how far the swap follows when only the mouth, the eyes or the brows change in the source.</p>`;
}

/** Every direction between more than two identities. */
function pairTable(pairs: readonly PairLine[]): Html {
  const rows = pairs.map(
    ({ from, to, t, swapError, poseCorrelation, passed }) => html`<tr><th scope="row">${from} → ${to}</th>
<td class="figure">${part(t)}</td><td class="figure">${figure(swapError)}</td><td class="figure">${part(poseCorrelation)}</td>
<td><span class="state ${passed ? "pass" : "fail"}">${passed ? "✓ passes" : "✗ fails"}</span></td></tr>
`,
  );
  return html`<div class="wide"><table class="numbers"><caption>Every direction. The gates above are those of the worst.</caption>
<thead><tr><th scope="col">swap</th><th scope="col" class="figure">t</th><th scope="col" class="figure">swap error</th><th scope="col" class="figure">pose correlation</th><th scope="col">gates</th></tr></thead>
<tbody>
${rows}</tbody></table></div>`;
}

function previews({ previews: files, look, config, metrics }: RunView): Html {
  const last = files.at(-1);
  if (!last) {
    const first = count(Math.min(config.saveEvery, config.steps));
    const why = metrics.fault
      ? `The run stopped before its first preview, at step ${first}.`
      : `No preview has been written yet; the first one comes at step ${first}.`;
    return html`<section id="previews"><h2>Previews</h2><p class="empty">${why}</p></section>`;
  }
  const known = config.data.kind === "avatars" || config.data.trueSwap;
  const rows = known ? "held-out poses, which training never shows" : "pictures kept from training";
  const swap = known ? `"src → dst" is the swap, beside it the true swap.` : `"src → dst" is the swap.`;
  const several = config.identities.length > 2;
  const alt = several
    ? "Sheet of pictures: a row for each identity's picture in each pose, a column for each decoder"
    : `Sheet of pictures: a row a pose; source, its reconstruction, the swap${known ? ", the true swap" : ""}, the swap back, and the target`;
  const caption = several
    ? html`Rows: ${rows}, everyone in the same pose. Columns: the picture, then what each decoder makes of it; where the two are one, a reconstruction.`
    : html`Rows: ${rows}. ${swap}`;
  const slider =
    files.length > 1
      ? html`<div class="slider">
<button type="button" data-go="-1" aria-label="previous preview">◀</button>
<input type="range" min="0" max="${files.length - 1}" step="1" value="${files.length - 1}" aria-label="preview">
<button type="button" data-go="1" aria-label="next preview">▶</button>
<output>step ${count(last.step)}</output>
</div>`
      : html`<p class="quiet">step ${count(last.step)}</p>`;
  return html`<section id="previews"><h2>Previews</h2>
<figure class="previews">
${slider}
<a class="sheet" href="${last.name}"><img src="${last.name}" alt="${alt}"></a>
<p class="missing" hidden>The picture is missing: the folder <code>previews</code> belongs beside this page.</p>
<figcaption>${caption} ${look?.gates === undefined && !known && "Judge the swap by eye: nothing here measures it. "}${files.length > 1 && "Arrow keys move the slider. "}A click on the sheet opens it in full size.</figcaption>
</figure>
</section>`;
}

function measureTable({ look }: RunView): Html {
  if (!look) return html`<p class="empty">Nothing has been measured yet.</p>`;
  const { measures } = look;
  const rows = QUANTITIES.filter(({ key }) => Number.isFinite(numberOf(measures, key))).map((quantity) => {
    const { key, name, meaning, ceiling, constant } = quantity;
    const values = [ceiling, constant].map(
      (of) => html`<td class="figure">${typeof of === "number" ? of : figure(numberOf(measures, of))}</td>`,
    );
    return html`<tr><th scope="row">${name}</th><td class="figure measured">${figure(numberOf(measures, key))}</td>${values}</tr>
<tr class="note"><td colspan="4">${meaning}</td></tr>
`;
  });
  const { reconstruction } = parts(measures);
  return html`<table class="numbers">
<caption>${look.final ? "At the end" : `After step ${count(look.step)}`}, on ${look.on}. Ceiling: what the target's own
reconstruction reaches. Constant picture: the median of many pictures, shown whatever the pose. Reconstruction is at
${part(reconstruction)} of the constant picture's error.</caption>
<thead><tr><th scope="col">measure</th><th scope="col" class="figure">measured</th><th scope="col" class="figure">ceiling</th><th scope="col" class="figure">constant picture</th></tr></thead>
<tbody>
${rows}</tbody></table>
`;
}

function timeTable({ times, config, step, finished }: RunView): Html {
  const seconds = times.at(-1)?.seconds ?? 0;
  const done = times.at(-1)?.step ?? 0;
  if (!(seconds > 0 && done > 0)) return html`<p class="empty">No time has been logged yet.</p>`;
  const each = seconds / done;
  const speeds = stretches(times).map((s) => (s.steps * config.batch * config.identities.length) / s.seconds);
  const best = Math.max(...speeds);
  const sittings = times.filter(({ at }) => at !== undefined);
  const began = sittings.map(({ at, step: from }) => `${when(at)}${from ? ` (after step ${count(from)})` : ""}`);
  const rows: [string, string][] = [
    ["time", `${duration(seconds)} for ${count(done)} steps`],
    ["a step", `${(each * 1e3).toFixed(0)} ms`],
    [
      "throughput",
      `${((config.batch * config.identities.length) / each).toFixed(0)} pictures a second${speeds.length > 1 ? `, at best ${best.toFixed(0)}` : ""}`,
    ],
    ["arithmetic", `${(config.network.flopsPerStep / each / 1e9).toFixed(1)} GFLOP/s`],
    [began.length > 1 ? "sittings" : "began", began.join("; ") || "–"],
  ];
  if (!finished && step < config.steps) rows.push(["left at this pace", duration((config.steps - step) * pace(times))]);
  return table("Training, with its looks, previews and checkpoints", rows);
}

/** Seconds a step in the latest sitting: another one may have had another machine. */
function pace(times: RunView["times"]): number {
  const last = times[times.length - 1];
  const from = times.findLast(({ at, step }) => at !== undefined && step < last.step) ?? { step: 0, seconds: 0 };
  return (last.seconds - from.seconds) / (last.step - from.step);
}

const when = (at: string | undefined): string => `${at?.slice(0, 10)} ${at?.slice(11, 16)} UTC`;

function configuration(view: RunView): Html {
  const { config, folder, finished } = view;
  const changed = Object.keys(config.overrides).length > 0;
  const resume = finished
    ? undefined
    : html`<p>To go on with it:</p><pre><code>${resumeCommand(folder.path)}</code></pre>`;
  return html`<section id="configuration"><h2>Configuration</h2>
<p>To repeat the run:</p><pre><code>${repeatCommand(config)}</code></pre>
${resume}
${changed && html`<p class="quiet"><mark>Marked</mark>: given on the command line instead of the preset's value.</p>`}
<div class="tables">${configTables(config)}</div>
</section>`;
}
