import { afterEach, describe, expect, it } from "vitest";
import { kernelsOf, profileStep, timeOf } from "../../src/bench/profile.js";
import { measureRoofs, type Roofs, roofOf } from "../../src/bench/roofs.js";
import { timeSteps } from "../../src/bench/step.js";
import { runSweep, sweepCases } from "../../src/bench/sweep.js";
import { traceOf } from "../../src/bench/trace.js";
import { Gpu } from "../../src/engine/gpu.js";
import { Stopwatch } from "../../src/engine/stopwatch.js";
import { adam, compile, conv2d, gradients, mse, Parameters, type Program, random, sum } from "../../src/index.js";
import { gpu } from "../gpu.js";

const SMALL = { rounds: 1, seconds: 0.001, copyBytes: 2 ** 18 };
const PASS = 5e-5;

/** A layer that learns noise: dispatches of many kinds, and a state. */
function trained(): Promise<Program> {
  const parameters = new Parameters();
  const w = parameters.create(
    "w",
    [3, 3, 5, 6],
    Float32Array.from({ length: 270 }, (_, i) => Math.sin(i)),
  );
  return compile(gpu, () => {
    const x = random([2, 9, 9, 5]);
    const loss = mse(conv2d(x, w, { padding: 1, activation: "relu" }), random([2, 9, 9, 6]));
    return {
      loss,
      update: adam(parameters, gradients(loss, parameters), { rate: 0.01, loss }),
      w: sum(w, { axes: [] }),
    };
  });
}

let roofs: Roofs | undefined;
const measured = async () => {
  roofs ??= await measureRoofs(gpu, SMALL);
  return roofs;
};

describe("the roofs of an adapter", () => {
  it("are rates that a machine can have, each the best of what was tried", async () => {
    const { peak, peaks, bandwidth, bandwidths, cache, launch, pass, encode } = await measured();
    const { peak: flops, bandwidth: bytes, cacheBandwidth } = roofOf(await measured());
    expect(flops).toBeGreaterThan(1e8);
    expect(flops).toBeLessThan(1e15);
    expect(bytes).toBeGreaterThan(1e7);
    expect(bytes).toBeLessThan(1e14);
    expect(cacheBandwidth).toBeGreaterThanOrEqual(bytes);
    expect(peak.rate.most).toBe(Math.max(...peaks.map(({ rate }) => rate.most)));
    expect(bandwidth.rate.most).toBe(Math.max(...bandwidths.map(({ rate }) => rate.most)));
    expect(cache.rate.most).toBe(cacheBandwidth);
    expect(peaks.length).toBeGreaterThanOrEqual(8);
    expect(new Set(peaks.map(({ name }) => name)).size).toBe(peaks.length);
    for (const { least, median, most } of [launch, encode, ...peaks.map(({ rate }) => rate)]) {
      expect(0 < least && least <= median && median <= most).toBe(true);
    }
    for (const seconds of [launch.least, encode.median]) expect(seconds).toBeLessThan(0.1);
    expect(pass.median).toBeGreaterThanOrEqual(0);
  });

  describe("where a kernel computes something else", () => {
    afterEach(() => {
      Reflect.deleteProperty(gpu, "read");
    });

    it("are refused, and so is a copy that is none", async () => {
      const wrong = (from: number): typeof gpu.read => {
        let reads = 0;
        return async (...args) => {
          const bytes = await Gpu.prototype.read.apply(gpu, args);
          const [, , size] = args;
          if (size > 4096 && reads++ >= from) new Float32Array(bytes)[0] += 1;
          return bytes;
        };
      };
      gpu.read = wrong(0);
      await expect(measureRoofs(gpu, SMALL)).rejects.toThrow(/computes \S+ where roof_fma.wgsl gives \S+$/);
      gpu.read = wrong((await measured()).peaks.length); // all kernels of the peak are sound
      await expect(measureRoofs(gpu, SMALL)).rejects.toThrow(/copies wrongly at byte 0$/);
    });
  });
});

