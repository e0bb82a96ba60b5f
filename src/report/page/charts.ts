import uPlot from "uplot";
import { figure } from "../numbers.js";
import { type ChartData, LINES } from "../pageData.js";

const HEIGHT = 230;

/** The value of a CSS custom property, which differs in the dark and in print. */
const tone = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`);

export function drawCharts(charts: Readonly<Record<string, ChartData>>): void {
  const drawn: uPlot[] = [];
  for (const place of document.querySelectorAll<HTMLElement>("[data-chart]")) {
    const data = charts[place.dataset.chart ?? ""];
    if (data) drawn.push(draw(place, data));
  }
  const redraw = () => {
    for (const chart of drawn) chart.redraw(false, true);
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  // Paper is light; canvases do not follow the style sheet by themselves.
  const paper = (on: boolean) => () => {
    document.documentElement.toggleAttribute("data-paper", on);
    redraw();
  };
  addEventListener("beforeprint", paper(true));
  addEventListener("afterprint", paper(false));
}

function draw(place: HTMLElement, data: ChartData): uPlot {
  const styles = data.groups.flatMap(({ curves }) => curves);
  // The ends of the axis belong to the data: a drag zooms in, a double click shows all of it again.
  const ends: uPlot.AlignedData = [[...new Set(data.x)]];
  const table = uPlot.join([
    ends,
    ...data.groups.map(({ x, curves }) => [x, ...curves.map(({ y }) => y)] as unknown as uPlot.AlignedData),
  ]);
  const legend = place.parentElement?.querySelector(".legend");
  const values = [...(legend?.querySelectorAll("b") ?? [])];
  const latest = values.map((value) => value.textContent);
  const axis = place.parentElement?.querySelector(".axis");
  const label = axis?.textContent ?? "";

  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: HEIGHT,
      padding: [8, 26, 0, 0], // half of the last step's number stands beyond the end
      legend: { show: false },
      cursor: { sync: { key: "steps", setSeries: false, scales: ["x", null] }, points: { size: 6 } },
      scales: {
        x: { time: false },
        y: { distr: data.log ? 3 : 1, range: (_, least, most) => range(data, least, most) },
      },
      axes: [
        { ...axisLook(), size: 28, label: "step", labelSize: 16, incrs: WHOLE, labelFont: FONT, space: 60 },
        {
          ...axisLook(),
          size: (_, ticks) => 14 + 7 * Math.max(2, ...(ticks ?? []).map((text) => text?.length ?? 0)),
          values: (_, ticks) => ticks.map((n) => tick(n, data.log)),
        },
      ],
      series: [
        {},
        ...styles.map(({ tone: name, style }): uPlot.Series => {
          const { width, dash, alpha = 1 } = LINES[style];
          const stroke = () => tone(name);
          // Where a line has room for them, its own points are shown; uPlot decides, unless it is told.
          const dots = style === "line" || style === "long" || style === "dashdot" ? {} : { show: style === "point" };
          const points = { ...dots, size: style === "point" ? 10 : 5, space: 12, fill: stroke };
          return { stroke, width, dash, alpha, points, pxAlign: 0 };
        }),
      ],
      hooks: {
        drawAxes: [(u) => drawMarks(u, data.marks)],
        setCursor: [
          (u) => {
            const at = u.cursor.left !== undefined && u.cursor.left >= 0 ? u.posToVal(u.cursor.left, "x") : undefined;
            if (axis)
              axis.textContent = at === undefined ? label : `${label} · at step ${Math.round(at).toLocaleString("en")}`;
            values.forEach((value, i) => {
              value.textContent =
                at === undefined || styles[i].style === "point"
                  ? latest[i]
                  : figure(valueAt(u, i + 1, at), data.digits);
            });
          },
        ],
      },
    },
    table,
    place,
  );
  new ResizeObserver(() => {
    if (place.clientWidth !== chart.width) chart.setSize({ width: place.clientWidth, height: HEIGHT });
  }).observe(place);
  return chart;
}

/** Distances between the numbers on the steps' axis. */
const WHOLE = Array.from({ length: 8 }, (_, power) => [1, 2, 5].map((n) => n * 10 ** power)).flat();
const FONT = "12px system-ui, sans-serif";
const axisLook = (): uPlot.Axis => ({
  stroke: () => tone("muted"),
  font: FONT,
  grid: { stroke: () => tone("grid"), width: 1 },
  ticks: { stroke: () => tone("grid"), width: 1, size: 4 },
});

/** A number beside an axis: as short as it can be. uPlot gives null for ticks that shall have none. */
function tick(n: number | null, log: boolean): string {
  if (n === null) return "";
  const size = Math.abs(n);
  if ((log && size > 0 && size < 0.001) || size >= 1e7) return n.toExponential().replace("e-", "e−").replace("e+", "e");
  return size >= 1000 ? n.toLocaleString("en") : String(Number(n.toPrecision(6)));
}

function range({ log, y }: ChartData, least: number | null, most: number | null): uPlot.Range.MinMax {
  if (least === null || most === null) return [0, 1];
  if (log) return [nice(least, -1), nice(most, 1)];
  const [from, to] = [Math.min(least, ...y), Math.max(most, ...y)];
  // Above the highest curve stays some room; zero at the bottom needs none.
  const room = (to - from || Math.abs(to) || 1) * 0.06;
  return [from === 0 ? 0 : from - room, to + room];
}

/** The next 1, 2 or 5 times a power of ten, downwards or upwards. */
function nice(n: number, towards: -1 | 1): number {
  const power = 10 ** Math.floor(Math.log10(n));
  const steps = [1, 2, 5, 10].map((step) => step * power);
  return (towards < 0 ? steps.findLast((step) => step <= n) : steps.find((step) => step >= n)) ?? n;
}

/** The value drawn nearest to a step; NaN beyond a curve's own ends. */
function valueAt(u: uPlot, series: number, at: number): number {
  const index = u.cursor.idxs?.[series];
  if (index === null || index === undefined) return Number.NaN;
  const [x, y] = [u.data[0], u.data[series]];
  const drawn = (v: number | null | undefined) => v !== null && v !== undefined;
  const first = x[y.findIndex(drawn)];
  const last = x[y.findLastIndex(drawn)];
  const slack = ((u.scales.x.max ?? 0) - (u.scales.x.min ?? 0)) / 50;
  return at >= first - slack && at <= last + slack ? (y[index] ?? Number.NaN) : Number.NaN;
}

function drawMarks(u: uPlot, marks: readonly number[]): void {
  const { ctx, bbox } = u;
  ctx.save();
  ctx.strokeStyle = tone("muted");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
  for (const mark of marks) {
    const x = u.valToPos(mark, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
