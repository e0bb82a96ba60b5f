/** What `shibori bench --json` writes and its page shows. Times in seconds, rates per second, memory in bytes. */
import type { KernelTime } from "./profile.js";
import type { Standing } from "./roofline.js";
import type { Roofs } from "./roofs.js";
import type { StepTimes } from "./step.js";

export interface BenchMachine {
  readonly adapter: {
    readonly kind: string;
    readonly name: string;
    readonly driver: string;
    readonly subgroupSize: number;
  };
  /** Options of Dawn, beside full timestamps. */
  readonly dawnOptions: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly system: string;
  readonly processor: { readonly model: string; readonly count: number };
  /** Mean number of processes that wanted a processor, over the last minute, before and after: beyond `count`, times are noise. */
  readonly load: readonly [before: number, after: number];
}

/** A kernel below the roof. */
export type MeasuredKernel = KernelTime & Standing;

/** The training step of one preset. */
export interface MeasuredStep {
  readonly preset: string;
  readonly description: string;
  /** Pictures per identity. */
  readonly batch: number;
  readonly flops: number;
  readonly dispatches: number;
  readonly times: StepTimes;
  /** All dispatches, each timed alone, together. */
  readonly kernels: number;
  readonly stepsPerSecond: number;
  /** FLOP per second of wall time. */
  readonly flopRate: number;
  readonly hostPerDispatch: number;
  readonly compile: {
    /** Tracing, differentiating, fusing and planning, without a GPU. */
    readonly plan: number;
    /** Timing kernels to choose among them; 0 where all choices were known. */
    readonly tuning: number;
    /** All other compiling: that once more, the initial weights, buffers, pipelines. */
    readonly program: number;
    /** The first step: some drivers compile in it. */
    readonly firstStep: number;
  };
  readonly memory: {
    /** Slots that values share, all together, and what no plan could go below. */
    readonly slots: number;
    readonly planned: number;
    readonly lowerBound: number;
    /** With parameters, moments and constants. */
    readonly total: number;
  };
}

export interface BenchRecord {
  readonly what: "shibori bench";
  readonly command: string;
  /** ISO 8601. */
  readonly date: string;
  readonly seconds: number;
  readonly machine: BenchMachine;
  readonly rounds: number;
  readonly roofs: Roofs;
  readonly steps: readonly MeasuredStep[];
  /** Of all presets; what takes the most time comes first. */
  readonly kernels: readonly MeasuredKernel[];
  readonly sweep?: {
    /** Pictures. */
    readonly batch: number;
    readonly cases: readonly MeasuredCase[];
    /** What there was no time or no room for. */
    readonly leftOut: readonly string[];
  };
}

/** One op at one size: the work of all its dispatches, and the time of all. */
export interface MeasuredCase extends Standing {
  readonly op: string;
  readonly channels: number;
  /** Height and width, in pixels. */
  readonly size: number;
  readonly flops: number;
  readonly bytes: number;
  readonly seconds: number;
  readonly kernels: readonly MeasuredKernel[];
}

/** Kernels that beat their roof though no cache explains it: a fault in counting, or a roof measured on a busy machine. */
export const faultsOf = ({ kernels, sweep }: Pick<BenchRecord, "kernels" | "sweep">): MeasuredKernel[] =>
  [...kernels, ...(sweep?.cases ?? []).flatMap((one) => one.kernels)].filter(({ above }) => above === "fault");
