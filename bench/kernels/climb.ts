import type { Gpu } from "../../src/engine/gpu.js";
import { targetOf } from "../../src/engine/program.js";
import { bytes } from "../../src/engine/shape.js";
import { check, type Verdict } from "./check.js";
import { flopsOf, type Ladder, type Problem, type Rung, type Sizes } from "./ladder.js";
import { ProblemMemory, type Ready } from "./problemMemory.js";
import type { Roof } from "./roof.js";
import { type Reading, Timer } from "./timing.js";

/** What became of a rung. A reading each round, in ms; none unless it is right. */
export interface Result {
  readonly rung: string;
  readonly skipped?: string;
  readonly wrong?: string;
  readonly margin?: number;
  readonly readings: Reading[];
}

export interface Climb {
  readonly op: string;
  readonly shape: string;
  readonly sizes: Sizes;
  /** FLOPs, or bytes of x, of one run; and the FLOPs, or bytes, of the roof's kernel and its readings in ms. */
  readonly work: number;
  readonly roof: { readonly work: number; readonly readings: Reading[] };
  readonly results: Result[];
}

/** Changes a problem's rungs: a test plants faults with it. */
export type Change = (rungs: Rung[]) => Rung[];
const unchanged: Change = (rungs) => rungs;

const SEED = 500;
/** One reading takes about so long, so that submitting and waiting (.03 ms) do not count. */
export const READING_MS = 25;
/** A rung slower than this takes part in the first SLOW_ROUNDS rounds only. */
const SLOW_MS = 700;
const SLOW_ROUNDS = 3;

/** Checks every rung at the odd sizes. @returns the first fault, by the rung's name; rungs that are right have none */
export async function checkOdd(gpu: Gpu, ladder: Ladder, change = unchanged): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  for (const [i, sizes] of ladder.odd.entries()) {
    const found = await checkAt(gpu, ladder.problem(sizes, SEED + i), change);
    for (const [name, { margin, fault }] of found) {
      const before = verdicts.get(name);
      const text = fault && `${fault}, at ${describe(sizes)}`;
      verdicts.set(name, { margin: Math.max(margin, before?.margin ?? 0), fault: before?.fault ?? text });
    }
  }
  return verdicts;
}

async function checkAt(gpu: Gpu, problem: Problem, change: Change): Promise<Map<string, Verdict>> {
  const memory = new ProblemMemory(gpu, problem.node, problem.inputs);
  const reference = problem.reference();
  const verdicts = new Map<string, Verdict>();
  for (const { name, skip, dispatches } of change(problem.rungs(targetOf(gpu)))) {
    if (skip) continue;
    const ready = await memory.prepare(dispatches());
    verdicts.set(name, await check(gpu, memory, ready, problem.node.shape, reference));
    ready.destroy();
  }
  memory.destroy();
  return verdicts;
}

/**
 * Checks the rungs at a shape and times those that are right there and at the odd sizes: interleaved, a reading each in
 * every round, and one of the roof, so that whatever else the machine does meets all of them.
 */
export async function climb(
  gpu: Gpu,
  ladder: Ladder,
  shape: string,
  sizes: Sizes,
  odd: ReadonlyMap<string, Verdict>,
  roof: Roof,
  rounds: number,
  change = unchanged,
): Promise<Climb> {
  const target = targetOf(gpu);
  const problem = ladder.problem(sizes, SEED);
  const memory = new ProblemMemory(gpu, problem.node, problem.inputs);
  const reference = problem.reference();
  const results: Result[] = [];
  const timer = new Timer(gpu);
  const roofReadings: Reading[] = [];
  const running = [runner(roof.ready, roof.expected, rounds, roofReadings)];
  for (const { name, skip, dispatches } of change(problem.rungs(target))) {
    const readings: Reading[] = [];
    if (skip) {
      results.push({ rung: name, skipped: skip, readings });
      continue;
    }
    const before = odd.get(name);
    const ready = await memory.prepare(dispatches());
    const verdict = before?.fault ? before : await check(gpu, memory, ready, problem.node.shape, reference);
    results.push({ rung: name, wrong: verdict.fault, margin: verdict.margin, readings });
    if (verdict.fault) {
      ready.destroy();
      continue;
    }
    // The check's run compiled the kernels; this one says how long a run takes.
    running.push(runner(ready, (await timer.read(ready)).wall, rounds, readings));
  }
  for (let round = 0; round < rounds; round++) {
    for (const each of running) {
      if (round >= each.rounds) continue;
      const reading = await timer.read(each.ready, each.repeats, each.expected);
      each.readings.push(reading);
      each.expected = Math.min(each.expected, reading.wall); // never oversleep
    }
  }
  for (const { ready } of running) if (ready !== roof.ready) ready.destroy();
  memory.destroy();
  timer.destroy();
  const work = ladder.roof === "fma" ? flopsOf(problem, target) : bytes(sizes.x);
  return { op: ladder.op, shape, sizes, work, roof: { work: roof.work, readings: roofReadings }, results };
}

/** How a rung that takes `expected` ms is timed. */
const runner = (ready: Ready, expected: number, rounds: number, readings: Reading[]) => ({
  ready,
  expected,
  repeats: Math.max(1, Math.min(200, Math.round(READING_MS / expected))),
  rounds: expected > SLOW_MS ? Math.min(rounds, SLOW_ROUNDS) : rounds,
  readings,
});

/** Sizes in words: "x 8×32×32×32, w 3×3×32×64, padding 1". */
export const describe = (sizes: Sizes): string =>
  Object.entries(sizes)
    .map(([name, value]) => {
      if (!Array.isArray(value)) return `${name} ${typeof value === "object" ? Object.values(value).join("/") : value}`;
      return `${name} ${value.join(name === "axes" ? "," : "×")}`;
    })
    .join(", ");
