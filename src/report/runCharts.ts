/** The curves of one run. */
import { isPictureLoss, slotsOf } from "../faceswap/lossSlots.js";
import { gates } from "../faceswap/measures.js";
import type { MeasureLine, StepLine } from "../storage/metrics.js";
import type { Chart, NamedCurve } from "./charts.js";
import { keysOf, textOf, whoIs } from "./losses.js";
import { count } from "./numbers.js";
import type { CurveStyle } from "./pageData.js";
import { type AnyMeasures, boundOf, isResponse, knowsSwap, numberOf, QUANTITIES, type Quantity } from "./quantities.js";
import type { RunView } from "./runView.js";
import { curve, POINTS, type Series, smoothed, spansDecades, thinned, windowOf } from "./thin.js";

const named = (label: string, series: Series, tone: string, style: CurveStyle): NamedCurve => ({
  label,
  group: curve(series, tone, style),
});

export function lossSeries(lines: readonly StepLine[], of: (line: StepLine) => number): Series {
  return { x: lines.map(({ step }) => step), y: lines.map(of) };
}

/** How the curves of losses are made. */
export function smoothingNote(steps: number): string {
  const window = windowOf(steps);
  if (window === 1) return "Every step is drawn.";
  const thin = steps > POINTS ? ", thinned so that their peaks stay" : "";
  return `Strong lines: the median of the ${window} steps around. Faint lines: single steps${thin}.`;
}

/** How an identity's curves look; not by colour alone. */
const TONES = ["src", "dst", "run2", "run3", "run4", "run5", "run6", "run7"];
const STYLES: readonly CurveStyle[] = ["line", "long", "dashdot"];

type Part = readonly [label: string, key: string, tone: string, style: CurveStyle];

export function lossCharts({ config, metrics }: RunView): Chart[] {
  const { steps } = metrics;
  const window = windowOf(steps.length);
  const chart = (
    about: Pick<Chart, "id" | "title" | "axis" | "hint">,
    parts: readonly Part[],
    level: readonly NamedCurve[] = [],
  ): Chart => {
    const series = parts.map(([label, key, tone, style]) => {
      return { label, tone, style, all: lossSeries(steps, (line) => line[key]) };
    });
    const strong = series.map(({ label, tone, style, all }) => named(label, smoothed(all, window), tone, style));
    const faint =
      window > 1 ? series.map(({ label, tone, all }) => named(`${label}, each step`, thinned(all), tone, "faint")) : [];
    const curves = [...strong, ...faint];
    const log = spansDecades(curves.map(({ group }) => group));
    return { ...about, curves: [...curves, ...level], x: [0, config.steps], log, shows: log ? [] : [0] };
  };
  const slots = slotsOf(config.lossWeights).map((name) => {
    const keys = keysOf(name, config);
    const { title, word, axis, hint } = textOf(name, config);
    const only = config.lossWeights[name] === 0 ? " Its weight is 0: it is only watched." : "";
    const parts = isPictureLoss(name)
      ? keys.map((key, i): Part => {
          return [whoIs(config.identities[i]), key, TONES[i % TONES.length], STYLES[i % STYLES.length]];
        })
      : keys.map((key): Part => [word, key, "measured", "line"]);
    const level = name === "adversary" && steps.length ? [guess(config.identities.length, config.steps)] : [];
    return chart({ id: name, title, axis, hint: `${hint}${only}` }, parts, level);
  });
  const total = {
    id: "loss",
    title: "Total loss",
    axis: "weighted sum of the above",
    hint: `What training makes smaller: ${config.losses.loss}.`,
  };
  const rate = thinned(lossSeries(steps, (line) => line.rate));
  return [
    ...slots,
    chart(total, [["total", "loss", "measured", "line"]]),
    {
      id: "rate",
      title: "Learning rate",
      axis: "Adam's learning rate",
      hint: "Rises over the first steps, falls over the last.",
      curves: [named("rate", rate, "measured", "line")],
      x: [0, config.steps],
      shows: [0],
    },
  ];
}

/** The cross-entropy of a classifier that knows nothing: ln of the count of identities. */
export const guess = (identities: number, steps: number): NamedCurve =>
  named("a guess", { x: [0, steps], y: [Math.log(identities), Math.log(identities)] }, "constant", "dashed");

