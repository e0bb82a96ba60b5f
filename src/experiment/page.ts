/** The report of an experiment: what its runs show together, in one page that needs nothing beside it. */

import { type Chart, chartData, chartFigure } from "../report/charts.js";
import { compareCharts } from "../report/compareCharts.js";
import { type Compared, MOST_RUNS, styled } from "../report/compared.js";
import { type Content, type Html, html, page } from "../report/html.js";
import { count, duration, figure, part } from "../report/numbers.js";
import type { RunView } from "../report/runView.js";
import { readTiles } from "../report/tiles.js";
import type { Experiment } from "./declare.js";
import { portions } from "./portions.js";
import type { Row } from "./results.js";
import { type Arm, armsOf, spreadOf, spreadText, statement } from "./summary.js";

interface Column {
  readonly head: string;
  /** What it is, in a few words. */
  readonly about: string;
  readonly key: string;
  readonly show: (n: number) => string;
}

/** So many decimals, of means and deviations alike. */
const decimals =
  (digits: number) =>
  (n: number): string =>
    n.toFixed(digits);
const percent = (n: number): string => `${Math.round(100 * n)} %`;
const seconds = (n: number): string => duration(n);

const SWAP: readonly Column[] = [
  { head: "reconstruction", about: "L1, 0 to 1", key: "reconstruction", show: decimals(4) },
  { head: "t", about: "of its ceiling", key: "t_ratio", show: part },
  { head: "swap error", about: "of the constant picture's", key: "swap_ratio", show: part },
  { head: "pose", about: "correlation, of its ceiling", key: "pose_ratio", show: part },
  { head: "eyes", about: "error, of the constant's", key: "eyes", show: part },
  { head: "mouth", about: "error, of the constant's", key: "mouth", show: part },
];
const RESPONSES: readonly Column[] = ["mouth", "smile", "eye", "brow", "gaze"].map((name) => ({
  head: name,
  about: "response, of the true change",
  key: `response_${name}`,
  show: part,
}));
const CODE: readonly Column[] = [
  { head: "numbers", about: "in the code", key: "code_numbers", show: count },
  { head: "gap", about: "same pose, other identity", key: "gap", show: part },
  { head: "mean gap", about: "of the mean codes", key: "mean_gap", show: decimals(3) },
  { head: "probe", about: "names the identity rightly", key: "probe_accuracy", show: percent },
  { head: "bits", about: "of identity, at most 1", key: "probe_bits", show: part },
  { head: "a cell's probe", about: "mean over cells", key: "cell_accuracy", show: percent },
  { head: "a cell's bits", about: "mean over cells", key: "cell_bits", show: part },
];
const COST: readonly Column[] = [
  { head: "parameters", about: "trained numbers", key: "parameters", show: count },
  { head: "GFLOP", about: "a step", key: "gflop_step", show: figure },
  { head: "TFLOP", about: "a run", key: "tflop", show: part },
  { head: "time", about: "a run, as it was", key: "seconds", show: seconds },
];

function armsTable(
  caption: string,
  arms: readonly Arm[],
  columns: readonly Column[],
  last?: (arm: Arm) => Content,
): Html {
  const shown = columns.filter(({ key }) => arms.some(({ rows }) => spreadOf(rows, key).count > 0));
  const heads = shown.map(({ head, about }) => html`<th scope="col">${head}<small>${about}</small></th>`);
  const lines = arms.map(({ label, rows, ...arm }) => {
    const cells = shown.map(({ key, show }) => {
      const spread = spreadOf(rows, key);
      // A spread that would be shown as nothing is none to speak of.
      const flat = Number.isFinite(spread.deviation) && spread.least === spread.most;
      return html`<td>${flat ? show(spread.mean) : spreadText(spread, show)}</td>`;
    });
    return html`<tr><th scope="row">${label}<small>${rows.length} ${rows.length === 1 ? "seed" : "seeds"}</small></th>${cells}${last && html`<td>${last({ label, rows, ...arm })}</td>`}</tr>\n`;
  });
  return html`<div class="wide"><table class="runs"><caption>${caption}</caption>
<thead><tr><th scope="col">arm</th>${heads}${last && html`<th scope="col">verdict</th>`}</tr></thead>
<tbody>
${lines}</tbody></table></div>
`;
}

function verdict({ rows }: Arm): Html {
  const state = (key: string, word: string): Html => {
    const n = rows.filter((row) => row[key] === 1).length;
    const all = n === rows.length;
    const text = all ? word : n ? `${word} ${n} of ${rows.length}` : `no ${word}`;
    return html`<span class="state ${all ? "pass" : "fail"}">${all ? "✓" : "✗"} ${text}</span>`;
  };
  return html`${state("passes", "swap")}<br>${state("shows_expression", "expression")}`;
}

/** Swaps beside each other; more make another table, so that faces stay large enough to be told. */
const MOST_SWAPS = 8;

/** One run of each arm, at equal poses: the first seed's last preview. */
function pictures(runs: readonly Compared[]): Html {
  const { groups, problems } = readTiles(runs);
  const figures = groups.map(({ runs: some, shows }) => {
    const [{ poses }] = some;
    const still = [
      { head: "source", at: (pose: number) => poses[pose].source },
      ...(poses.some(({ trueSwap }) => trueSwap)
        ? [{ head: "true swap", at: (pose: number) => poses[pose].trueSwap }]
        : []),
    ];
    const last = ({ stops }: (typeof some)[number]) => stops[stops.length - 1];
    const swaps = some.map((one) => ({ head: one.run.name, at: (pose: number) => last(one)[pose].swap }));
    const parts = portions(swaps, MOST_SWAPS);
    const across = still.length + parts[0].length;
    const tables = parts.map((own) => {
      const columns = [...still, ...own];
      const rows = poses.map((_, pose) => {
        const cells = columns.map(
          ({ head, at }) => html`<td><img src="${at(pose)}" alt="${head}, row ${pose + 1}"></td>`,
        );
        return html`<tr>${cells}</tr>\n`;
      });
      return html`<table style="--columns:${across}">
<thead><tr>${columns.map(({ head }) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${rows}</tbody></table>`;
    });
    return html`<figure class="tiles"><div class="pictures">${tables}</div>
<figcaption>Swaps at equal poses, of the first seed of each arm: ${shows}. A swap works if it looks like the true swap.</figcaption></figure>
`;
  });
  return html`${figures}${problems.map((line) => html`<p class="empty">${line}</p>`)}`;
}

