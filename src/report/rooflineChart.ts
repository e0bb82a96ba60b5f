/** The roofline as SVG: the adapter's roofs as lines, each kernel below them. */
import type { MeasuredKernel } from "../bench/record.js";
import type { Roof } from "../bench/roofline.js";
import { type Html, html } from "./html.js";
import { short } from "./numbers.js";

/** A kernel to draw. */
export interface Dot {
  /** The id of its row in a table. */
  readonly row: string;
  readonly kernel: MeasuredKernel;
  /** Lines that describe it; the first is its name. */
  readonly text: readonly string[];
  /** Names of what it is part of, for the choice of what is shown. */
  readonly within: readonly string[];
  /** 0 to 1: how large it is drawn, by area. */
  readonly weight: number;
}

/** What kinds of kernels are told apart, by tone and shape. */
export const FAMILIES = [
  { name: "convolution", ops: ["conv2d"], tone: "run0", shape: "circle" },
  { name: "transposed convolution", ops: ["convTranspose2d"], tone: "run1", shape: "square" },
  { name: "weight gradient", ops: ["conv2dWeightGrad"], tone: "run2", shape: "diamond" },
  { name: "sum", ops: ["sum", "sumSquares"], tone: "run3", shape: "triangle" },
  { name: "all others", ops: [], tone: "run7", shape: "cross" },
] as const;

type Family = (typeof FAMILIES)[number];

export const familyOf = ({ op }: Pick<MeasuredKernel, "op">): Family =>
  FAMILIES.find(({ ops }) => (ops as readonly string[]).includes(op)) ?? FAMILIES[FAMILIES.length - 1];

/** A mark of radius r around a place. */
export function mark(shape: Family["shape"], x: number, y: number, r: number): Html {
  const n = (value: number) => Number(value.toFixed(1));
  const path = (points: readonly (readonly [number, number])[]) =>
    html`<path d="M${points.map(([dx, dy]) => `${n(x + dx * r)} ${n(y + dy * r)}`).join("L")}Z"/>`;
  if (shape === "circle") return html`<circle cx="${n(x)}" cy="${n(y)}" r="${n(r)}"/>`;
  // Areas like the circle's.
  if (shape === "square")
    return path([
      [-0.89, -0.89],
      [0.89, -0.89],
      [0.89, 0.89],
      [-0.89, 0.89],
    ]);
  if (shape === "diamond")
    return path([
      [0, -1.25],
      [1.25, 0],
      [0, 1.25],
      [-1.25, 0],
    ]);
  if (shape === "triangle")
    return path([
      [0, -1.4],
      [1.3, 0.9],
      [-1.3, 0.9],
    ]);
  const [a, b] = [0.4, 1.1];
  return path([
    [-a, -b],
    [a, -b],
    [a, -a],
    [b, -a],
    [b, a],
    [a, a],
    [a, b],
    [-a, b],
    [-a, a],
    [-b, a],
    [-b, -a],
    [-a, -a],
  ]);
}

const WIDTH = 1100;
const HEIGHT = 560;
const PLOT = { left: 74, right: 20, top: 24, bottom: 50 };
/** Of the strip at the left for kernels whose operations are not counted. */
const STRIP = 92;
/** Powers of ten that are drawn below the peak at most: what is slower lies on the bottom. */
const MOST_DECADES = 5;

/** The next 1, 2 or 5 times a power of ten, downwards or upwards. */
function nice(n: number, towards: -1 | 1): number {
  const power = 10 ** Math.floor(Math.log10(n));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  return (towards < 0 ? steps.findLast((step) => step <= n) : steps.find((step) => step >= n)) ?? n;
}

/** Scales of both axes, logarithmic, and the lines of their powers of ten. */
function scalesOf(dots: readonly Dot[], roof: Roof) {
  const counted = dots.map(({ kernel }) => kernel).filter(({ intensity }) => intensity > 0);
  const ridge = roof.peak / roof.bandwidth;
  const intensities = [ridge / 10, ridge * 4, ...counted.map(({ intensity }) => intensity)];
  const x0 = nice(Math.max(Math.min(...intensities), 1e-3) * 0.9, -1);
  const x1 = nice(Math.max(...intensities) * 1.2, 1);
  const y1 = nice(roof.peak * 1.5, 1);
  const rates = counted.map(({ flopRate }) => flopRate);
  const y0 = Math.max(nice(Math.min(roof.peak / 100, ...rates) * 0.9, -1), y1 / 10 ** MOST_DECADES);
  const left = PLOT.left + STRIP;
  const across = (WIDTH - PLOT.right - left) / Math.log10(x1 / x0);
  const up = (HEIGHT - PLOT.top - PLOT.bottom) / Math.log10(y1 / y0);
  return {
    ...{ x0, x1, y0, y1, left },
    x: (intensity: number) => left + across * Math.log10(intensity / x0),
    y: (rate: number) => HEIGHT - PLOT.bottom - up * Math.log10(Math.max(rate, y0) / y0),
    /** Of a line of constant bandwidth, in degrees. */
    slope: (-180 / Math.PI) * Math.atan2(up, across),
  };
}

