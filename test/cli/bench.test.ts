import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BenchRecord, MeasuredKernel } from "../../src/bench/record.js";
import type { ProfileRecord } from "../../src/cli/profile.js";
import { profileText } from "../../src/cli/profileText.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import { gpu } from "../gpu.js";
import { benchRecord } from "../report/bench.js";
import { opened } from "../report/html.js";
import { ensureBuilt, Shell } from "./shell.js";

// Each of these takes the embedded adapter 20 seconds: there they are for test:full.
const short = gpu.kind === "embedded" && !process.env.SHIBORI_FULL;

const shell = new Shell();
beforeAll(ensureBuilt);
afterAll(() => shell.remove());

const lines = (text: string) => text.split("\n").filter((line) => !line.startsWith("adapter: "));

function expectKernels(kernels: readonly MeasuredKernel[], preset: string, dispatches: number): void {
  const uses = kernels.flatMap((kernel) => kernel.uses.filter(({ name }) => name === preset));
  expect(uses.reduce((total, { calls }) => total + calls, 0)).toBe(dispatches);
  expect(uses.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 6);
  for (const { op, kernel, seconds, bytes, flops, flopRate, bound, share } of kernels) {
    expect(seconds.median, op).toBeGreaterThan(0);
    expect(bytes, op).toBeGreaterThan(0);
    expect(share, kernel).toBeGreaterThan(0);
    expect(flopRate).toBeCloseTo(flops / seconds.median, 0);
    expect(["compute", "memory", "launch"]).toContain(bound);
  }
}

function expectMachine({ adapter, versions, processor }: BenchRecord["machine"]): void {
  expect(adapter.name).not.toBe("");
  expect(["hardware", "software", "embedded"]).toContain(adapter.kind);
  expect(Object.keys(versions)).toEqual(["shibori", "node", "dawn"]);
  expect(processor.count).toBeGreaterThan(0);
}

describe("shibori bench", () => {
  it.skipIf(short)("prints, and writes all as JSON and as a page", async () => {
    const printed = await shell.do("bench --quick --rounds 1 --preset avatar-64 --json bench.json --html page.html");
    for (const line of lines(printed)) expect(line.length, line).toBeLessThanOrEqual(120);
    expect(printed).not.toMatch(/undefined|NaN|Infinity|\[object/);
    expect(printed).toMatch(/^ {2}arithmetic +\S+ GFLOP\/s +median /m);
    expect(printed).toMatch(/^avatar-64 +\S+ +±/m);
    expect(printed).toMatch(/conv_transpose2d/);
    const record = JSON.parse(String(shell.read("bench.json"))) as BenchRecord;
    expect(record.what).toBe("shibori bench");
    expect(record.command).toMatch(/^shibori bench --quick --rounds 1 /);
    expect(Math.abs(Date.parse(record.date) - Date.now())).toBeLessThan(600_000);
    expectMachine(record.machine);
    expect(record.roofs.peaks.length).toBeGreaterThanOrEqual(8);
    const [step] = record.steps;
    expect(step).toMatchObject({ preset: "avatar-64", batch: 2, flops: expect.any(Number) });
    expect(step.stepsPerSecond).toBeCloseTo(1 / step.times.wall.median, 6);
    expect(step.memory.planned).toBeGreaterThanOrEqual(step.memory.lowerBound);
    for (const seconds of Object.values(step.compile)) expect(seconds).toBeGreaterThanOrEqual(0);
    expectKernels(record.kernels, "avatar-64", step.dispatches);
    expect(record.sweep).toBeUndefined();
    const { text } = opened(String(shell.read("page.html")));
    expect(text).toContain(record.machine.adapter.name);
  });

  it.each([
    ["--preset avatar-65", /There is no preset "avatar-65": choose of avatar-64, .*, all\.$/],
    ["--rounds 0", /'--rounds <n>' argument '0' is invalid. It must be a whole number from 1/],
    ["--html page", "--html page: it must end in .html: it is a page"],
    ["--json nowhere/x.json", "cannot write nowhere/x.json: the folder nowhere does not exist"],
    ["--json x.html --html x.html", "--json x.html: the page is written there: give another name"],
    ["--adapter voodoo", /^no adapter "voodoo" was found; here (are|is)/],
  ])("refuses: %s", async (options, message) => {
    const line = await shell.mistake(`bench ${options}`);
    if (typeof message === "string") expect(line).toBe(message);
    else expect(line).toMatch(message);
  });
});

describe("shibori profile", () => {
  const TINY = "--set architecture.size=32 architecture.stages=[4] architecture.mid=4 architecture.code=4";

  it.skipIf(short)("--json, and a trace; LPIPS needs no weights", async () => {
    const printed = await shell.do(`profile ${TINY} --loss lpips-squeeze=1 --rounds 2 --json --trace trace.json`);
    const record = JSON.parse(printed) as ProfileRecord;
    expect(record).toMatchObject({
      what: "shibori profile",
      rounds: 2,
      config: { architecture: { size: 32, mid: 4 } },
    });
    expectMachine(record.machine);
    expectKernels(record.kernels, "avatar-64", record.step.dispatches);
    expect(record.dispatches).toHaveLength(record.step.dispatches);
    expect(record.dispatches[0]).toMatchObject({ op: "clock", kernel: "advance", groups: [1, 1, 1], repeats: 1 });
    expect(record.dispatches.at(-1)).toMatchObject({ op: "adam", repeats: 1 });
    const { traceEvents } = JSON.parse(String(shell.read("trace.json")));
    const gpu = traceEvents.filter(({ tid, ph }: { tid: number; ph: string }) => ph === "X" && tid === 2);
    expect(gpu.map(({ name }: { name: string }) => name)).toEqual(record.dispatches.map(({ kernel }) => kernel));
  });

  it("prints it for people", async () => {
    const { kernels, roofs, machine, steps } = benchRecord();
    const [step] = steps;
    const record = {
      what: "shibori profile",
      command: "",
      date: "",
      machine,
      roofs,
      step,
      kernels,
      rounds: 7,
    } as const;
    const text = profileText({ ...record, config: PRESETS["avatar-64"], dispatches: [] });
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(120);
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object/);
    expect(text).toMatch(/^by op\nop +share +ms +dispatches$/m);
    expect(text).toMatch(/^ *40.0% +2 +800 +±3% +12.5 +0.625 +20.0 +13 +compute +conv2d_subgroup /m);
  });

  it.each([
    ["--preset avatar-65", /^there is no preset "avatar-65"; choose one of /],
    ["--set batch=1", /^batch 1: the latent loss needs a variance/],
    ["--trace trace.txt", "--trace trace.txt: it must end in .json: traces are JSON"],
    ["--trace nowhere/trace.json", "cannot write nowhere/trace.json: the folder nowhere does not exist"],
    ["--tune sometimes", /Allowed choices are off, cached, force/],
  ])("refuses: %s", async (options, message) => {
    const line = await shell.mistake(`profile ${options}`);
    if (typeof message === "string") expect(line).toBe(message);
    else expect(line).toMatch(message);
  });
});
