/** Kernels below the roof, and the roofs, for the terminal. */

import type { MeasuredKernel } from "../bench/record.js";
import type { Attempt, Roofs } from "../bench/roofs.js";
import { roofOf } from "../bench/roofs.js";
import type { Figure } from "../bench/statistics.js";
import { spreadOf } from "../bench/statistics.js";
import type { Shape } from "../engine/shape.js";
import { memoryText } from "../faceswap/stepPlan.js";
import { short, time } from "../report/numbers.js";
import { table } from "./table.js";

/** No line is longer. */
const WIDTH = 120;

export const spread = (figure: Figure): string => `±${Math.round(100 * spreadOf(figure))}%`;

/** Without the many digits of what is next to nothing. */
const rate = (n: number): string => (n < 0.1 ? n.toFixed(3) : short(n));

/** Rates in thousands of millions, nothing where nothing is counted. */
const giga = (n: number): string => (n ? rate(n / 1e9) : "");

const clipped = (text: string, width: number): string =>
  text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;

export const shapeText = (shape: Shape): string => (shape.length ? shape.join("×") : "1");

/** The first input, which is the data, and the result. */
const shapes = ({ inputs: [x], output, op }: MeasuredKernel): string =>
  op === "clock" ? "" : `${x ? `${shapeText(x)} → ` : ""}${shapeText(output)}`;

/** Why a kernel is above its roof; see Standing. */
export const MARKS = { cache: "c", fault: "!" };

export const KERNEL_HEAD = ["µs each", "", "GFLOP/s", "GB/s", "FLOP/B", "% roof", "bound"];

/** What is known of a kernel, in the order of KERNEL_HEAD. */
const figures = (k: MeasuredKernel): string[] => [
  short(k.seconds.median * 1e6),
  spread(k.seconds),
  giga(k.flopRate),
  giga(k.byteRate),
  k.intensity ? rate(k.intensity) : "",
  `${(100 * k.share).toFixed(k.share < 0.0995 ? 1 : 0)}${k.above ? MARKS[k.above] : " "}`,
  k.bound,
];

/**
 * A table of kernels: what is called how often, how long it takes, how it stands below the roof.
 * @param first titles and cells of the columns before
 */
export function rooflineTable(
  kernels: readonly MeasuredKernel[],
  first: { head: readonly string[]; cells: (kernel: MeasuredKernel) => string[] },
): string {
  const rows = kernels.map((k) => [...first.cells(k), ...figures(k)]);
  const head = [...first.head, ...KERNEL_HEAD];
  const left = head.map((_, i) => i).filter((i) => i >= head.length - 1);
  const numbers = table([head, ...rows], left, " ").split("\n");
  const used = Math.max(...numbers.map((line) => line.length));
  const names = kernels.map(({ kernel }) => kernel);
  const room = WIDTH - used - 2;
  const sizes = Math.min(Math.max(6, ...kernels.map((k) => shapes(k).length)), Math.ceil(room / 2));
  const width = Math.min(Math.max(6, ...names.map((name) => name.length)), room - sizes - 1);
  return numbers
    .map((line, i) => {
      const [name, size] = i ? [names[i - 1], shapes(kernels[i - 1])] : ["kernel", "shapes"];
      return `${line.padEnd(used)}  ${clipped(name, width).padEnd(width)} ${clipped(size, sizes)}`.trimEnd();
    })
    .join("\n");
}

/** What the columns of a table of kernels mean. */
export function kernelNotes(kernels: readonly MeasuredKernel[]): string[] {
  const has = (above: MeasuredKernel["above"]) => kernels.some((k) => k.above === above);
  return [
    "% roof: achieved / min(arithmetic, memory · FLOP/byte); by GB/s where no FLOPs are counted. bound: what holds it back.",
    ...(has("cache") ? ["c: faster than memory allows, since its data is small and comes from a cache."] : []),
    ...(has("fault")
      ? [
          "! ABOVE EVERY ROOF: FLOPs or bytes are counted wrongly, or the machine was busy while the roofs were measured.",
        ]
      : []),
  ];
}

/** The roofs, as rows of name and value. */
export function roofRows(roofs: Roofs): [string, string][] {
  const { peak, bandwidth, cache, launch, pass, encode, clock } = roofs;
  const roof = roofOf(roofs);
  const row = ({ name, rate, bytes }: Attempt, unit: string) =>
    `${`${short(rate.most / 1e9)} ${unit}`.padEnd(13)} median ${short(rate.median / 1e9)} ${spread(rate)}; ${name}${
      bytes ? `, ${memoryText(bytes)} to ${memoryText(bytes)}` : ""
    }`;
  const rounded = clock === "device" ? "the GPU's timestamps" : "the host's clock: this adapter has no timestamps";
  return [
    ["arithmetic", row(peak, "GFLOP/s")],
    ["memory", row(bandwidth, "GB/s")],
    ["cache", row(cache, "GB/s")],
    ["ridge", `${short(roof.peak / roof.bandwidth)} FLOP/byte: kernels below are bound by memory`],
    ["dispatch", `${time(launch.least)} that does nothing; median ${time(launch.median)} ${spread(launch)}`],
    ["pass", `${time(pass.median)} ${spread(pass)} that a timed compute pass takes beyond its dispatches`],
    ["encode", `${time(encode.median)} ${spread(encode)} of the host for a dispatch`],
    ["timed by", rounded],
  ];
}

export function rowsText(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`).join("\n");
}
