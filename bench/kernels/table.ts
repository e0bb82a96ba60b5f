import { bytes } from "../../src/engine/shape.js";
import { type Climb, describe, type Result } from "./climb.js";
import type { Ladder } from "./ladder.js";
import { median, ratio, spread } from "./statistics.js";

/** What a rung's readings come to. */
export interface Figures {
  /** Of one run: the median, the least, and the range of the middle half as a fraction of it. */
  readonly ms: number;
  readonly best: number;
  readonly spread: number;
  /** GFLOP/s, or GB/s of x read once, by the ladder's roof; and as a fraction of that roof. */
  readonly rate: number;
  readonly ofRoof: number;
  /** How many times faster than the right rung before, and than the first one. */
  readonly before?: number;
  readonly first?: number;
}

/** The figures of each rung that was timed, in the ladder's order. `roof` in GFLOP/s or GB/s, by the ladder. */
export function figuresOf(ladder: Ladder, { sizes, flops, results }: Climb, roof: number): Map<Result, Figures> {
  const timed = results.filter(({ times }) => times.length > 0);
  const work = ladder.roof === "fma" ? flops : bytes(sizes.x);
  return new Map(
    timed.map((result, i) => {
      const ms = median(result.times);
      const rate = work / ms / 1e6;
      const before = i > 0 ? ratio(timed[i - 1].times, result.times) : undefined;
      const first = i > 0 ? ratio(timed[0].times, result.times) : undefined;
      return [
        result,
        { ms, best: Math.min(...result.times), spread: spread(result.times), rate, ofRoof: rate / roof, before, first },
      ];
    }),
  );
}

/** A climb in lines for the screen. */
export function table(ladder: Ladder, climb: Climb, roof: number): string[] {
  const { op, shape, sizes, flops, results } = climb;
  const figures = figuresOf(ladder, climb, roof);
  const fastest = Math.min(...[...figures.values()].map(({ ms }) => ms));
  const [unit, ofRoof] = ladder.roof === "fma" ? ["GFLOP/s", "% of FMA roof"] : ["GB/s", "% of copy roof"];
  const width = Math.max(20, ...results.map(({ rung }) => rung.length)) + 2;
  const work = ladder.roof === "fma" ? `${(flops / 1e6).toFixed(1)} MFLOP` : `${(bytes(sizes.x) / 1e6).toFixed(1)} MB`;
  const lines = [
    `${op}, ${shape}: ${describe(sizes)} (${work})`,
    `  ${"rung".padEnd(width)}${"ms".padStart(9)}${"spread".padStart(8)}${"best".padStart(9)}${unit.padStart(10)}` +
      `${ofRoof.padStart(16)}${"× before".padStart(10)}${"× first".padStart(10)}`,
  ];
  const times = (value?: number) => (value === undefined ? "" : value < 10 ? value.toFixed(2) : value.toFixed(1));
  for (const result of results) {
    const head = `  ${result.rung.padEnd(width)}`;
    const own = figures.get(result);
    if (own) {
      const rate = own.rate < 10 ? own.rate.toFixed(2) : own.rate.toFixed(1);
      const cells = [
        own.ms.toPrecision(4).padStart(9),
        `±${Math.round(50 * own.spread)} %`.padStart(8),
        own.best.toPrecision(4).padStart(9),
        rate.padStart(10),
        (100 * own.ofRoof).toFixed(1).padStart(16),
        times(own.before).padStart(10),
        times(own.first).padStart(10),
      ];
      const over = own.ofRoof > 1 ? "  beyond the roof: another load on the machine?" : "";
      lines.push(`${head}${cells.join("")}${own.ms === fastest ? "  ← fastest" : ""}${over}`);
    } else {
      lines.push(result.wrong ? `${head}WRONG, not timed: ${result.wrong}` : `${head}skipped: ${result.skipped}`);
    }
  }
  return lines;
}
