import { signatureOf, suited } from "./candidates.js";
import { GpuError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import type { Dispatch, Node, Target } from "./graph.js";
import { Launches } from "./launch.js";
import { compileKernel } from "./shader.js";
import { Stopwatch, type Timed } from "./stopwatch.js";
import { largestNeed, Workbench } from "./workbench.js";

/** What was measured of one signature. */
export interface Timing {
  /** The candidate to use. */
  readonly choice: string;
  /** Milliseconds by candidate; those that do not run are not in it. */
  readonly ms: Readonly<Record<string, number>>;
  /** SHA-256 of the candidates' kernels, numbers and grids: of changed kernels it says nothing. */
  readonly kernels: string;
}

/** Remembers what was measured on one adapter. */
export interface TuneCache {
  get(signature: string): Timing | undefined;
  /** Keeps what was measured for a program, by signature. */
  set(timings: ReadonlyMap<string, Timing>): void;
}

/** A choice among an op's candidates, and what it rests on. */
export interface Decision extends Timing {
  readonly signature: string;
  /** What is taken without a tuner. */
  readonly standard: string;
  /** false: from the cache. */
  readonly measured: boolean;
}

export interface TunerOptions {
  /** Measure what the cache knows, too. */
  readonly force?: boolean;
  /** Told before the first measurement how many choices are to be measured. */
  readonly onStart?: (count: number) => void;
}

/** One reading should take so long, in milliseconds: clocks have steps (Dawn's of .07 ms, browsers' of .1 ms). */
const READING = 3;
/** Rounds over all candidates, until each one's two fastest readings agree, or for so many milliseconds. */
const ROUNDS = { least: 4, most: 12, agree: 0.02, ms: 120 };
/** A candidate that takes this many times the fastest's time is not timed any further. */
const HOPELESS = 2;
/** A candidate stays behind those that its op lists before it, unless it takes less than this part of their time. */
const CLEARLY = 0.92;

/** A node of a signature that has to be decided. */
interface Job {
  readonly node: Node;
  readonly signature: string;
  readonly ways: readonly Way[];
  readonly kernels: string;
}

/** A candidate with its dispatches. */
interface Way {
  readonly name: string;
  readonly dispatches: readonly Dispatch[];
}

/** Times the candidates of a program's ops on its adapter, and chooses. One tuner serves one device. */
export class Tuner {
  /** All choices so far. */
  readonly decisions: Decision[] = [];
  /** Candidates that do not run on this adapter, each in a line. */
  readonly notes: string[] = [];
  /** Seconds spent measuring. */
  seconds = 0;

  constructor(
    private readonly cache: TuneCache,
    private readonly options: TunerOptions = {},
  ) {}

  /**
   * @param nodes as they will be laid out
   * @param target ops that its `kernels` names a kernel for are left alone
   * @returns the name of a kernel for each signature that has several which suit the adapter
   * @throws GpuError where all kernels of an op fail
   */
  async choose(gpu: Gpu, nodes: readonly Node[], target: Target): Promise<Record<string, string>> {
    const jobs = await jobsOf(nodes, target);
    const decided = new Map<string, Decision>();
    for (const { signature, ways, kernels } of this.options.force ? [] : jobs) {
      const known = this.cache.get(signature);
      if (known?.kernels !== kernels || !ways.some(({ name }) => name === known.choice)) continue;
      decided.set(signature, { ...known, signature, standard: ways[0].name, measured: false });
    }
    const open = jobs.filter(({ signature }) => !decided.has(signature));
    if (open.length) {
      this.options.onStart?.(open.length);
      const begin = performance.now();
      const timings = await this.#measureAll(gpu, open);
      this.seconds += (performance.now() - begin) / 1e3;
      for (const { signature, ways } of open) {
        decided.set(signature, { ...timings.get(signature)!, signature, standard: ways[0].name, measured: true });
      }
      this.cache.set(timings);
    }
    const inOrder = jobs.map(({ signature }) => decided.get(signature)!);
    this.decisions.push(...inOrder);
    return Object.fromEntries(inOrder.map(({ signature, choice }) => [signature, choice]));
  }

  async #measureAll(gpu: Gpu, jobs: readonly Job[]): Promise<Map<string, Timing>> {
    // All at once, since drivers compile in parallel. What fails is met again below.
    const kernels = jobs.flatMap(({ ways }) => ways.flatMap(({ dispatches }) => dispatches.map((each) => each.kernel)));
    await Promise.allSettled(kernels.map((kernel) => compileKernel(gpu, kernel)));
    const limit = gpu.device.limits.maxBufferSize;
    const fitting = (job: Job) => job.ways.filter(({ dispatches }) => largestNeed(dispatches) <= limit);
    const dispatchesOf = (ways: readonly Way[]) => ways.map(({ dispatches }) => dispatches);
    const workbench = await gpu.scoped(
      "making room to time kernels",
      async () => new Workbench(gpu, jobs.map(fitting).map(dispatchesOf)),
    );
    const stopwatch = new Stopwatch(gpu, Math.max(...jobs.map(({ ways }) => ways.length)));
    const timings = new Map<string, Timing>();
    try {
      for (const job of jobs) {
        const ways = fitting(job);
        const locate = workbench.place(dispatchesOf(ways));
        const runners: Runner[] = [];
        const failed: string[] = [];
        for (const way of ways) {
          try {
            runners.push(await warmUp(gpu, stopwatch, way, locate));
          } catch (error) {
            gpu.check(); // a lost device is no candidate's fault
            if (!(error instanceof GpuError)) throw error;
            failed.push(`${job.node.op.name} "${way.name}" does not run on this adapter: ${error.message}`);
          }
        }
        if (!runners.length) throw new GpuError(`no kernel of ${job.signature} runs on this adapter; ${failed[0]}`);
        this.notes.push(...failed);
        await timeAll(stopwatch, runners);
        for (const { launches } of runners) launches.destroy();
        const ms = Object.fromEntries(runners.map(({ name, fastest }) => [name, Number(fastest.toPrecision(4))]));
        timings.set(job.signature, { choice: choiceOf(runners), ms, kernels: job.kernels });
      }
    } finally {
      stopwatch.destroy();
      workbench.destroy();
    }
    gpu.check();
    return timings;
  }
}

