/** Tables of what `shibori bench` measured. */

import { timeOf } from "../bench/profile.js";
import type { BenchMachine, BenchRecord, MeasuredCase, MeasuredKernel, MeasuredStep } from "../bench/record.js";
import type { Attempt, Roofs } from "../bench/roofs.js";
import { type Figure, spreadOf } from "../bench/statistics.js";
import type { Shape } from "../engine/shape.js";
import { memoryText } from "../faceswap/stepPlan.js";
import { table as facts } from "./configTables.js";
import { type Content, type Html, html } from "./html.js";
import { count, short, time } from "./numbers.js";
import { familyOf, mark } from "./rooflineChart.js";

export const percent = (part: number): string => `${(100 * part).toFixed(part < 0.0995 ? 1 : 0)} %`;
export const spreadText = (figure: Figure): string => `± ${Math.round(100 * spreadOf(figure))} %`;
export const shapeText = (shape: Shape): string => (shape.length ? shape.join("×") : "1");

/** Columns of figures behind one of names. */
function figures(
  heads: readonly Content[],
  rows: readonly { head: Content; cells: readonly Content[]; id?: string; within?: readonly string[] }[],
): Html {
  const lines = rows.map(
    ({ head, cells, id, within }) =>
      html`<tr${id && html` id="${id}"`}${within && html` data-in="${within.join(" ")}"`}><th scope="row">${head}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>
`,
  );
  return html`<div class="wide"><table class="bench">
<thead><tr>${heads.map((head) => html`<th scope="col">${head}</th>`)}</tr></thead>
<tbody>
${lines}</tbody></table></div>
`;
}

const ms = (seconds: number | undefined): string => (seconds === undefined ? "–" : short(1e3 * seconds));
const unit = (name: string, of: string): Html => html`${name}<small>${of}</small>`;

export function stepsTable(steps: readonly MeasuredStep[]): Html {
  const heads = [
    "preset",
    unit("step", "ms"),
    unit("GPU", "ms"),
    unit("gap", "ms"),
    unit("kernels", "ms"),
    unit("host", "ms"),
    unit("host", "µs a dispatch"),
    unit("processors", "ms"),
    "steps/s",
    "GFLOP/s",
    unit("work", "GFLOP"),
    "dispatches",
  ];
  return figures(
    heads,
    steps.map(({ preset, batch, times, kernels, hostPerDispatch, stepsPerSecond, flopRate, flops, dispatches }) => ({
      head: html`${preset}<small>batch ${batch}</small>`,
      cells: [
        html`<b>${ms(times.wall.median)}</b><small>${spreadText(times.wall)}</small>`,
        ms(times.gpu?.median),
        ms(times.gap?.median),
        ms(kernels),
        ms(times.host.median),
        short(1e6 * hostPerDispatch),
        ms(times.cpu?.median),
        short(stepsPerSecond),
        short(flopRate / 1e9),
        short(flops / 1e9),
        count(dispatches),
      ],
    })),
  );
}

export function compileTable(steps: readonly MeasuredStep[]): Html {
  const heads = [
    "preset",
    unit("plan", "ms"),
    unit("tuning", "ms"),
    unit("compile", "ms"),
    unit("first step", "ms"),
    "slots",
    "planned",
    "at least",
    unit("memory", "in all"),
  ];
  return figures(
    heads,
    steps.map(({ preset, compile, memory }) => ({
      head: preset,
      cells: [
        ...[compile.plan, compile.tuning, compile.program, compile.firstStep].map(ms),
        count(memory.slots),
        ...[memory.planned, memory.lowerBound, memory.total].map(memoryText),
      ],
    })),
  );
}

/** Why it is above the roof, in a word. */
const ABOVE = { cache: "cache", fault: "⚠ above every roof" };

const shareCell = ({ share, above }: Pick<MeasuredKernel, "share" | "above">): Html =>
  html`<span class="part"><i style="width:${Math.min(100, 100 * share).toFixed(1)}%"></i></span>${percent(share)}${above && html`<small>${ABOVE[above]}</small>`}`;

const rate = (perSecond: number): string => (perSecond ? short(perSecond / 1e9) : "–");

/** The sample of a family's mark. */
export const markKey = (kernel: Pick<MeasuredKernel, "op">): Html => {
  const { tone, shape } = familyOf(kernel);
  return html`<svg class="mark" style="color:var(--${tone})" viewBox="0 0 14 14" aria-hidden="true">${mark(shape, 7, 7, 5)}</svg>`;
};

const FIGURES: readonly Content[] = [
  unit("launch", "µs"),
  "GFLOP/s",
  "GB/s",
  unit("intensity", "FLOP/byte"),
  "of the roof",
  "bound",
];

const kernelFigures = (k: MeasuredKernel): Content[] => [
  html`${short(1e6 * k.seconds.median)}<small>${spreadText(k.seconds)}</small>`,
  rate(k.flopRate),
  rate(k.byteRate),
  k.intensity ? short(k.intensity) : "–",
  shareCell(k),
  k.bound,
];

function kernelHead(k: MeasuredKernel): Html {
  const { kernel, choice, inputs, output, op } = k;
  const shapes = op === "clock" ? "the step counter" : `${inputs.map(shapeText).join(" · ")} → ${shapeText(output)}`;
  return html`${markKey(k)} ${op}<small><code>${kernel}</code>${choice && ` (${choice})`}</small><small>${shapes}</small>`;
}