type Scales = ReturnType<typeof scalesOf>;

/** The powers of ten from one number to another. */
function powers(from: number, to: number): number[] {
  const first = Math.ceil(Math.log10(from) - 1e-9);
  const last = Math.floor(Math.log10(to) + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => 10 ** (first + i));
}

/** A power of ten beside an axis. */
const tick = (n: number): string => (n >= 1000 ? Math.round(n).toLocaleString("en") : String(Number(n.toPrecision(1))));

function axes({ x, y, x0, x1, y0, y1, left }: Scales): Html {
  const bottom = HEIGHT - PLOT.bottom;
  const right = WIDTH - PLOT.right;
  const upright = powers(x0, x1).map(
    (n) => html`<line class="grid" x1="${x(n)}" x2="${x(n)}" y1="${PLOT.top}" y2="${bottom}"/>
<text x="${x(n)}" y="${bottom + 18}" text-anchor="middle">${tick(n)}</text>
`,
  );
  const level = powers(y0, y1).map(
    (n) => html`<line class="grid" x1="${PLOT.left}" x2="${right}" y1="${y(n)}" y2="${y(n)}"/>
<text x="${PLOT.left - 8}" y="${y(n) + 4}" text-anchor="end">${tick(n / 1e9)}</text>
`,
  );
  const middle = (PLOT.top + bottom) / 2;
  return html`<rect class="strip" x="${PLOT.left}" y="${PLOT.top}" width="${STRIP - 10}" height="${bottom - PLOT.top}"/>
${upright}${level}
<text class="name" x="${(left + right) / 2}" y="${HEIGHT - 8}" text-anchor="middle">arithmetic intensity, FLOP per byte (log scale)</text>
<text class="name" x="16" y="${middle}" text-anchor="middle" transform="rotate(-90 16 ${middle})">GFLOP/s (log scale)</text>
<text x="${PLOT.left}" y="${bottom + 18}">no FLOPs</text>
`;
}

function roofLines(scales: Scales, { peak, bandwidth, cacheBandwidth }: Roof): Html {
  const { x, y, x0, x1, y0, left, slope } = scales;
  const right = WIDTH - PLOT.right;
  // From the left end, or from where it comes out of the bottom, up to the peak.
  const sloped = (name: string, rate: number, kind: "memory" | "cache") => {
    const from = Math.max(x0, y0 / rate);
    const to = Math.min(x1, peak / rate);
    if (from >= to) return "";
    const label = from * 1.25;
    const [lx, ly] = [x(label), y(label * rate) - 7];
    return html`<line class="roof ${kind}" x1="${x(from)}" y1="${y(from * rate)}" x2="${x(to)}" y2="${y(to * rate)}"/>
<text class="name" x="${lx}" y="${ly}" transform="rotate(${slope} ${lx} ${ly})">${name} ${short(rate / 1e9)} GB/s</text>
`;
  };
  const level = y(bandwidth * x0);
  return html`<line class="roof memory" x1="${PLOT.left}" x2="${left - 10}" y1="${level}" y2="${level}"/>
<line class="roof" x1="${x(Math.max(x0, peak / Math.max(cacheBandwidth, bandwidth)))}" x2="${right}" y1="${y(peak)}" y2="${y(peak)}"/>
<text class="name" x="${right}" y="${y(peak) - 8}" text-anchor="end">arithmetic ${short(peak / 1e9)} GFLOP/s</text>
${sloped("memory", bandwidth, "memory")}${cacheBandwidth > 1.1 * bandwidth && sloped("cache", cacheBandwidth, "cache")}`;
}

/** Places beside each other in the strip, so that kernels of one rate do not hide each other. */
const aside = (i: number): number => PLOT.left + 12 + ((i * 0.618034) % 1) * (STRIP - 34);

function drawn(dot: Dot, i: number, { x, y, x0 }: Scales, roof: Roof): Html {
  const { kernel, row, text, within, weight } = dot;
  const { tone, shape } = familyOf(kernel);
  const counted = kernel.intensity > 0;
  const place = counted
    ? ([x(Math.max(kernel.intensity, x0)), y(kernel.flopRate)] as const)
    : ([aside(i), y(kernel.share * roof.bandwidth * x0)] as const);
  const r = 3.5 + 11 * Math.sqrt(weight);
  const kind = within.includes("sweep") ? "dot swept" : "dot";
  return html`<a class="${kind}" href="#${row}" tabindex="-1" data-in="${within.join(" ")}" style="color:var(--${tone})"><title>${text.join("\n")}</title>${mark(shape, ...place, r)}</a>
`;
}

/** The drawing. Kernels that weigh most are drawn first, so that they hide no others. */
export function rooflineSvg(dots: readonly Dot[], roof: Roof): Html {
  const scales = scalesOf(dots, roof);
  const order = [...dots].sort((a, b) => b.weight - a.weight);
  return html`<svg class="roofline" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="Roofline: GFLOP/s of ${dots.length} kernels over their FLOP per byte, below the adapter's roofs; the tables below have all figures">
${axes(scales)}${roofLines(scales, roof)}${order.map((dot, i) => drawn(dot, i, scales, roof))}</svg>
`;
}
