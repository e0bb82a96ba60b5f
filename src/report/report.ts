/** `report.html` in a run's folder: what the run did, to be opened from disk. */
import { PRESETS } from "../faceswap/presets.js";
import { writeFileAtomic } from "../storage/files.js";
import { RUN_FILES, type RunFolder } from "../storage/runFolder.js";
import { type Chart, chartData, chartFigure } from "./charts.js";
import { repeatCommand, resumeCommand } from "./commands.js";
import { configTables, table } from "./configTables.js";
import { type Html, html, page } from "./html.js";
import { measureTable, pairTable, responseTable } from "./measureTables.js";
import { count, duration, list } from "./numbers.js";
import { lossCharts, measureCharts, smoothingNote, stretches, timeCharts } from "./runCharts.js";
import { type RunView, viewRun } from "./runView.js";
import { verdictOf } from "./verdict.js";
import { verdictSection } from "./verdictSection.js";

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
${verdictSection(view)}
${previews(view)}
<section id="measures"><h2>Measures</h2>
${view.look?.pairs && pairTable(view.look.pairs)}
${measureTable(view.look)}
${view.look && responseTable(view.look)}
${figures(groups.measures)}
</section>
<section id="losses"><h2>Losses</h2>
<p class="quiet about">They say how well the network reconstructs, not whether it swaps. Each is drawn
without its weight in the total. ${smoothingNote(view.metrics.steps.length)}</p>
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
