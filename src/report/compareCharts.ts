/** The curves of several runs, over each other. */
import { isPictureLoss } from "../faceswap/lossSlots.js";
import { gates } from "../faceswap/measures.js";
import type { Chart, NamedCurve } from "./charts.js";
import type { Compared } from "./compared.js";
import { groupsOfTotal, otherDefinition, otherPictures, whyUnranked } from "./definitions.js";
import { LOSS_TEXTS, type Loss, lossOf, sharedPictureLoss, slotsOfAny, textOf } from "./losses.js";
import { list } from "./numbers.js";
import type { CurveStyle } from "./pageData.js";
import { type AnyMeasures, boundOf, knowsSwap } from "./quantities.js";
import { guess, lossSeries } from "./runCharts.js";
import { parts } from "./runView.js";
import { curve, type Series, smoothed, spansDecades, windowOf } from "./thin.js";

const longest = (runs: readonly Compared[]): readonly [number, number] => [
  0,
  Math.max(...runs.map(({ config }) => config.steps)),
];

const level = (label: string, value: number, x: readonly number[], tone: string, style: CurveStyle): NamedCurve => ({
  label,
  group: curve({ x, y: x.map(() => value) }, tone, style),
});

export function compareCharts(runs: readonly Compared[]): Chart[] {
  const [picture, ...losses] = lossCharts(runs);
  const [t, swapError, poseCorrelation, reconstruction] = measureCharts(runs);
  // What looks alike beside what does not.
  return [picture, t, ...losses, swapError, reconstruction, poseCorrelation];
}

/** The loss of pictures that all have comes first, the totals last. */
function lossCharts(runs: readonly Compared[]): Chart[] {
  const chart = (
    id: string,
    title: string,
    axis: string,
    hint: string,
    some: readonly Compared[],
    loss: Loss,
    levels: readonly NamedCurve[] = [],
  ): Chart => {
    const curves = some.map(({ name, config, metrics, tone, style }) => {
      const series = lossSeries(metrics.steps, lossOf(loss, config));
      return { label: name, group: curve(smoothed(series, windowOf(series.x.length)), tone, style) };
    });
    const log = spansDecades(curves.map(({ group }) => group));
    return { id, title, axis, hint, curves: [...curves, ...levels], x: longest(runs), log, shows: log ? [] : [0] };
  };
  const caution = (why: string | undefined) => (why ? ` Not to be ranked: ${why}.` : "");
  const shared = sharedPictureLoss(runs.map(({ config }) => config));
  const names = slotsOfAny(runs.map(({ config }) => config));
  const slots = [...(shared ? [shared] : []), ...names.filter((name) => name !== shared)].map((name) => {
    const some = runs.filter(({ config }) => config.lossWeights[name] !== undefined);
    const why = whyUnranked(name, some);
    // Of several formulas no one axis is right.
    const { title, hint, axis } = otherDefinition(name, some) ? LOSS_TEXTS[name] : textOf(name, some[0].config);
    const missing =
      some.length < runs.length
        ? ` Only ${list(some.map((run) => run.name))} log${some.length > 1 ? "" : "s"} it.`
        : "";
    const said = isPictureLoss(name) ? `Mean over identities.${name === "random-features" ? ` ${hint}` : ""}` : hint;
    return chart(name, title, axis, `${said}${missing}${caution(why)}`, some, name, levelsOf(name, some));
  });
  const totals = groupsOfTotal(runs).map((some, i, all) => {
    const alone = all.length > 1;
    const why = alone
      ? ` In a chart of its own: ${otherDefinition("loss", runs) ?? otherPictures(runs)}.`
      : caution(whyUnranked("loss", runs));
    const title = alone ? `Total loss of ${list(some.map(({ name }) => name))}` : "Total loss";
    return chart(`loss${i}`, title, "weighted sum", `${some[0].config.losses.loss}.${why}`, some, "loss");
  });
  return [...slots, ...totals];
}

/** What an adversary that knows nothing scores, where that is one number. */
function levelsOf(name: Loss, runs: readonly Compared[]): NamedCurve[] {
  const counts = new Set(runs.map(({ config }) => config.identities.length));
  if (name !== "adversary" || counts.size > 1 || !runs.some(({ step }) => step > 0)) return [];
  return [guess([...counts][0], longest(runs)[1])];
}

function measureCharts(runs: readonly Compared[]): Chart[] {
  const chart = (
    id: keyof ReturnType<typeof parts>,
    title: string,
    axis: string,
    hint: string,
    against: readonly NamedCurve[],
  ): Chart => ({
    id,
    title,
    axis,
    hint,
    curves: [
      ...runs.map(({ name, metrics, tone, style }) => ({
        label: name,
        group: curve(
          looks(metrics, (measures) => (settled(measures) ? parts(measures)[id] : Number.NaN)),
          tone,
          style,
        ),
      })),
      ...against,
    ],
    x: longest(runs),
    shows: [0, 1],
  });
  const x = longest(runs);
  const bound = (index: number): NamedCurve[] => {
    const value = bounds(runs)[index];
    return value === undefined ? [] : [level("the gate's threshold", value, x, "gate", "dotted")];
  };
  const constant = level("constant picture", 1, x, "constant", "dashed");
  const ceiling = level("ceiling", 1, x, "ceiling", "dashed");
  return [
    chart(
      "t",
      "t: how far the swap went",
      "t ÷ its ceiling",
      "0 is the source's face, 1 as far as the target's own reconstruction. Passes above the dotted line.",
      [ceiling, ...bound(0)],
    ),
    chart(
      "swapError",
      "Swap error",
      "error ÷ constant picture's error",
      "Distance of the swap from the true swap. Passes below the dotted line.",
      [constant, ...bound(1)],
    ),
    chart(
      "poseCorrelation",
      "Pose correlation",
      "correlation ÷ its ceiling",
      "Whether the swap follows the source's pose. Passes above the dotted line.",
      [ceiling, ...bound(2)],
    ),
    chart(
      "reconstruction",
      "Reconstruction",
      "error ÷ constant picture's error",
      "Both identities, held-out pictures. Lower is better; it says nothing about the swap.",
      [constant],
    ),
  ];
}

/** Whether the ceilings are far enough from zero to divide by; in the first steps they may not be. */
const settled = (measures: AnyMeasures): boolean =>
  !knowsSwap(measures) || Math.min(measures.tCeiling, measures.poseCorrelationCeiling) >= 0.1;

/** All measures of a run, those of the end among them. */
function looks({ measures, final }: Compared["metrics"], of: (measures: AnyMeasures) => number): Series {
  const all = [
    ...measures.map(({ step, measures: one }) => ({ step, one })),
    ...(final ? [{ step: final.step, one: final.final }] : []),
  ];
  return { x: all.map(({ step }) => step), y: all.map(({ one }) => of(one)) };
}

/** Of the gates, in their order, if the true swap of any run is known. */
function bounds(runs: readonly Compared[]): number[] {
  const known = runs
    .map(({ look }) => look?.measures)
    .find((measures) => measures !== undefined && knowsSwap(measures));
  return known && knowsSwap(known) ? gates(known).map((gate) => boundOf(gate).bound) : [];
}
