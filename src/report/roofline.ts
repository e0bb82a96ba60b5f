/** The page of `shibori bench`: the roofline, training steps, kernels, the sweep; one file that needs nothing beside it. */
import { type BenchRecord, faultsOf, type MeasuredCase, type MeasuredKernel } from "../bench/record.js";
import { roofOf } from "../bench/roofs.js";
import { type Html, html, page } from "./html.js";
import { count, list, short, time } from "./numbers.js";
import { type Dot, FAMILIES, rooflineSvg } from "./rooflineChart.js";
import {
  compileTable,
  kernelsTable,
  machineTable,
  markKey,
  percent,
  roofsTable,
  shapeText,
  stepsTable,
  sweepTables,
} from "./rooflineTables.js";

export function rooflinePage(record: BenchRecord): string {
  const { machine, steps, kernels, sweep, roofs } = record;
  const rows = new Map(kernels.map((kernel, i) => [kernel, `k${i}`]));
  const cells = new Map((sweep?.cases ?? []).map((one, i) => [one, `s${i}`]));
  const links = ["roofline", "steps", "kernels", ...(sweep ? ["sweep"] : []), "roofs", "machine"].map(
    (id) => html`<a href="#${id}">${id}</a>\n`,
  );
  const dots = dotsOf(record, rows, cells);
  const body = html`<header>
<p class="quiet">shibori · bench</p>
<h1>${machine.adapter.name}</h1>
<p class="quiet">${machine.adapter.driver || machine.adapter.kind} · ${record.date.slice(0, 10)}</p>
<nav>${links}</nav>
</header>
<main>
${summary(record)}
<section id="roofline"><h2>Roofline</h2>
${chart(record, dots)}
</section>
<section id="steps"><h2>Training steps</h2>
<p class="quiet about">Medians of ${record.rounds} rounds. Step: wall time from one step to the next, as in training. GPU: a step in one
pass, by timestamps; gap: step − GPU. Kernels: every dispatch timed alone, all together. Host: encoding and submitting.
Processors: time of all of them, the adapter's work included where it runs on them.</p>
${stepsTable(steps)}
<p class="quiet about">Plan: trace, differentiate, fuse and lay out. Tuning: timing kernels to choose among them. Compile: plan once more,
initial weights, buffers, pipelines. Some drivers compile in the first step. Planned: memory that values share, beside what no plan could go below.</p>
${compileTable(steps)}
</section>
<section id="kernels"><h2>Kernels by time</h2>
<p class="quiet about">Launches of one op, of equal shapes, with one kernel. Share: of the preset where it weighs most. Time: of all its launches in one step of
every preset. Launch: median and half the distance between the quartiles. GB/s: compulsory bytes, each read once and written once.
Of the roof: achieved / min(arithmetic, memory · intensity). Bound by launch: a dispatch that does nothing takes as long.</p>
${kernelsTable(kernels, (kernel) => rows.get(kernel) as string)}
</section>
${sweep && sweepSection(sweep, cells)}
<section id="roofs"><h2>How the roofs were found</h2>
<p class="quiet about">★ marks the best reading of the best attempt, which is the roof: whatever else a machine does can only lower it.
${roofs.clock === "device" ? "Kernels were timed by the GPU's clock." : "This adapter has no timestamps: kernels were timed by the host's clock, from submission to completion."}</p>
${roofsTable(roofs)}
</section>
<section id="machine"><h2>Machine</h2>
${machineTable(record)}
</section>
</main>
<footer><p>Written by shibori ${machine.versions.shibori}. How to read it: docs/benchmarks.md.</p></footer>`;
  return page(`${machine.adapter.name}: roofline · shibori`, body, { charts: {} });
}

function summary(record: BenchRecord): Html {
  const { steps, machine, roofs } = record;
  const roof = roofOf(roofs);
  const sentences = steps.map(
    ({ preset, stepsPerSecond, flopRate }) =>
      `${preset}: ${short(stepsPerSecond)} steps/s, ${short(flopRate / 1e9)} GFLOP/s, ${percent(flopRate / roof.peak)} of the peak`,
  );
  const faults = faultsOf(record);
  const busy = Math.max(...machine.load) > machine.processor.count && machine.adapter.kind !== "hardware";
  const state = faults.length ? "fails" : "";
  return html`<section class="verdict ${state}"><h2 class="hidden">In short</h2>
<p class="sentence">The adapter reaches ${short(roof.peak / 1e9)} GFLOP/s and ${short(roof.bandwidth / 1e9)} GB/s; a dispatch takes at least ${time(roof.launch)}.</p>
<ul class="plain">${sentences.map((sentence) => html`<li>${sentence}</li>\n`)}</ul>
${
  faults.length > 0 &&
  html`<p class="warn"><b>⚠ ${faults.length} ${faults.length === 1 ? "kernel is" : "kernels are"} above every roof</b> (${list(faults.slice(0, 5).map(({ kernel }) => kernel))}):
FLOPs or bytes are counted wrongly, or the machine was busy while the roofs were measured.</p>`
}
${busy && html`<p class="warn"><b>⚠ The machine was busy</b> (${machine.load.map((n) => n.toFixed(1)).join(" before, ")} after, on ${machine.processor.count} processors): times are too long, and vary.</p>`}
</section>`;
}

