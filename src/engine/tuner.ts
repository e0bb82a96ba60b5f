import { signatureOf, suited } from "./candidates.js";
import { GpuError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import type { Dispatch, Node, Target } from "./graph.js";
import { Launches } from "./launch.js";
import { type Entrant, READING, race, untimed, winner } from "./race.js";
import { compileKernel } from "./shader.js";
import { Stopwatch } from "./stopwatch.js";
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
  /**
   * Seconds after which kernels that this device has not run yet are left out, but for an op's first candidate: a driver
   * may take seconds to compile each. Default: no limit.
   */
  readonly patience?: number;
  /** Told before the first measurement how many choices are to be measured. */
  readonly onStart?: (count: number) => void;
}

/** A node of a signature that has to be decided. */
interface Job {
  readonly node: Node;
  readonly signature: string;
  readonly ways: readonly Way[];
  readonly kernels: string;
}

/** A candidate, lowered. */
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
  /** Candidates that were left out because it took too long. */
  leftOut = 0;
  /** Seconds spent measuring. */
  seconds = 0;
  /** Sources of the kernels that ran. */
  readonly #ran = new Set<string>();

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
    // All at once, since some drivers compile in parallel. What fails is met again below.
    const kernels = jobs.flatMap(({ ways }) => ways.flatMap(({ dispatches }) => dispatches.map((each) => each.kernel)));
    await Promise.allSettled(kernels.map((kernel) => compileKernel(gpu, kernel)));
    // Patience is for the drivers that compile at the first run: others have done it by now.
    const late = performance.now() + 1e3 * (this.options.patience ?? Number.POSITIVE_INFINITY);
    const workbench = await gpu.scoped(
      "making room to time kernels",
      async () =>
        new Workbench(
          gpu,
          jobs.map(({ ways }) => fitting(gpu, ways).map(({ dispatches }) => dispatches)),
        ),
    );
    const stopwatch = new Stopwatch(gpu, Math.max(...jobs.map(({ ways }) => ways.length)));
    const timings = new Map<string, Timing>();
    try {
      for (const job of jobs) {
        timings.set(job.signature, await this.#measure(gpu, workbench, stopwatch, job, late));
      }
    } finally {
      stopwatch.destroy();
      workbench.destroy();
    }
    gpu.check();
    return timings;
  }

  async #measure(gpu: Gpu, workbench: Workbench, stopwatch: Stopwatch, job: Job, late: number): Promise<Timing> {
    const { signature, ways, kernels } = job;
    const locate = workbench.place(fitting(gpu, ways).map(({ dispatches }) => dispatches));
    const entrants: Entrant[] = [];
    const failed: string[] = [];
    for (const way of ways) {
      const sources = way.dispatches.map(({ kernel }) => kernel.source);
      if (entrants.length && performance.now() > late && !sources.every((source) => this.#ran.has(source))) {
        this.leftOut++;
        continue;
      }
      for (const source of sources) this.#ran.add(source);
      try {
        entrants.push(await warmUp(gpu, stopwatch, way, locate));
      } catch (error) {
        gpu.check(); // a lost device is no candidate's fault
        if (!(error instanceof GpuError)) throw error;
        failed.push(`kernel "${way.name}" of ${signature} does not run on this adapter: ${oneLine(error.message)}`);
      }
    }
    if (!entrants.length) throw new GpuError(failed.join("; "));
    this.notes.push(...failed);
    await race(stopwatch, entrants);
    for (const { launches } of entrants) launches.destroy();
    const ms = Object.fromEntries(entrants.map(({ name, fastest }) => [name, Number(fastest.toPrecision(4))]));
    return { choice: winner(entrants), ms, kernels };
  }
}

const oneLine = (text: string): string => text.trim().replaceAll(/\s+/g, " ");

const fits = (gpu: Gpu, { dispatches }: Way): boolean => largestNeed(dispatches) <= gpu.device.limits.maxBufferSize;

const fitting = (gpu: Gpu, ways: readonly Way[]): Way[] => ways.filter((way) => fits(gpu, way));

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

/** Runs a candidate before it is timed: many drivers compile at the first dispatch. @throws GpuError if it cannot run */
async function warmUp(
  gpu: Gpu,
  stopwatch: Stopwatch,
  way: Way,
  locate: ReturnType<Workbench["place"]>,
): Promise<Entrant> {
  if (!fits(gpu, way)) throw new GpuError(`it needs ${largestNeed(way.dispatches)} bytes in one buffer`);
  let launches: Launches | undefined;
  try {
    await gpu.scoped("its first run", async () => {
      launches = await Launches.prepare(gpu, way.dispatches, locate);
      const encoder = gpu.device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      launches.encode(pass);
      pass.end();
      gpu.device.queue.submit([encoder.finish()]);
      await gpu.device.queue.onSubmittedWorkDone();
    });
  } catch (error) {
    launches?.destroy();
    throw error;
  }
  const [ms] = await stopwatch.time([{ launches: launches!, repeats: 1, expected: READING }]);
  return { name: way.name, launches: launches!, ...untimed(ms) };
}