/** Losses by epoch, as the article gives them, of the first seed of each arm. */
function epochsTable(arms: readonly Arm[], epochs: readonly Row[]): Html {
  const marks = (all: readonly Row[]) => {
    const last = all.length;
    return [...new Set([1, 2, Math.round(last / 2), last])].filter((n) => n >= 1 && n <= last);
  };
  const losses = Object.entries({
    l1: "L1",
    random_features: "random features",
    dssim: "DSSIM",
    latent: "latent",
  }).filter(([key]) => epochs.some((row) => Number.isFinite(row[key])));
  const rows = arms.flatMap(({ label, rows: [{ run }] }) => {
    const own = epochs.filter((row) => row.run === run);
    return marks(own).map((n) => {
      const row = own[n - 1];
      const cell = (key: string) => html`<td>${figure(row[key] as number)}</td>`;
      return html`<tr><th scope="row">${label}</th><td>${n}</td>${losses.map(([key]) => cell(key))}<td>${part(row.t_ratio as number)}</td></tr>\n`;
    });
  });
  return html`<div class="wide"><table class="runs"><caption>An epoch is 1,024 faces of each identity; losses are its means (of a loss of weight 0 over the first face of each batch), t the last look in it.</caption>
<thead><tr><th scope="col">arm</th><th scope="col">epoch</th>${losses.map(([, name]) => html`<th scope="col">${name}</th>`)}<th scope="col">t<small>of its ceiling</small></th></tr></thead>
<tbody>
${rows}</tbody></table></div>
`;
}

/**
 * @param rows one for each finished run
 * @param views the same runs, in the same order
 */
export function experimentPage(
  { name, title, question, runs }: Experiment,
  rows: readonly Row[],
  views: readonly RunView[],
  epochs: readonly Row[],
): string {
  const arms = armsOf(rows);
  const labelled = (some: readonly RunView[], seeds: boolean): Compared[] =>
    styled(some).map((run, i) => {
      const row = rows[views.indexOf(some[i])];
      return { ...run, name: seeds ? `${row.label}, seed ${row.seed}` : (row.label as string) };
    });
  const firsts = arms.map(({ rows: [row] }) => views[rows.indexOf(row)]);
  const shown = views.length <= MOST_RUNS ? views : firsts;
  const charts = portions(shown, MOST_RUNS).map((some, i) => {
    const several = some.length === views.length && views.length > arms.length;
    return compareCharts(labelled(some, several))
      .filter(({ id }) => ["t", "swapError", "reconstruction", "l1", "random-features", "latent"].includes(id))
      .map((chart): Chart => ({ ...chart, id: `${chart.id}-${i}` }));
  });
  const left = runs.length - rows.length;
  const body = html`<header>
<p class="quiet">shibori · experiment ${name}${left > 0 && `: ${count(left)} of ${count(runs.length)} runs are not finished yet`}</p>
<h1>${title}</h1>
<nav>${["pictures", "measures", "code", "epochs", "curves", "cost"].map((id) => html`<a href="#${id}">${id}</a>\n`)}</nav>
</header>
<main>
<section class="verdict"><h2 class="hidden">What the runs show</h2>
<p>${question}</p>
${statement(rows).map((line) => html`<p class="sentence">${line}</p>\n`)}
</section>
${
  rows.length > 0 &&
  html`<section id="pictures"><h2>Pictures</h2>
${pictures(labelled(firsts, false))}
</section>
<section id="measures"><h2>Measures</h2>
${armsTable("Means over seeds ± standard deviation, on 128 held-out poses.", arms, SWAP, verdict)}
${armsTable("Responses: one thing in the source is changed, and the swap follows so far.", arms, RESPONSES)}
</section>
<section id="code"><h2>Identity in the code</h2>
${armsTable("Of 1,024 poses of each identity. Gap: squared distance of two identities' codes of one pose over that of one identity in two poses. The probe is a linear reader.", arms, CODE)}
</section>
<section id="epochs"><h2>Losses by epoch</h2>
${epochsTable(arms, epochs)}
</section>
<section id="curves"><h2>Curves</h2>
<p class="quiet about">${views.length <= MOST_RUNS ? "All runs." : "The first seed of each arm."} Losses: without their weights, medians over about a fiftieth of the steps. Measures: on fewer poses while training than at the end.</p>
${charts.map((some) => html`<div class="charts">${some.map(chartFigure)}</div>\n`)}
</section>
<section id="cost"><h2>Cost</h2>
${armsTable(`On ${[...new Set(rows.map(({ adapter }) => adapter))].join(", ")}.`, arms, COST)}
</section>`
}
</main>
<footer><p>Written by shibori. The numbers stand in results.csv and epochs.csv beside this page. Charts: drag to zoom, double-click to
see all again. They are drawn by uPlot (MIT licence, in this page's source).</p></footer>`;
  return page(`${title} · shibori`, body, {
    charts: Object.fromEntries(charts.flat().map((chart) => [chart.id, chartData(chart)])),
  });
}
