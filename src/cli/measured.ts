/** What `bench` and `profile` share: opening an adapter for measuring, a preset's step, kernels below the roof, the machine. */
import { arch, cpus, loadavg, release, type } from "node:os";
import { kernelsOf, profileStep, type Source, type StepProfile, timeOf } from "../bench/profile.js";
import type { BenchMachine, MeasuredCase, MeasuredKernel, MeasuredStep } from "../bench/record.js";
import { type Roof, standingOf } from "../bench/roofline.js";
import { timeSteps } from "../bench/step.js";
import type { TimedCase } from "../bench/sweep.js";
import type { Gpu } from "../engine/gpu.js";
import { type Program, targetOf } from "../engine/program.js";
import { elements } from "../engine/shape.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { lpipsKindOf } from "../faceswap/lossSlots.js";
import { modelOf } from "../faceswap/model.js";
import { perceptualNetwork } from "../faceswap/perceptual/lpips.js";
import { perceptualShapes } from "../faceswap/perceptual/trunks.js";
import { type LossNetworks, lossNetworks } from "../faceswap/slotLosses.js";
import { planStep, type StepPlan } from "../faceswap/stepPlan.js";
import { compileTraining } from "../faceswap/training.js";
import { he } from "../nn/initialisation.js";
import { openGpu } from "../platform/node.js";
import { versions } from "../platform/versions.js";
import { adapterOf } from "./machine.js";
import type { Tuning } from "./tune.js";

/** Opens the adapter with timestamps of a nanosecond: Dawn rounds them to 65,536 ns otherwise. */
export const openToMeasure = (adapter?: string): Promise<Gpu> =>
  openGpu({ adapter, dawnOptions: ["disable-dawn-features=timestamp_quantization"] });

/** Seconds of processor time that this process has used. */
function processorSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

interface Compiled {
  readonly program: Program;
  readonly plan: StepPlan;
  readonly compile: MeasuredStep["compile"];
}

/** The networks that losses look through, with random weights in the place of LPIPS's trained ones: the work is the same. */
function drawnNetworks({ lossWeights }: TrainingConfig): LossNetworks {
  const kind = lpipsKindOf(lossWeights);
  if (!kind) return lossNetworks(lossWeights);
  const tensors = Object.entries(perceptualShapes(kind)).map(([name, shape], stream) => {
    const data = he(shape, elements(shape.slice(1)), { seed: 0, stream });
    return [name, { shape, data }] as const;
  });
  return lossNetworks(lossWeights, perceptualNetwork(kind, Object.fromEntries(tensors)));
}

/** A training step, compiled and run once. */
async function compileStep(gpu: Gpu, config: TrainingConfig, tuning: Tuning): Promise<Compiled> {
  const laps = [performance.now()];
  const plan = planStep(modelOf(config), config, targetOf(gpu));
  laps.push(performance.now());
  const networks = drawnNetworks(config);
  const program = await compileTraining(gpu, modelOf(config), config, "avatars", { networks, tuner: tuning.tuner });
  laps.push(performance.now());
  await program.run();
  await program.settle();
  laps.push(performance.now());
  tuning.report();
  const [ofPlan, ofProgram, firstStep] = laps.slice(1).map((at, i) => (at - laps[i]) / 1e3);
  const { seconds } = tuning;
  return { program, plan, compile: { plan: ofPlan, tuning: seconds, program: ofProgram - seconds, firstStep } };
}

interface StepReadings {
  readonly rounds: number;
  /** Seconds of a round of steps. */
  readonly seconds: number;
  /** Seconds that a pass takes beyond its dispatches. */
  readonly pass: number;
  readonly tuning: Tuning;
}

/** Times a training step as a whole, and each of its dispatches. */
export async function measureStep(
  gpu: Gpu,
  preset: { name: string; description: string; config: TrainingConfig },
  { rounds, seconds, pass, tuning }: StepReadings,
): Promise<{ step: MeasuredStep; profile: StepProfile; source: Source }> {
  const { name, description, config } = preset;
  const { program, plan, compile } = await compileStep(gpu, config, tuning);
  const times = await timeSteps(program, { rounds, seconds, cpu: processorSeconds });
  const profile = await profileStep(program, { rounds, pass });
  const source = { name, dispatches: profile.dispatches, choices: program.choices };
  const kernels = kernelsOf([source]).reduce((sum, { uses: [{ total }] }) => sum + total, 0);
  const { slots, lowerBound } = program.layout.plan;
  const { flops, dispatches } = program;
  program.destroy();
  const step: MeasuredStep = {
    ...{ preset: name, description, batch: config.batch, flops, dispatches, times, kernels },
    stepsPerSecond: 1 / times.wall.median,
    flopRate: flops / times.wall.median,
    hostPerDispatch: times.host.median / dispatches,
    compile,
    memory: {
      slots: slots.length,
      planned: slots.reduce((a, b) => a + b, 0),
      lowerBound,
      total: plan.memory.total,
    },
  };
  return { step, profile, source };
}

/** Kernels of several programs, each with how it stands below the roof. */
export const measuredKernels = (sources: readonly Source[], roof: Roof): MeasuredKernel[] =>
  kernelsOf(sources).map((kernel) => ({ ...kernel, ...standingOf(kernel, kernel.seconds.median, roof) }));

/** The sweep's cases, each with how it stands below the roof. */
export const measuredCases = (timed: readonly TimedCase[], roof: Roof): MeasuredCase[] =>
  timed.map(({ of: { op, channels, size, flops, bytes }, source }) => {
    const kernels = measuredKernels([source], roof);
    const seconds = kernels.reduce((sum, kernel) => sum + timeOf(kernel), 0);
    return { op, channels, size, flops, bytes, seconds, ...standingOf({ flops, bytes }, seconds, roof), kernels };
  });

/** @param before the load when measuring began */
export function machineNow(gpu: Gpu, before: number): BenchMachine {
  const { options, ...adapter } = adapterOf(gpu);
  const [processor] = cpus();
  return {
    adapter,
    dawnOptions: options,
    versions: versions(),
    system: `${type()} ${release()} ${arch()}`,
    processor: { model: processor?.model.trim() ?? "unknown", count: cpus().length },
    load: [before, loadavg()[0]],
  };
}
