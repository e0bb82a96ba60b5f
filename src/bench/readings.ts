import type { Stopwatch, Timed } from "../engine/stopwatch.js";

/**
 * Readings of several launches in turn, so that what disturbs the machine for a while disturbs all of them. One turn goes
 * before: drivers compile kernels at their first dispatch, and it tells how long to sleep.
 * @returns for each, `count` times, seconds of one repetition
 * @throws GpuError
 */
export async function readings(
  stopwatch: Stopwatch,
  all: readonly Omit<Timed, "expected">[],
  count: number,
): Promise<number[][]> {
  const turns: number[][] = [];
  let timed = all.map((one): Timed => ({ ...one, expected: 0 }));
  for (let turn = 0; turn <= count; turn++) {
    const read = await stopwatch.time(timed);
    turns.push(read);
    timed = timed.map((one, i) => ({ ...one, expected: turn ? Math.min(one.expected, read[i]) : read[i] }));
  }
  return all.map((_, i) => turns.slice(1).map((read) => read[i] / 1e3));
}
