/** What `shibori bench` prints. */

import { timeOf } from "../bench/profile.js";
import {
  type BenchMachine,
  type BenchRecord,
  faultsOf,
  type MeasuredCase,
  type MeasuredKernel,
  type MeasuredStep,
} from "../bench/record.js";
import { memoryText } from "../faceswap/stepPlan.js";
import { count, duration, short, time } from "../report/numbers.js";
import { large } from "./inspectText.js";
import { kernelNotes, MARKS, rooflineTable, roofRows, rowsText, spread } from "./kernelText.js";
import { table } from "./table.js";

/** Kernels of the presets that are printed; the page and the JSON have all. */
const MOST_KERNELS = 30;

export function machineRows({
  adapter,
  versions,
  system,
  processor,
  load,
  dawnOptions,
}: BenchMachine): [string, string][] {
  const busy = Math.max(...load) > processor.count ? ": BUSY, times are too long and vary" : "";
  return [
    ["adapter", [adapter.name, adapter.driver, adapter.kind].filter(Boolean).join(", ")],
    ["machine", `${processor.count} × ${processor.model}, ${system}`],
    [
      "versions",
      Object.entries(versions)
        .map((each) => each.join(" "))
        .join(", "),
    ],
    ["load", `${load.map((n) => n.toFixed(1)).join(" before, ")} after${busy}`],
    ...(dawnOptions ? [["options", dawnOptions] as [string, string]] : []),
  ];
}

export function stepTables(steps: readonly MeasuredStep[]): string {
  const ms = (seconds: number | undefined) => (seconds === undefined ? "–" : short(seconds * 1e3));
  const times = table(
    [
      [
        "preset",
        "wall ms",
        "",
        "GPU ms",
        "gap ms",
        "kernels ms",
        "host ms",
        "µs/dispatch",
        "CPU ms",
        "steps/s",
        "GFLOP/s",
      ],
      ...steps.map((step) => [
        step.preset,
        ms(step.times.wall.median),
        spread(step.times.wall),
        ms(step.times.gpu?.median),
        ms(step.times.gap?.median),
        ms(step.kernels),
        ms(step.times.host.median),
        short(step.hostPerDispatch * 1e6),
        ms(step.times.cpu?.median),
        short(step.stepsPerSecond),
        short(step.flopRate / 1e9),
      ]),
    ],
    [0],
  );
  const others = table(
    [
      [
        "preset",
        "batch",
        "FLOP",
        "dispatches",
        "plan ms",
        "compile ms",
        "first step ms",
        "slots",
        "planned",
        "at least",
        "in all",
      ],
      ...steps.map((step) => [
        step.preset,
        String(step.batch),
        large(step.flops).trim(),
        count(step.dispatches),
        ...[step.compile.plan, step.compile.program, step.compile.firstStep].map(ms),
        count(step.memory.slots),
        ...[step.memory.planned, step.memory.lowerBound, step.memory.total].map(memoryText),
      ]),
    ],
    [0],
  );
  return `${times}\n\n${others}`;
}

const STEP_NOTES = [
  "wall: from one step to the next, as in training. GPU: the step in one pass, by timestamps. gap: wall − GPU.",
  "kernels: every dispatch timed alone, all together. host: encoding and submitting. CPU: of all processors.",
  "plan: trace and lay out; compile: that once more, weights, buffers, pipelines; some drivers compile in the first step.",
  "planned: memory that values share, and what no plan could go below; in all: with parameters, moments and constants.",
];

const most = ({ uses }: MeasuredKernel) => uses.reduce((a, b) => (b.share > a.share ? b : a));

/** The record in words, at most 120 columns wide. */
export function benchText(record: BenchRecord): string {
  const { machine, roofs, steps, kernels, sweep, rounds } = record;
  const shown = kernels.slice(0, MOST_KERNELS);
  const all = kernels.reduce((sum, kernel) => sum + timeOf(kernel), 0);
  const part = shown.reduce((sum, kernel) => sum + timeOf(kernel), 0) / all;
  const left = kernels.length - shown.length;
  const faults = faultsOf(record);
  const parts = [
    rowsText(machineRows(machine)),
    `roofs: the best readings\n${rowsText(roofRows(roofs))}`,
    `training steps: medians of ${rounds} rounds\n${stepTables(steps)}\n${STEP_NOTES.join("\n")}`,
    `kernels by time in ${steps.length > 1 ? `one step of each of ${steps.length} presets` : `a step of ${steps[0].preset}`}\n` +
      rooflineTable(shown, {
        head: ["share", "×"],
        cells: (k) => [`${(100 * most(k).share).toFixed(1)}%`, String(most(k).calls)],
      }),
    ...(left ? [`and ${left} more, which take ${(100 * (1 - part)).toFixed(1)} % of the time`] : []),
    kernelNotes(kernels).join("\n") +
      (steps.length > 1 ? "\nshare, ×: part of the step and launches in the preset where it weighs most." : ""),
    ...(sweep ? [sweepText(sweep)] : []),
    ...(faults.length ? [faultText(faults)] : []),
    `measured in ${duration(record.seconds)}`,
  ];
  return parts.join("\n\n");
}

/** A table for each op: a row for each count of channels, a column for each size. */
function sweepText({ batch, cases, leftOut }: NonNullable<BenchRecord["sweep"]>): string {
  const numbers = (of: (one: MeasuredCase) => number) => [...new Set(cases.map(of))].sort((a, b) => a - b);
  const sizes = numbers(({ size }) => size);
  const channels = numbers((one) => one.channels);
  const tables = [...new Set(cases.map(({ op }) => op))].sort().map((op) => {
    const own = cases.filter((one) => one.op === op);
    const counted = own.some(({ flops, bytes }) => flops > bytes);
    const rows = channels.map((n) => [
      String(n),
      ...sizes.map((size) =>
        cell(
          own.find((one) => one.channels === n && one.size === size),
          counted,
        ),
      ),
    ]);
    const head = ["channels", ...sizes.map((size) => `${size} px`)];
    return `${op}: ${counted ? "GFLOP/s" : "GB/s"}, and % of the roof\n${table([head, ...rows], [])}`;
  });
  const without = leftOut.length ? [`Not measured, for want of time or room: ${leftOut.length} cases (–).`] : [];
  return [`sweep: batch ${batch}, kernels 3×3`, ...tables, ...without].join("\n\n");
}

function cell(one: MeasuredCase | undefined, counted: boolean): string {
  if (!one) return "–        ";
  const { flopRate, byteRate, share, above } = one;
  const part = `${(100 * share).toFixed(0)}%${above ? MARKS[above] : ""}`;
  return `${short((counted ? flopRate : byteRate) / 1e9)} ${part.padStart(4).padEnd(5)}`;
}

const faultText = (faults: readonly MeasuredKernel[]): string =>
  [
    `WARNING: ${faults.length} ${faults.length === 1 ? "kernel is" : "kernels are"} above every roof.`,
    ...faults.map(
      (k) => `  ${k.op} ${k.kernel}: ${time(k.seconds.median)}, ${(100 * k.share).toFixed(0)} % of the roof`,
    ),
  ].join("\n");
