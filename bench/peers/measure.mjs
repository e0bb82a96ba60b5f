// Runs, checks and times the libraries side by side.
import { adapterCpuMs } from "./cpuTime.mjs";
import { launched } from "./launches.mjs";
import { median, pairedRatio, spread } from "./statistics.mjs";

/**
 * One way of one library to do a benchmark.
 * @typedef {object} Work
 * @property {string} variant "" where there is only one
 * @property {() => void | Promise<void>} run queues one repetition
 * @property {() => Promise<void>} settle waits for all that was queued
 * @property {() => Promise<unknown>} result what a repetition (or the first steps) gave, in our layouts
 * @property {() => void} dispose
 * @property {Record<string, string>} [kernels] the tuner's choices
 */

/** @typedef {{ name: string, work?: Work, ms?: number, launches?: number, wrong?: string, firstMs: number, deviation?: object,
 *   trials?: Record<string, { wall: number, cpu: number, launches: number }> }} Contestant trials: ms of each way that was tried */

/** A sample repeats a work for about so long: host synchronisation at its end is then a small part. */
const SAMPLE_MS = 300;
const MOST_REPETITIONS = 200;

/** To choose between the ways of a library each is timed so often, or for so long. */
const TRIALS = 5;
const TRIAL_MS = 3000;

/**
 * Waits for a promise of Dawn's queue. While one is pending, Dawn's node binding polls in every turn of the event loop,
 * which takes a core from a CPU adapter; so the thread sleeps half a millisecond between turns.
 * @template T
 * @param {Promise<T>} promise
 */
async function wait(promise) {
  let pending = true;
  const done = () => {
    pending = false;
  };
  promise.then(done, done);
  const never = new Int32Array(new SharedArrayBuffer(4));
  while (pending) {
    Atomics.wait(never, 0, 0, 0.5);
    await new Promise(setImmediate);
  }
  return promise;
}

/**
 * Times `repetitions` of a work, in ms of wall time and of the adapter's CPU time each, and counts kernels launched.
 * @param {Work} work
 */
export async function sample(work, repetitions) {
  const [cpu, launches] = [adapterCpuMs(), launched()];
  const begin = performance.now();
  for (let i = 0; i < repetitions; i++) {
    const ready = work.run();
    if (ready) await wait(ready);
  }
  await wait(work.settle());
  const wall = performance.now() - begin;
  return {
    wall: wall / repetitions,
    cpu: (adapterCpuMs() - cpu) / repetitions,
    launches: (launched() - launches) / repetitions,
  };
}

/**
 * The fastest right way of a library: each of its works is checked, then timed a little.
 * @param {string} name
 * @param {() => Work[] | Promise<Work[]>} make
 * @param {(result: unknown) => { worst: number, deviation: object }} check right if `worst` is at most 1
 * @param {boolean} byCpu the fastest in CPU time: on a CPU adapter other programs disturb that less
 * @returns {Promise<Contestant>}
 */
export async function qualify(name, make, check, byCpu) {
  const begin = performance.now();
  const trials = {};
  let firstMs = 0;
  let deviation;
  let wrong;
  let best;
  let bestTime = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY, launches: 0 };
  try {
    for (const work of await make()) {
      const checked = check(await work.result());
      firstMs ||= performance.now() - begin;
      deviation ??= checked.deviation;
      if (!(checked.worst <= 1)) {
        wrong = `wrong${work.variant && ` (${work.variant})`}: ${JSON.stringify(checked.deviation)}`;
        work.dispose();
        continue;
      }
      const time = await shortTrial(work);
      trials[work.variant] = time;
      const loser = (byCpu ? time.cpu < bestTime.cpu : time.wall < bestTime.wall) ? best : work;
      if (loser !== work) [best, bestTime] = [work, time];
      loser?.dispose();
    }
  } catch (error) {
    wrong = `failed: ${error.message.split("\n")[0]}`;
  }
  const { wall: ms, launches } = bestTime;
  return { name, work: best, ms, launches, wrong: best ? undefined : wrong, firstMs, deviation, trials };
}

/** @param {Work} work @returns of one repetition the least of each time, and its kernels */
async function shortTrial(work) {
  const least = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY, launches: 0 };
  const begin = performance.now();
  for (let i = 0; i < 2 || (i < TRIALS && performance.now() - begin < TRIAL_MS); i++) {
    const { wall, cpu, launches } = await sample(work, 1);
    least.wall = Math.min(least.wall, wall);
    least.cpu = Math.min(least.cpu, cpu);
    least.launches = launches;
  }
  return least;
}

/**
 * Times the contestants in turns, so that whatever else the machine does meets all of them alike.
 * @param {Contestant[]} contestants ours first
 * @param {{ rounds: number, limitMs: number }} limits no round starts after the time limit
 * @returns {Promise<Map<Contestant, { repetitions: number, wall: number[], cpu: number[] }>>} one sample a round
 */
export async function timeInTurns(contestants, { rounds, limitMs }) {
  const racing = [];
  for (const contestant of contestants.filter(({ work }) => work)) {
    const repetitions = Math.max(1, Math.min(MOST_REPETITIONS, Math.round(SAMPLE_MS / contestant.ms)));
    racing.push({ contestant, repetitions, wall: [], cpu: [] });
  }
  const begin = performance.now();
  for (let round = 0; round < rounds && (round === 0 || performance.now() - begin < limitMs); round++) {
    for (const r of racing) {
      const { wall, cpu, launches } = await sample(r.contestant.work, r.repetitions);
      // A lazy library may never do what is thrown away before anyone looks at it.
      if (launches !== r.contestant.launches) {
        r.contestant.wrong ??= `failed: launches ${launches} kernels a repetition, alone ${r.contestant.launches}`;
      }
      r.wall.push(wall);
      r.cpu.push(cpu);
    }
  }
  const fair = racing.filter(({ contestant }) => !contestant.wrong);
  return new Map(fair.map(({ contestant, repetitions, wall, cpu }) => [contestant, { repetitions, wall, cpu }]));
}

/** What a table and the JSON say of one contestant. @param {number} flops of one repetition */
export function summarise({ name, work, wrong, firstMs, deviation, trials, launches }, times, ours, flops) {
  const row = {
    library: name,
    variant: work?.variant,
    wrong,
    firstMs,
    deviation,
    trials,
    launches,
    kernels: work?.kernels,
  };
  if (!times) return row;
  return {
    ...row,
    medianMs: median(times.wall),
    spread: spread(times.wall),
    cpuMs: median(times.cpu),
    gflops: flops / 1e6 / median(times.wall),
    ratio: pairedRatio(times.wall, ours.wall),
    cpuRatio: pairedRatio(times.cpu, ours.cpu),
    repetitions: times.repetitions,
    samplesMs: times.wall,
    samplesCpuMs: times.cpu,
  };
}
