/** What a training step costs as it runs in training: many steps, no timer inside. */
import type { Program } from "../engine/program.js";
import { Stopwatch } from "../engine/stopwatch.js";
import { readings } from "./readings.js";
import { type Figure, figureOf, median } from "./statistics.js";

/** Seconds, each of one step. */
export interface StepTimes {
  /** From one step to the next. */
  readonly wall: Figure;
  /** Of the host: encoding and submitting. */
  readonly host: Figure;
  /** Of all processors of the machine, the adapter's work included where it runs on them; absent where not known. */
  readonly cpu?: Figure;
  /** Of the GPU: a step in one pass, as in training, by timestamps. With the gap, wall − GPU; absent without timestamps. */
  readonly gpu?: Figure;
  readonly gap?: Figure;
  /** Steps of a round. */
  readonly steps: number;
}

export interface StepOptions {
  /** Readings. Default 5. */
  readonly rounds?: number;
  /** Seconds that a round lasts, but at least one step. Default 1. */
  readonly seconds?: number;
  /** Processor time that the process has used so far, in seconds. */
  readonly cpu?: () => number;
}

/** The program must have run before: drivers compile kernels in the first step. @throws GpuError */
export async function timeSteps(program: Program, options: StepOptions = {}): Promise<StepTimes> {
  const { rounds = 5, seconds = 1, cpu } = options;
  const first = await round(program, 1, cpu);
  const { wall } = first.wall < seconds / 3 ? await round(program, 3, cpu) : first;
  const steps = Math.max(1, Math.min(10_000, Math.round(seconds / wall)));
  const stopwatch = new Stopwatch(program.gpu, 1);
  const all: Reading[] = [];
  const gpu: number[] = [];
  for (let i = 0; i < rounds; i++) {
    all.push(await round(program, steps, cpu));
    // In turn with the wall times, so that what disturbs the machine for a while disturbs both.
    if (stopwatch.clock === "device") {
      const [read] = await readings(stopwatch, [{ launches: program, repeats: 1 }], 3);
      gpu.push(median(read));
    }
  }
  stopwatch.destroy();
  const used = all.map((one) => one.cpu).filter((one) => one !== undefined);
  return {
    wall: figureOf(all.map(({ wall }) => wall)),
    host: figureOf(all.map(({ host }) => host)),
    ...(used.length && { cpu: figureOf(used) }),
    ...(gpu.length && { gpu: figureOf(gpu), gap: figureOf(all.map(({ wall }, i) => wall - gpu[i])) }),
    steps,
  };
}

interface Reading {
  readonly wall: number;
  readonly host: number;
  readonly cpu: number | undefined;
}

async function round(program: Program, steps: number, cpu?: () => number): Promise<Reading> {
  const used = cpu?.();
  const begin = performance.now();
  let host = 0;
  for (let i = 0; i < steps; i++) {
    const before = performance.now();
    const free = program.run(); // encodes and submits before it gives its promise
    host += performance.now() - before;
    await free;
  }
  await program.settle();
  const wall = (performance.now() - begin) / 1e3 / steps;
  return { wall, host: host / 1e3 / steps, cpu: cpu && used !== undefined ? (cpu() - used) / steps : undefined };
}
