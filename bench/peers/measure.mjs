// Runs, checks and times the libraries side by side.
import { adapterCpuMs } from "./cpuTime.mjs";
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

/** @typedef {{ name: string, work?: Work, ms?: number, wrong?: string, firstMs: number, deviation?: object }} Contestant */

/** A sample repeats a work for about so long: host synchronisation at its end is then a small part. */
const SAMPLE_MS = 300;
const MOST_REPETITIONS = 200;

/** To choose between the ways of a library each is timed so often, or for so long. */
const TRIALS = 5;
const TRIAL_MS = 3000;

/**
 * Times `repetitions` of a work, in ms of wall time and of the adapter's CPU time each.
 *
 * While a promise of Dawn's queue is pending, its node binding polls and takes a core from a CPU adapter. Ours sleeps
 * through most of the expected time before it waits (src/engine/pace.ts); here the peers do the same.
 * @param {Work} work
 * @param {number} expectedMs the least that a repetition took so far; 0 if unknown
 */
export async function sample(work, repetitions, expectedMs) {
  const cpu = adapterCpuMs();
  const begin = performance.now();
  for (let i = 0; i < repetitions; i++) await work.run();
  const left = 0.8 * expectedMs * repetitions - (performance.now() - begin);
  if (left > 1) await new Promise((resolve) => setTimeout(resolve, left));
  await work.settle();
  const wall = performance.now() - begin;
  return { wall: wall / repetitions, cpu: (adapterCpuMs() - cpu) / repetitions };
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
  let firstMs = 0;
  let deviation;
  let wrong;
  let best;
  let bestTime = { wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY };
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
      const loser = (byCpu ? time.cpu < bestTime.cpu : time.wall < bestTime.wall) ? best : work;
      if (loser !== work) [best, bestTime] = [work, time];
      loser?.dispose();
    }
  } catch (error) {
    wrong = `failed: ${error.message.split("\n")[0]}`;
  }
  return { name, work: best, ms: bestTime.wall, wrong: best ? undefined : wrong, firstMs, deviation };
}

/** @param {Work} work @returns the medians of `sample` for one repetition */
async function shortTrial(work) {
  const times = [];
  const begin = performance.now();
  let least = 0;
  while (times.length < TRIALS && performance.now() - begin < TRIAL_MS) {
    times.push(await sample(work, 1, least));
    least = Math.min(...times.map(({ wall }) => wall));
  }
  return { wall: median(times.map(({ wall }) => wall)), cpu: median(times.map(({ cpu }) => cpu)) };
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
    // What is queued together takes less time each than what is waited for each time.
    const least = repetitions > 1 ? (await sample(contestant.work, repetitions, 0)).wall : contestant.ms;
    racing.push({ contestant, repetitions, least, wall: [], cpu: [] });
  }
  const begin = performance.now();
  for (let round = 0; round < rounds && (round === 0 || performance.now() - begin < limitMs); round++) {
    for (const r of racing) {
      // Ours paces itself.
      const { wall, cpu } = await sample(r.contestant.work, r.repetitions, r === racing[0] ? 0 : r.least);
      r.least = Math.min(r.least, wall);
      r.wall.push(wall);
      r.cpu.push(cpu);
    }
  }
  return new Map(racing.map(({ contestant, repetitions, wall, cpu }) => [contestant, { repetitions, wall, cpu }]));
}

/** What a table and the JSON say of one contestant. @param {number} flops of one repetition */
export function summarise({ name, work, wrong, firstMs, deviation }, times, ours, flops) {
  const row = { library: name, variant: work?.variant, wrong, firstMs, deviation, kernels: work?.kernels };
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