async function jobsOf(nodes: readonly Node[], target: Target): Promise<Job[]> {
  const jobs = new Map<string, Job>();
  for (const node of nodes) {
    const { op } = node;
    if (!op.candidates || (target.kernels[op.name] ?? target.kernels["*"]) !== undefined) continue;
    const signature = signatureOf(node);
    if (jobs.has(signature) || target.kernels[signature] !== undefined) continue;
    const candidates = suited(op.candidates(node, target), target);
    if (candidates.length < 2) continue;
    const ways = candidates.map(({ name, dispatches }) => ({ name, dispatches: dispatches() }));
    jobs.set(signature, { node, signature, ways, kernels: await hash(ways) });
  }
  return [...jobs.values()];
}

async function hash(ways: readonly Way[]): Promise<string> {
  const text = ways.map(({ name, dispatches }) => [
    name,
    dispatches.map(({ kernel, uniform, groups }) => [kernel.source, uniform, groups]),
  ]);
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(JSON.stringify(text)));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A candidate that runs, and what was read of it. */
interface Runner extends Timed {
  readonly name: string;
  expected: number;
  /** The two fastest readings, in milliseconds. */
  fastest: number;
  second: number;
}

/** The first dispatch takes longer: many drivers compile in it. */
async function warmUp(
  gpu: Gpu,
  stopwatch: Stopwatch,
  { name, dispatches }: Way,
  locate: ReturnType<Workbench["place"]>,
): Promise<Runner> {
  let launches: Launches | undefined;
  try {
    const [ms] = await gpu.scoped(`kernel ${name}`, async () => {
      launches = await Launches.prepare(gpu, dispatches, locate);
      await stopwatch.time([{ launches, repeats: 1, expected: 0 }]);
      return stopwatch.time([{ launches, repeats: 1, expected: READING }]);
    });
    const repeats = Math.max(1, Math.round(READING / ms));
    const unknown = Number.POSITIVE_INFINITY;
    return { name, launches: launches!, repeats, expected: ms, fastest: unknown, second: unknown };
  } catch (error) {
    launches?.destroy();
    throw error;
  }
}

/** Round by round over all candidates, so that what else the machine does meanwhile slows none of them alone. */
async function timeAll(stopwatch: Stopwatch, runners: readonly Runner[]): Promise<void> {
  let running = [...runners];
  let spent = 0;
  for (let round = 1; round <= ROUNDS.most; round++) {
    // Another one begins each time: the first finds the adapter idle.
    const from = round % running.length;
    const turn = [...running.slice(from), ...running.slice(0, from)];
    const read = await stopwatch.time(turn);
    turn.forEach((runner, i) => {
      const ms = read[i];
      spent += ms * runner.repeats;
      runner.second = Math.min(runner.second, Math.max(ms, runner.fastest));
      runner.fastest = Math.min(runner.fastest, ms);
      runner.expected = runner.fastest;
    });
    if (round === 1) continue;
    const best = Math.min(...running.map(({ fastest }) => fastest));
    running = running.filter(({ fastest }) => fastest <= HOPELESS * best);
    const agreed = running.every(({ fastest, second }) => second <= (1 + ROUNDS.agree) * fastest);
    if (running.length === 1 || spent > ROUNDS.ms || (agreed && round >= ROUNDS.least)) return;
  }
}

/** The first in the op's own order that nothing is clearly faster than. */
function choiceOf(runners: readonly Runner[]): string {
  // The fastest reading: whatever else the machine does can only add to it.
  const best = Math.min(...runners.map(({ fastest }) => fastest));
  return runners.find(({ fastest }) => CLEARLY * fastest <= best)!.name;
}