export function measureCharts({ config, metrics, look }: RunView): Chart[] {
  const { measures: lines, final } = metrics;
  // Responses are measured at the end only: they stand in a table.
  const charted = QUANTITIES.filter((quantity) => quantity.key !== "leakError" && !isResponse(quantity));
  return charted.flatMap((quantity): Chart[] => {
    const all = [...lines.map(({ measures }) => measures), ...(final ? [final.final] : [])];
    if (!all.some((measures) => Number.isFinite(numberOf(measures, quantity.key)))) return [];
    const over = (of: (line: MeasureLine["measures"]) => number): Series => ({
      x: lines.map(({ step }) => step),
      y: lines.map(({ measures }) => of(measures)),
    });
    const curves = [
      named(
        "measured",
        over((m) => numberOf(m, quantity.key)),
        "measured",
        "line",
      ),
    ];
    if (quantity.ceiling) {
      curves.push(
        named(
          "ceiling",
          over((m) => numberOf(m, quantity.ceiling)),
          "ceiling",
          "dashed",
        ),
      );
    }
    if (quantity.constant !== undefined) {
      curves.push(
        named(
          "constant picture",
          over((m) => numberOf(m, quantity.constant)),
          "constant",
          "dashed",
        ),
      );
    }
    // Expression is judged at the end, by bounds that stay the same.
    const expression = look?.expression?.find(({ name }) => name === quantity.gate);
    const bounded = quantity.gate !== undefined && (expression !== undefined || !quantity.expression);
    if (bounded) {
      const bound = expression ? () => boundOf(expression).bound : (m: AnyMeasures) => threshold(m, quantity);
      curves.push(named("the gate's threshold", over(bound), "gate", "dotted"));
    }
    if (final) {
      const end = { x: [final.step], y: [numberOf(final.final, quantity.key)] };
      curves.push(named("measured at the end", end, "measured", "point"));
    }
    return [
      {
        id: quantity.key,
        title: quantity.name,
        axis: quantity.axis,
        hint: `${quantity.meaning}${aim(quantity, bounded)}`,
        // Before the first look there is only the end.
        curves: lines.length ? curves : curves.slice(-1),
        x: [0, config.steps],
        shows: quantity.shows,
      },
    ];
  });
}

/** What the line must do. */
function aim({ best }: Quantity, bounded: boolean): string {
  if (bounded) return ` Passes ${best === "least" ? "below" : "above"} the dotted line.`;
  return best === "least" ? " Lower is better." : "";
}

/** The least or greatest value that passes. */
function threshold(measures: MeasureLine["measures"], { gate: name, key }: Quantity): number {
  if (!knowsSwap(measures)) return Number.NaN;
  const gate = gates(measures).find((one) => one.name === name);
  return gate ? boundOf(gate).bound * ((measures[key] ?? Number.NaN) / gate.value) : Number.NaN;
}

/** A stretch of training between two entries of the clock. */
export interface Stretch {
  readonly to: number;
  readonly steps: number;
  readonly seconds: number;
}

export function stretches(times: RunView["times"]): Stretch[] {
  return times.slice(1).flatMap(({ step, seconds }, i) => {
    const stretch = { to: step, steps: step - times[i].step, seconds: seconds - times[i].seconds };
    return stretch.steps > 0 && stretch.seconds > 0 ? [stretch] : [];
  });
}

/** A unit in which a time is neither a small nor a large number, in seconds. */
const unitOf = (seconds: number): [name: string, seconds: number] =>
  seconds < 180 ? ["seconds", 1] : seconds < 3 * 3600 ? ["minutes", 60] : ["hours", 3600];

export function timeCharts({ config, times }: RunView): Chart[] {
  const all = stretches(times);
  const speed: Series = {
    x: all.map(({ to }) => to),
    y: all.map((s) => (s.steps * config.batch * config.identities.length) / s.seconds),
  };
  const [unit, seconds] = unitOf(times.at(-1)?.seconds ?? 0);
  const elapsed: Series = { x: times.map(({ step }) => step), y: times.map((time) => time.seconds / seconds) };
  const window = windowOf(all.length);
  const sittings = times.filter(({ at, step }) => at !== undefined && step > 0).map(({ step }) => step);
  const resumed = sittings.length
    ? ` Upright lines: the run was continued after step ${sittings.map(count).join(", ")}.`
    : "";
  return [
    {
      id: "speed",
      title: "Throughput",
      axis: "training pictures a second",
      hint: `All identities together; looks, previews and checkpoints take their time too.${resumed}`,
      curves: [
        named("pictures/s", smoothed(speed, window), "measured", "line"),
        ...(window > 1 ? [named("each stretch", thinned(speed), "measured", "faint")] : []),
      ],
      x: [0, config.steps],
      shows: [0],
      marks: sittings,
      digits: 1,
    },
    {
      id: "elapsed",
      title: "Time",
      axis: `${unit} of training`,
      hint: `All sittings of the run together.${resumed}`,
      curves: [named(unit, thinned(elapsed), "measured", "line")],
      x: [0, config.steps],
      shows: [0],
      marks: sittings,
      digits: 1,
    },
  ];
}
