/** A profile as a Chrome trace, which Perfetto and chrome://tracing open. */
import type { ProgramLaunch } from "../engine/program.js";
import type { Interval } from "../engine/stopwatch.js";
import type { StepProfile } from "./profile.js";
import { type Roof, standingOf } from "./roofline.js";
import { median } from "./statistics.js";
import { bytesOf } from "./traffic.js";

/** An event of the trace event format; times in microseconds. */
export interface TraceEvent {
  readonly name: string;
  readonly ph: "X" | "M";
  readonly pid: number;
  readonly tid: number;
  readonly cat?: string;
  readonly ts?: number;
  readonly dur?: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Trace {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: "ms";
  readonly otherData: Readonly<Record<string, string>>;
}

const HOST = 1;
const GPU = 2;
const PROCESS = 1;

const slice = (tid: number, cat: string, name: string, { begin, end }: Interval, args: TraceEvent["args"]) =>
  ({ name, cat, ph: "X", pid: PROCESS, tid, ts: begin * 1e3, dur: (end - begin) * 1e3, args }) as const;

const named = (kind: "process_name" | "thread_name", tid: number, name: string): TraceEvent => ({
  name: kind,
  ph: "M",
  pid: PROCESS,
  tid,
  args: { name },
});

/**
 * One step: a slice for each dispatch on the GPU's track, and for each on the host's, which encodes it. The two clocks
 * are not the same: the GPU's track is moved so that it begins with the submission.
 * @param about the program and the machine, in words
 */
export function traceOf(profile: StepProfile, roof: Roof, about: Readonly<Record<string, string>>): Trace {
  const { dispatches, trace, clock } = profile;
  const start = trace.encodes[0].begin;
  const submitted = trace.submits[0].begin - start;
  // Submissions are timed by the host's clock already.
  const shift = clock === "device" ? submitted - trace.passes[0].begin : -start;
  const moved = ({ begin, end }: Interval, by: number): Interval => ({ begin: begin + by, end: end + by });
  const events: TraceEvent[] = [
    named("process_name", 0, "shibori: one training step"),
    named("thread_name", HOST, "host: encode and submit"),
    named("thread_name", GPU, "GPU: dispatches"),
  ];
  const host = [
    ...dispatches.map(({ launch }, i) =>
      slice(HOST, "encode", launch.dispatch.kernel.name, moved(trace.encodes[i], -start), {}),
    ),
    ...trace.submits.map((one) => slice(HOST, "submit", "submit", moved(one, -start), {})),
  ];
  events.push(...host.sort((a, b) => a.ts - b.ts));
  dispatches.forEach(({ launch, readings, repeats }, i) => {
    const seconds = median(readings);
    const args = { ...argsOf(launch, seconds, roof), repeats };
    events.push(slice(GPU, "dispatch", launch.dispatch.kernel.name, moved(trace.passes[i], shift), args));
  });
  const how =
    clock === "device"
      ? "the GPU's timestamps, moved to begin with the submission; the host's clock is another"
      : "the host's: the adapter has no timestamp-query, so each dispatch was submitted alone and waited for";
  const note =
    "Each dispatch has a compute pass of its own here, which costs time that training does not spend. The figures in args are " +
    "medians of other steps, in which short dispatches were repeated within a pass.";
  return { traceEvents: events, displayTimeUnit: "ms", otherData: { ...about, clock: how, note } };
}

function argsOf({ dispatch, node }: ProgramLaunch, seconds: number, roof: Roof): TraceEvent["args"] {
  const work = { flops: dispatch.flops ?? 0, bytes: bytesOf(dispatch) };
  const { flopRate, byteRate, intensity, share, bound } = standingOf(work, seconds, roof);
  const rounded = (n: number) => Number(n.toPrecision(4));
  return {
    op: node?.op.name ?? "clock",
    inputs: node?.inputs.map(({ shape }) => shape) ?? [],
    output: node?.shape ?? [],
    groups: dispatch.groups,
    ...{ flops: work.flops, bytes: work.bytes, medianMicroseconds: rounded(seconds * 1e6) },
    ...{ "GFLOP/s": rounded(flopRate / 1e9), "GB/s": rounded(byteRate / 1e9), "FLOP/byte": rounded(intensity) },
    ...{ percentOfRoof: rounded(100 * share), bound },
  };
}