/** Rows of kernels with what they take of their steps; `idOf` names the rows. */
export function kernelsTable(kernels: readonly MeasuredKernel[], idOf: (kernel: MeasuredKernel) => string): Html {
  const rows = kernels.map((k) => {
    const [most, ...rest] = [...k.uses].sort((a, b) => b.share - a.share);
    const others = rest.map(({ name, share }) => `${name} ${percent(share)}`).join(", ");
    return {
      head: kernelHead(k),
      id: idOf(k),
      within: k.uses.map(({ name }) => name),
      cells: [
        html`<b>${percent(most.share)}</b><small>${most.name}${rest.length > 0 && html` <span title="${others}">+ ${rest.length}</span>`}</small>`,
        html`${ms(timeOf(k))}<small>${count(k.uses.reduce((sum, { calls }) => sum + calls, 0))} ×</small>`,
        ...kernelFigures(k),
      ],
    };
  });
  return figures(["kernel", unit("share", "of the step"), unit("time", "ms"), ...FIGURES], rows);
}

/** For each op a table of channels and sizes, darker where more of the roof is reached. */
export function sweepTables({ cases }: NonNullable<BenchRecord["sweep"]>, idOf: (one: MeasuredCase) => string): Html[] {
  const numbers = (of: (one: MeasuredCase) => number) => [...new Set(cases.map(of))].sort((a, b) => a - b);
  const sizes = numbers(({ size }) => size);
  const channels = numbers((one) => one.channels);
  return [...new Set(cases.map(({ op }) => op))].sort().map((op) => {
    const own = cases.filter((one) => one.op === op);
    const counted = own.some(({ flops, bytes }) => flops > bytes);
    const cell = (n: number, size: number): Html => {
      const one = own.find((each) => each.channels === n && each.size === size);
      if (!one) return html`<td>–</td>`;
      const value = rate(counted ? one.flopRate : one.byteRate);
      const part = Math.min(1, one.share).toFixed(3);
      return html`<td id="${idOf(one)}" style="--part:${part}" title="${time(one.seconds)}, bound by ${one.bound}">${value}<small>${percent(one.share)}</small></td>`;
    };
    const lines = channels.map(
      (n) => html`<tr><th scope="row">${n}</th>${sizes.map((size) => cell(n, size))}</tr>
`,
    );
    return html`<table class="bench heat"><caption>${op}: ${counted ? "GFLOP/s" : "GB/s"}, part of the roof</caption>
<thead><tr><th scope="col">channels</th>${sizes.map((size) => html`<th scope="col">${size} px</th>`)}</tr></thead>
<tbody>
${lines}</tbody></table>
`;
  });
}

export function roofsTable({ peak, bandwidth, cache, peaks, bandwidths, caches, launch, pass, encode }: Roofs): Html {
  const attempts = (list: readonly Attempt[], name: string, unit: string, best: Attempt) =>
    list.map((one) => {
      const chosen = one.name === best.name && one.bytes === best.bytes;
      const size = one.bytes === undefined ? "" : `, ${memoryText(one.bytes)}`;
      const what = `${name}: ${one.name}${size}`;
      return {
        head: chosen ? html`<b>${what}</b>` : what,
        cells: [
          html`${chosen ? html`<b>${short(one.rate.most / 1e9)} ★</b>` : short(one.rate.most / 1e9)}`,
          short(one.rate.median / 1e9),
          spreadText(one.rate),
          unit,
        ],
      };
    });
  const fixed = (head: string, figure: Figure) => ({
    head,
    cells: [short(1e6 * figure.least), short(1e6 * figure.median), spreadText(figure), "µs"],
  });
  return figures(
    ["what was tried", "best", "median", "spread", "unit"],
    [
      ...attempts(peaks, "arithmetic", "GFLOP/s", peak),
      ...attempts(bandwidths, "memory", "GB/s", bandwidth),
      ...attempts(caches, "cache", "GB/s", cache),
      fixed("a dispatch that does nothing", launch),
      fixed("a timed compute pass, beyond its dispatches", pass),
      fixed("the host's work for a dispatch", encode),
    ],
  );
}

export function machineTable({ machine, date, command, seconds, rounds }: BenchRecord): Html {
  const { adapter, versions, system, processor, load, dawnOptions }: BenchMachine = machine;
  return facts("Machine", [
    ["adapter", `${adapter.name} (${adapter.kind})`],
    ["driver", adapter.driver || "unnamed"],
    ["subgroups", adapter.subgroupSize ? `${adapter.subgroupSize} lanes` : "none of one size"],
    ["processor", `${processor.count} × ${processor.model}`],
    ["system", system],
    ["load before and after", load.map((n) => n.toFixed(1)).join(" and ")],
    [
      "versions",
      Object.entries(versions)
        .map((each) => each.join(" "))
        .join(", "),
    ],
    ...(dawnOptions ? ([["options of Dawn", dawnOptions]] as const) : []),
    ["command", html`<code>${command}</code>`],
    ["measured", `${date}, in ${time(seconds)}, ${rounds} readings of each time`],
  ]);
}
