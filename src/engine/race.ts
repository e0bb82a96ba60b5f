import type { Launches } from "./launch.js";
import type { Stopwatch, Timed } from "./stopwatch.js";

/** One reading should take so many milliseconds: clocks have steps (a browser's of .1 ms). */
export const READING = 3;
/** A race takes rounds until everybody's two fastest readings agree this well, or until it would have taken so many milliseconds. */
const ROUNDS = { least: 4, most: 12, agree: 0.02, ms: 120 };
/** Who takes this many times as long as the fastest after three rounds is out. */
const HOPELESS = 2;
/** Who comes later in the list wins only if it takes less than this part of an earlier one's time. */
const CLEARLY = 0.92;

/** A kernel in a race, and what was read of it. */
export interface Entrant extends Timed {
  readonly name: string;
  readonly launches: Launches;
  expected: number;
  /** The two fastest readings, in milliseconds of one repetition. */
  fastest: number;
  second: number;
}

/** How an entrant begins. @param expected milliseconds of one repetition, roughly */
export const untimed = (expected: number): Omit<Entrant, "name" | "launches"> => ({
  expected,
  repeats: Math.min(1000, Math.max(1, Math.round(READING / expected))),
  fastest: Number.POSITIVE_INFINITY,
  second: Number.POSITIVE_INFINITY,
});

/** Times kernels round by round, so that what else the machine does meanwhile slows none of them alone. */
export async function race(stopwatch: Pick<Stopwatch, "time">, entrants: readonly Entrant[]): Promise<void> {
  let running = [...entrants];
  for (let round = 1; round <= ROUNDS.most; round++) {
    // Another one begins each time: the first finds the adapter idle.
    const from = round % running.length;
    const turn = [...running.slice(from), ...running.slice(0, from)];
    const read = await stopwatch.time(turn);
    turn.forEach((entrant, i) => {
      const ms = read[i];
      entrant.second = Math.min(entrant.second, Math.max(ms, entrant.fastest));
      entrant.fastest = Math.min(entrant.fastest, ms);
      entrant.expected = entrant.fastest;
    });
    // What a round would take undisturbed: a busy machine must not make it a race of two rounds.
    const undisturbed = running.reduce((total, { fastest, repeats }) => total + fastest * repeats, 0);
    if (round >= 2 && round * undisturbed > ROUNDS.ms) return;
    if (round < 3) continue;
    const best = Math.min(...running.map(({ fastest }) => fastest));
    running = running.filter(({ fastest }) => fastest <= HOPELESS * best);
    const agreed = running.every(({ fastest, second }) => second <= (1 + ROUNDS.agree) * fastest);
    if (running.length === 1 || (agreed && round >= ROUNDS.least)) return;
  }
}

/**
 * The first in the list that nobody is clearly faster than, so that a choice does not change from one race to the next.
 * What counts is the fastest reading: whatever else a machine does can only add to one. (On two cores that others used
 * too, a kernel raced against itself differed by less than 3 % in 9 races of 10, and by more than 8 % in 6 of 100.)
 */
export function winner(entrants: readonly Pick<Entrant, "name" | "fastest">[]): string {
  const best = Math.min(...entrants.map(({ fastest }) => fastest));
  return entrants.find(({ fastest }) => CLEARLY * fastest <= best)!.name;
}
