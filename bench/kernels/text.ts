import { table } from "../../src/cli/table.js";
import { type Climb, describe } from "./climb.js";
import type { Figures } from "./figures.js";
import type { Ladder } from "./ladder.js";
import type { Reading } from "./timing.js";

const short = (value?: number) =>
  value === undefined ? "" : value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);

/** The rate that rungs are compared by. */
const rateBy = ({ rate, cpuRate }: Figures, by: keyof Reading) => (by === "cpu" ? cpuRate : rate);

const unitOf = ({ limit }: Ladder, by: keyof Reading) =>
  `${limit === "arithmetic" ? "GFLOP" : "GB"}/${by === "cpu" ? "cpu-s" : "s"}`;

/** A climb for the screen. */
export function climbText(
  ladder: Ladder,
  climb: Climb,
  figures: readonly (Figures | null)[],
  by: keyof Reading,
): string {
  const { op, shape, sizes, work, results } = climb;
  const much = `${(work / 1e6).toFixed(1)} ${ladder.limit === "arithmetic" ? "MFLOP" : "MB"}`;
  const most = Math.max(...figures.map((own) => (own ? rateBy(own, by) : 0)));
  const cpu = by === "cpu" ? [unitOf(ladder, "cpu")] : [];
  const head = ["rung", "ms", "spread", "best", unitOf(ladder, "wall"), "% of roof", ...cpu, "× before", "× first", ""];
  const notes: string[] = [];
  const rows = results.flatMap(({ rung, wrong, skipped }, i) => {
    const own = figures[i];
    if (!own) {
      notes.push(wrong ? `${rung}: WRONG, not timed: ${wrong}` : `${rung}: skipped, ${skipped}`);
      return [];
    }
    if (own.ofRoof > 1 && ladder.limit === "arithmetic")
      notes.push(`${rung}: beyond the roof, so one of them is wrong`);
    const cells = [
      own.ms.toPrecision(4),
      `±${(100 * own.spread).toFixed(0)} %`,
      own.best.toPrecision(4),
      short(own.rate),
    ];
    const compared = [...(by === "cpu" ? [short(own.cpuRate)] : []), short(own.before), short(own.first)];
    const mark = rateBy(own, by) === most ? "← best" : "";
    return [[rung, ...cells, (100 * own.ofRoof).toFixed(1), ...compared, mark]];
  });
  return [`${op}, ${shape}: ${describe(sizes)} (${much})`, table([head, ...rows], [0, head.length - 1]), ...notes]
    .join("\n")
    .replaceAll("\n", "\n  ");
}

/** A ladder's rates at all of its shapes, if there are several: what compares them best. */
export function summaryText(
  ladder: Ladder,
  climbs: readonly (Climb & { figures: readonly (Figures | null)[] })[],
  by: keyof Reading,
): string {
  const names = [...new Set(climbs.flatMap(({ results }) => results.map(({ rung }) => rung)))];
  const rows = names.map((name) => [
    name,
    ...climbs.map(({ results, figures }) => {
      const own = figures[results.findIndex(({ rung }) => rung === name)];
      return own ? short(rateBy(own, by)) : "";
    }),
  ]);
  const head = [`${ladder.op}, ${unitOf(ladder, by)}`, ...climbs.map(({ shape }) => shape)];
  return table([head, ...rows], [0]);
}