/** What a mark says when it is pointed at. */
function textOf(k: MeasuredKernel): string[] {
  const shapes = k.op === "clock" ? "" : `${k.inputs.map(shapeText).join(" · ")} → ${shapeText(k.output)}`;
  return [
    `${k.op}: ${k.kernel}`,
    ...(shapes ? [shapes] : []),
    `${time(k.seconds.median)} a launch`,
    k.flopRate
      ? `${short(k.flopRate / 1e9)} GFLOP/s, ${short(k.byteRate / 1e9)} GB/s, ${short(k.intensity)} FLOP/byte`
      : `${short(k.byteRate / 1e9)} GB/s`,
    `${percent(k.share)} of the roof, bound by ${k.bound}${k.above === "cache" ? ", from a cache" : ""}`,
    ...k.uses.slice(0, 4).map(({ name, calls, share }) => `${name}: ${calls} ×, ${percent(share)} of the step`),
  ];
}

function dotsOf(
  { kernels, sweep }: BenchRecord,
  rows: ReadonlyMap<MeasuredKernel, string>,
  cells: ReadonlyMap<MeasuredCase, string>,
): Dot[] {
  const shareOf = ({ uses }: MeasuredKernel) => Math.max(...uses.map(({ share }) => share));
  const largest = Math.max(...kernels.map(shareOf));
  const used = kernels.map(
    (kernel): Dot => ({
      row: rows.get(kernel) as string,
      kernel,
      text: textOf(kernel),
      within: kernel.uses.map(({ name }) => name),
      weight: shareOf(kernel) / largest,
    }),
  );
  // Of a case's dispatches the one that takes most.
  const swept = (sweep?.cases ?? []).map((one): Dot => {
    const [kernel] = one.kernels;
    const text = textOf({ ...kernel, uses: [] });
    return {
      row: cells.get(one) as string,
      kernel,
      text: [kernel.uses[0].name, ...text],
      within: ["sweep"],
      weight: 0,
    };
  });
  return [...swept, ...used];
}

function chart({ roofs, steps, sweep }: BenchRecord, dots: readonly Dot[]): Html {
  const roof = roofOf(roofs);
  const legend = FAMILIES.map(
    ({ name, ops: [op = ""] }) => html`<li>${markKey({ op })} ${name}</li>
`,
  );
  const choices = [...steps.map(({ preset }) => preset), ...(sweep ? ["sweep"] : [])];
  const options = choices.map((name) => html`<option value="${name}">${name}</option>\n`);
  return html`<figure class="chart roofs">
<figcaption><p class="hint">A mark is a kernel at its shapes; its area is its share of the step${sweep && ", small ones are the sweep's"}. The closer to the lines, the
better; right of the ridge, ${short(roof.peak / roof.bandwidth)} FLOP/byte, arithmetic limits, left of it memory. Kernels that only move data have no FLOPs: they
stand at the left, as far below the memory line as their GB/s are below its.</p></figcaption>
<p class="only" hidden><label>Show <select><option value="">all ${count(dots.length)} kernels</option>
${options}</select></label></p>
<div class="wide">
${rooflineSvg(dots, roof)}</div>
<ul class="legend">
${legend}</ul>
<div class="tip" hidden></div>
</figure>
`;
}

function sweepSection(sweep: NonNullable<BenchRecord["sweep"]>, cells: ReadonlyMap<MeasuredCase, string>): Html {
  const { batch, leftOut } = sweep;
  return html`<section id="sweep"><h2>Sweep</h2>
<p class="quiet about">Batch ${batch}, kernels 3×3, stride 1, but 2 for transposed convolutions; dense layers take size · channels values to channels. An op's dispatches together.</p>
<div class="heats">${sweepTables(sweep, (one) => cells.get(one) as string)}</div>
${leftOut.length > 0 && html`<details><summary>${count(leftOut.length)} cases not measured, for want of time or room</summary><p class="quiet">${leftOut.join("; ")}</p></details>`}
</section>`;
}