describe("the profile of a step", () => {
  it.each([undefined, false])("leaves the state as training does (device clock: %s)", async (deviceClock) => {
    const [profiled, plain] = [await trained(), await trained()];
    const profile = await profileStep(profiled, { rounds: 2, pass: PASS, deviceClock });
    // Three steps to find how often to repeat, one to warm up, two that are timed, one for the trace.
    for (let i = 0; i < 7; i++) await plain.run();
    expect(await profiled.read("loss")).toEqual(await plain.read("loss"));
    expect(await profiled.read("w")).toEqual(await plain.read("w"));
    expect(profile.dispatches).toHaveLength(plain.dispatches);
    for (const { readings, repeats, launch } of profile.dispatches) {
      expect(readings).toHaveLength(2);
      expect(Math.min(...readings)).toBeGreaterThan(0);
      if (!launch.node || launch.node.op.kind === "effect") expect(repeats).toBe(1);
    }
    // Some of them are short, and are repeated.
    expect(Math.max(...profile.dispatches.map(({ repeats }) => repeats))).toBeGreaterThan(1);
    if (deviceClock === false) expect(profile.clock).toBe("host");
    profiled.destroy();
    plain.destroy();
  });

  it("gathers equal launches, and loses none", async () => {
    const program = await trained();
    const { dispatches } = await profileStep(program, { rounds: 2, pass: PASS });
    const source = { name: "a", dispatches, choices: program.choices };
    const kernels = kernelsOf([source, { ...source, name: "b" }]);
    for (const name of ["a", "b"]) {
      const uses = kernels.flatMap((kernel) => kernel.uses.filter((use) => use.name === name));
      expect(uses.reduce((total, { calls }) => total + calls, 0)).toBe(program.dispatches);
      expect(uses.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 9);
    }
    const times = kernels.map(timeOf);
    expect([...times].sort((x, y) => y - x)).toEqual(times);
    const conv = kernels.find(({ op }) => op === "conv2d");
    expect(conv).toMatchObject({
      inputs: [
        [2, 9, 9, 5],
        [3, 3, 5, 6],
      ],
      output: [2, 9, 9, 6],
      choice: expect.any(String),
    });
    expect(conv?.flops).toBe(2 * 2 * 81 * 9 * 5 * 6);
    program.destroy();
  });

  it.each([undefined, false])("is a trace that viewers open (device clock: %s)", async (deviceClock) => {
    const program = await trained();
    const profile = await profileStep(program, { rounds: 1, pass: PASS, deviceClock });
    const text = JSON.stringify(traceOf(profile, roofOf(await measured()), { preset: "test" }));
    const { traceEvents, otherData } = JSON.parse(text);
    expect(otherData).toMatchObject({
      preset: "test",
      clock: expect.stringMatching(deviceClock === false ? /host/ : /./),
    });
    const slices = traceEvents.filter(({ ph }: { ph: string }) => ph === "X");
    const tracks = [1, 2].map((tid) => slices.filter((one: { tid: number }) => one.tid === tid));
    expect(tracks[1]).toHaveLength(program.dispatches);
    expect(tracks[0].length).toBeGreaterThan(program.dispatches); // and submissions
    for (const track of tracks) {
      let end = 0;
      for (const { ts, dur, name } of track) {
        expect(ts, name).toBeGreaterThanOrEqual(end - 1e-3);
        expect(dur, name).toBeGreaterThan(0);
        end = ts + dur;
      }
    }
    const conv = tracks[1].find(({ args }: { args: { op: string } }) => args.op === "conv2d");
    expect(conv.args).toMatchObject({ output: [2, 9, 9, 6], flops: 2 * 2 * 81 * 270, bound: expect.any(String) });
    for (const rate of ["GFLOP/s", "GB/s", "percentOfRoof", "medianMicroseconds"])
      expect(conv.args[rate]).toBeGreaterThan(0);
    program.destroy();
  });
});

it("a step has wall, host, processor and GPU time", async () => {
  const program = await trained();
  await program.run();
  let seconds = 0;
  const times = await timeSteps(program, { rounds: 2, seconds: 0.02, cpu: () => (seconds += 0.25) });
  expect(times.steps).toBeGreaterThanOrEqual(1);
  expect(times.wall.median).toBeGreaterThan(times.host.median);
  expect(times.host.median).toBeGreaterThan(0);
  expect(times.cpu?.median).toBeCloseTo(0.25 / times.steps, 9);
  if (gpu.device.features.has("timestamp-query")) {
    expect(times.gpu?.count).toBe(2);
    expect(times.gap?.count).toBe(2);
  }
  program.destroy();
});

describe("the sweep", () => {
  it("times each case's own dispatches, and leaves out what takes too long", async () => {
    const roof = roofOf(await measured());
    const cases = sweepCases().filter(({ channels, size }) => channels === 3 && size === 8);
    expect(cases.map(({ op }) => op)).toEqual([
      "conv2d",
      "convTranspose2d",
      "conv2dWeightGrad",
      "dense",
      "sum",
      "pointwise",
    ]);
    const large = sweepCases().filter(({ op, channels, size }) => op === "conv2d" && channels === 256 && size === 128);
    const options = { rounds: 1, pass: PASS, roof };
    const { timed, leftOut } = await runSweep(gpu, {
      ...options,
      budget: 60,
      cases: [...large, ...cases].slice(large.length),
    });
    expect(leftOut).toEqual([]);
    for (const { of, source } of timed) {
      const flops = source.dispatches.reduce((total, { launch }) => total + (launch.dispatch.flops ?? 0), 0);
      expect(flops, source.name).toBe(of.op === "sum" ? 8 * 64 * 3 : of.flops);
    }
    const none = await runSweep(gpu, { ...options, budget: 1e-3, cases: large });
    expect(none).toEqual({ timed: [], leftOut: ["conv2d, 256 channels, 128 px"] });
  });
});

it("the stopwatch times more passes than a query set has room for", async () => {
  const program = await compile(gpu, () => ({ y: random([4]) }));
  const [clock] = program.launches;
  const many = Array.from({ length: 2100 }, () => ({ launches: clock, repeats: 1, expected: 0.02 }));
  const stopwatch = new Stopwatch(gpu, many.length);
  const { passes } = await stopwatch.timeline(many);
  expect(passes).toHaveLength(2100);
  let last = -1;
  for (const { begin, end } of passes) {
    expect(begin).toBeGreaterThanOrEqual(last);
    expect(end).toBeGreaterThan(begin);
    last = end;
  }
  stopwatch.destroy();
  program.destroy();
});
