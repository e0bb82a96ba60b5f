/** Where the time of a training step goes: every dispatch timed by itself. */
import { signatureOf } from "../engine/candidates.js";
import type { Gpu } from "../engine/gpu.js";
import type { Program, ProgramLaunch } from "../engine/program.js";
import type { Shape } from "../engine/shape.js";
import { Stopwatch, type Timeline } from "../engine/stopwatch.js";
import { readings } from "./readings.js";
import { type Figure, figureOf, median } from "./statistics.js";
import { bytesOf, repeatable } from "./traffic.js";

/** One dispatch of a step, as it was timed. */
export interface DispatchTime {
  readonly launch: ProgramLaunch;
  /** How often its pass ran it; 1 for what must not be repeated, which then bears the whole pass. */
  readonly repeats: number;
  /** Seconds of one launch: the pass divided by its repeats, once a round. */
  readonly readings: readonly number[];
}

export interface StepProfile {
  /** Whose clock measured. */
  readonly clock: Stopwatch["clock"];
  /** In the order in which they run. */
  readonly dispatches: readonly DispatchTime[];
  /** One step, every dispatch once in a pass of its own: for a trace. */
  readonly trace: Timeline;
}

export interface ProfileOptions {
  /** Steps that are timed. Default 5. */
  readonly rounds?: number;
  /** Seconds that a pass takes beyond its dispatches: see Roofs. */
  readonly pass: number;
  /** false: do without the device's clock. */
  readonly deviceClock?: boolean;
}

/** A pass lasts so many times what it takes by itself, if its dispatch may be repeated; and in seconds at least. */
export const LASTS = 20;
const LEAST_SECONDS = 1e-4;
const MOST_REPEATS = 256;

/**
 * Times each dispatch of a step in a pass of its own. Nothing is subtracted: a short dispatch is repeated until the pass
 * itself is at most a twentieth. What reads what it has written (updates, the clock) runs once, so the state moves on as
 * in training; `program.steps` does not.
 * @throws GpuError
 */
export const profileStep = (program: Program, options: ProfileOptions): Promise<StepProfile> =>
  timeLaunches(program.gpu, program.launches, options);

/** Times launches in order, each in a pass of its own, repeated as far as that is safe: see profileStep. */
export async function timeLaunches(
  gpu: Gpu,
  launches: readonly ProgramLaunch[],
  { rounds = 5, pass, deviceClock }: ProfileOptions,
): Promise<StepProfile> {
  const stopwatch = new Stopwatch(gpu, launches.length, deviceClock);
  const once = launches.map((one) => ({ launches: one, repeats: 1 }));
  const first = await readings(stopwatch, once, 2);
  // The shortest reading tells best how short a dispatch is.
  const repeats = launches.map((launch, i) => repeatsOf(launch, Math.min(...first[i]), pass));
  const read = await readings(
    stopwatch,
    once.map((one, i) => ({ ...one, repeats: repeats[i] })),
    rounds,
  );
  const trace = await stopwatch.timeline(once.map((one, i) => ({ ...one, expected: 1e3 * Math.min(...read[i]) })));
  const { clock } = stopwatch;
  stopwatch.destroy();
  const dispatches = launches.map((launch, i) => ({ launch, repeats: repeats[i], readings: read[i] }));
  return { clock, dispatches, trace };
}

/** @param took seconds of a pass with one dispatch */
function repeatsOf({ dispatch, node }: ProgramLaunch, took: number, pass: number): number {
  if (node === undefined || node.op.kind === "effect" || !repeatable(dispatch)) return 1;
  const itself = Math.max(took - pass, 1e-6);
  return Math.max(1, Math.min(MOST_REPEATS, Math.ceil(Math.max(LASTS * pass, LEAST_SECONDS) / itself)));
}

/** Where a kernel is used. */
export interface Use {
  /** Of the preset, say. */
  readonly name: string;
  /** Launches in a step. */
  readonly calls: number;
  /** Seconds of all of them: the sum of their medians. */
  readonly total: number;
  /** The part of the step: of the sum over all its dispatches. */
  readonly share: number;
}

/** Dispatches of one op, of equal shapes, with one kernel. */
export interface KernelTime {
  readonly op: string;
  readonly kernel: string;
  /** Of the candidate that was chosen, where the op has several. */
  readonly choice?: string;
  /** Of the inputs and of the result. */
  readonly inputs: readonly Shape[];
  readonly output: Shape;
  /** Of one launch. */
  readonly flops: number;
  readonly bytes: number;
  readonly repeats: number;
  /** Seconds of one launch, over all calls and rounds. */
  readonly seconds: Figure;
  readonly uses: readonly Use[];
}

/** A program's dispatches, and what it is called. */
export interface Source {
  readonly name: string;
  readonly dispatches: readonly DispatchTime[];
  /** See Program.choices. */
  readonly choices: Readonly<Record<string, string>>;
}

/** What a launch is timed together with: op, shapes, kernel, and the work, where shapes do not tell it all. */
function identityOf({ dispatch, node }: ProgramLaunch) {
  return {
    op: node?.op.name ?? "clock",
    kernel: dispatch.kernel.name,
    inputs: node?.inputs.map(({ shape }) => shape) ?? [],
    output: node?.shape ?? [],
    flops: dispatch.flops ?? 0,
    bytes: bytesOf(dispatch),
  };
}

const totalOf = (dispatches: readonly DispatchTime[]): number =>
  dispatches.reduce((sum, { readings }) => sum + median(readings), 0);

export const timeOf = ({ uses }: KernelTime): number => uses.reduce((sum, { total }) => sum + total, 0);

/** Profiles by kernel and shapes; what takes the most time comes first. */
export function kernelsOf(sources: readonly Source[]): KernelTime[] {
  const groups = new Map<string, { time: DispatchTime; source: Source }[]>();
  for (const source of sources) {
    for (const time of source.dispatches) {
      const key = JSON.stringify(identityOf(time.launch));
      groups.set(key, [...(groups.get(key) ?? []), { time, source }]);
    }
  }
  const kernels = [...groups.values()].map((group): KernelTime => {
    const [{ time, source }] = group;
    const { node } = time.launch;
    const choice = node?.op.candidates && source.choices[signatureOf(node)];
    const uses = [...new Set(group.map((one) => one.source))].map((own): Use => {
      const calls = group.filter((one) => one.source === own).map((one) => one.time);
      const total = totalOf(calls);
      return { name: own.name, calls: calls.length, total, share: total / totalOf(own.dispatches) };
    });
    return {
      ...identityOf(time.launch),
      ...(choice && { choice }),
      repeats: time.repeats,
      seconds: figureOf(group.flatMap((one) => one.time.readings)),
      uses,
    };
  });
  return kernels.sort((a, b) => timeOf(b) - timeOf(a));
}
