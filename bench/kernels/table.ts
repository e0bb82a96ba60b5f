import { type Climb, describe, type Result } from "./climb.js";
import type { Ladder } from "./ladder.js";
import { median, ratio, spread } from "./statistics.js";
import type { Reading } from "./timing.js";

/** What a rung's readings come to. */
export interface Figures {
  /** Of one run: the median, the least, and the range of the middle half as a fraction of the median. */
  readonly ms: number;
  readonly best: number;
  readonly spread: number;
  /** GFLOP/s, or GB/s of x read once, by the ladder's roof; and as a fraction of that roof in the same rounds. */
  readonly rate: number;
  /** The same by seconds of CPU in the driver's threads: on CPU adapters, what another load on the machine spares. */
  readonly cpuRate: number;
  readonly ofRoof: number;
  /** How many times faster than the right rung before, and than the first one, in the same rounds. */
  readonly before?: number;
  readonly first?: number;
}

/** The figures of each rung that was timed, in the ladder's order. */
export function figuresOf({ work, roof, results }: Climb): Map<Result, Figures> {
  const wall = ({ readings }: { readings: Reading[] }) => readings.map((reading) => reading.wall);
  const timed = results.filter(({ readings }) => readings.length > 0);
  return new Map(
    timed.map((result, i) => {
      const times = wall(result);
      const ms = median(times);
      const cpuMs = median(result.readings.map(({ cpu }) => cpu));
      const figures = { ms, best: Math.min(...times), spread: spread(times), rate: work / ms / 1e6 };
      const rates = { cpuRate: work / cpuMs / 1e6, ofRoof: (ratio(wall(roof), times) * work) / roof.work };
      const steps = i > 0 && { before: ratio(wall(timed[i - 1]), times), first: ratio(wall(timed[0]), times) };
      return [result, { ...figures, ...rates, ...steps }];
    }),
  );
}

/** A climb in lines for the screen; of a CPU adapter with rates by CPU seconds. */
export function table(ladder: Ladder, climb: Climb, cpu: boolean): string[] {
  const { op, shape, sizes, work, roof, results } = climb;
  const figures = figuresOf(climb);
  const fastest = Math.min(...[...figures.values()].map(({ ms }) => ms));
  const arithmetic = ladder.roof === "fma";
  const unit = arithmetic ? "GFLOP/s" : "GB/s";
  const much = `${(work / 1e6).toFixed(1)} ${arithmetic ? "MFLOP" : "MB"}`;
  const limit = `${arithmetic ? "FMAs" : "copying"} ${(roof.work / median(roof.readings.map(({ wall }) => wall)) / 1e6).toFixed(1)} ${unit}`;
  const width = Math.max(20, ...results.map(({ rung }) => rung.length)) + 2;
  const lines = [
    `${op}, ${shape}: ${describe(sizes)} (${much}; meanwhile ${limit})`,
    `  ${"rung".padEnd(width)}${"ms".padStart(9)}${"spread".padStart(8)}${"best".padStart(9)}${unit.padStart(10)}` +
      `${cpu ? (arithmetic ? "GF/cpu-s" : "GB/cpu-s").padStart(10) : ""}${"% of roof".padStart(11)}${"× before".padStart(10)}${"× first".padStart(10)}`,
  ];
  const short = (value?: number) => (value === undefined ? "" : value < 10 ? value.toFixed(2) : value.toFixed(1));
  for (const result of results) {
    const head = `  ${result.rung.padEnd(width)}`;
    const own = figures.get(result);
    if (own) {
      const cells = [
        own.ms.toPrecision(4).padStart(9),
        `±${Math.round(50 * own.spread)} %`.padStart(8),
        own.best.toPrecision(4).padStart(9),
        short(own.rate).padStart(10),
        cpu ? short(own.cpuRate).padStart(10) : "",
        (100 * own.ofRoof).toFixed(1).padStart(11),
        short(own.before).padStart(10),
        short(own.first).padStart(10),
      ];
      lines.push(`${head}${cells.join("")}${own.ms === fastest ? "  ← fastest" : ""}`);
      if (own.ofRoof > 1 && arithmetic)
        lines.push("    beyond the roof: its FLOPs are counted wrongly, or the roof is low");
    } else {
      lines.push(result.wrong ? `${head}WRONG, not timed: ${result.wrong}` : `${head}skipped: ${result.skipped}`);
    }
  }
  return lines;
}
