import { GpuError } from "../../src/engine/errors.js";
import type { Gpu } from "../../src/engine/gpu.js";
import { targetOf } from "../../src/engine/program.js";
import { bytes, type Shape } from "../../src/engine/shape.js";
import { check, type Verdict } from "./check.js";
import { flopsOf, type Ladder, type Reference, type Rung, type Sizes } from "./ladder.js";
import { ProblemMemory, type Ready } from "./problemMemory.js";
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
  /** FLOPs, or bytes of x, of one run: by the ladder's limit. */
  readonly work: number;
  readonly results: Result[];
}

/** Changes a problem's rungs: a test plants faults with it. */
export type Change = (rungs: Rung[]) => Rung[];
const unchanged: Change = (rungs) => rungs;

const SEED = 500;
/** One reading takes about so many ms, so that submitting and a clock's steps do not count. */
const READING = 25;
/** A rung slower than this takes part in the first rounds only. */
const SLOW = { ms: 700, rounds: 3 };

/** Checks every rung at the odd sizes. @returns the worst margin and the first fault, by the rung's name */
export async function checkOdd(gpu: Gpu, ladder: Ladder, change = unchanged): Promise<Map<string, Verdict>> {
  const verdicts = new Map<string, Verdict>();
  for (const [i, sizes] of ladder.odd.entries()) {
    const problem = ladder.problem(sizes, SEED + i);
    const memory = new ProblemMemory(gpu, problem.node, problem.inputs);
    const reference = problem.reference();
    for (const rung of change(problem.rungs(targetOf(gpu)))) {
      if (rung.skip) continue;
      const { ready, margin, fault } = await tried(gpu, memory, rung, problem.node.shape, reference);
      ready?.destroy();
      const before = verdicts.get(rung.name);
      const text = fault && `${fault}, at ${describe(sizes)}`;
      verdicts.set(rung.name, { margin: Math.max(margin, before?.margin ?? 0), fault: before?.fault ?? text });
    }
    memory.destroy();
  }
  return verdicts;
}

/**
 * Checks the rungs at a shape and times those that are right there and at the odd sizes: interleaved, a reading each in
 * every round, so that whatever else the machine does meets all of them.
 */
export async function climb(
  gpu: Gpu,
  ladder: Ladder,
  [shape, sizes]: readonly [string, Sizes],
  odd: ReadonlyMap<string, Verdict>,
  rounds: number,
  change = unchanged,
): Promise<Climb> {
  const target = targetOf(gpu);
  const problem = ladder.problem(sizes, SEED);
  const memory = new ProblemMemory(gpu, problem.node, problem.inputs);
  const reference = problem.reference();
  const timer = new Timer(gpu);
  const results: Result[] = [];
  const running: Running[] = [];
  for (const rung of change(problem.rungs(target))) {
    const readings: Reading[] = [];
    if (rung.skip) {
      results.push({ rung: rung.name, skipped: rung.skip, readings });
      continue;
    }
    const {
      ready,
      margin,
      fault = odd.get(rung.name)?.fault,
    } = await tried(gpu, memory, rung, problem.node.shape, reference);
    results.push({ rung: rung.name, wrong: fault, margin, readings });
    // The check's run compiled the kernels; this one says how long a run takes.
    if (ready && !fault) running.push({ ready, expected: (await timer.read(ready)).wall, readings });
    else ready?.destroy();
  }
  const long = running.filter(({ expected }) => expected > SLOW.ms);
  for (let round = 0; round < rounds; round++) {
    for (const each of running) {
      if (round >= SLOW.rounds && long.includes(each)) continue;
      const repeats = Math.max(1, Math.min(200, Math.round(READING / each.expected)));
      const reading = await timer.read(each.ready, repeats, each.expected);
      each.readings.push(reading);
      each.expected = Math.min(each.expected, reading.wall); // never oversleep
    }
  }
  for (const { ready } of running) ready.destroy();
  timer.destroy();
  memory.destroy();
  const work = ladder.limit === "arithmetic" ? flopsOf(problem, target) : bytes(sizes.x);
  return { op: ladder.op, shape, sizes, work, results };
}

/** A rung that is right, and ms that one run takes, roughly. */
interface Running {
  readonly ready: Ready;
  expected: number;
  readonly readings: Reading[];
}

/** Makes a rung ready and checks it. One that does not compile is as wrong as one that computes something else. */
async function tried(
  gpu: Gpu,
  memory: ProblemMemory,
  { dispatches, bound }: Rung,
  shape: Shape,
  reference: Reference,
): Promise<Verdict & { ready?: Ready }> {
  try {
    const ready = await memory.prepare(dispatches());
    return { ready, ...(await check(gpu, memory, ready, shape, bound ? { ...reference, bound: bound() } : reference)) };
  } catch (error) {
    if (!(error instanceof GpuError)) throw error;
    gpu.check(); // a lost device is no rung's fault
    return { margin: Number.POSITIVE_INFINITY, fault: error.message.split("\n")[0] };
  }
}

/** Sizes in words: "x 8×32×32×32, w 3×3×32×64, padding 1". */
export const describe = (sizes: Sizes): string =>
  Object.entries(sizes)
    .map(([name, value]) => {
      if (!Array.isArray(value)) return `${name} ${typeof value === "object" ? Object.values(value).join("/") : value}`;
      return `${name} ${value.join(name === "axes" ? "," : "×")}`;
    })
    .join(", ");
