import { figureOf, median, spreadOf } from "../../src/bench/statistics.js";
import type { Climb, Result } from "./climb.js";
import type { Reading } from "./timing.js";

/** What a rung's readings come to. */
export interface Figures {
  /** Of one run, by the clock: the median, the least, and half the distance of the quartiles as a part of the median. */
  readonly ms: number;
  readonly best: number;
  readonly spread: number;
  /** 10⁹ FLOPs, or bytes of x read once, in a second: by the clock, and by seconds of CPU in the driver's threads. */
  readonly rate: number;
  readonly cpuRate: number;
  /** The best run as a part of the roof. */
  readonly ofRoof: number;
  /** How many times faster than the rung before that was timed, and than the first one. */
  readonly before?: number;
  readonly first?: number;
}

/**
 * The figures of each rung that was timed, in the ladder's order.
 * @param roof 10⁹ FLOPs or bytes in a second
 * @param by which of the two times rungs are compared by: on a CPU adapter, another load on the machine hardly touches "cpu"
 */
export function figuresOf({ work, results }: Climb, roof: number, by: keyof Reading): Map<Result, Figures> {
  const timed = results.filter(({ readings }) => readings.length > 0);
  return new Map(
    timed.map((result, i) => {
      const { median: ms, least, ...rest } = figureOf(result.readings.map(({ wall }) => wall));
      const cpu = median(result.readings.map((reading) => reading.cpu));
      const figures = {
        ...{ ms, best: least, spread: spreadOf({ median: ms, least, ...rest }) },
        ...{ rate: work / ms / 1e6, cpuRate: work / cpu / 1e6, ofRoof: work / least / 1e6 / roof },
      };
      if (i === 0) return [result, figures];
      const faster = (than: Result) => ratio(than.readings, result.readings, by);
      return [result, { ...figures, before: faster(timed[i - 1]), first: faster(timed[0]) }];
    }),
  );
}

/** How many times faster b is than a: the median of the ratios of readings that were taken in the same round. */
export function ratio(a: readonly Reading[], b: readonly Reading[], by: keyof Reading): number {
  const rounds = Math.min(a.length, b.length);
  return median(Array.from({ length: rounds }, (_, i) => a[i][by] / b[i][by]));
}
