import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { judge } from "../../bench/kernels/check.js";
import { type Change, checkOdd, climb } from "../../bench/kernels/climb.js";
import { conv2dLadder } from "../../bench/kernels/conv2d/ladder.js";
import { figuresOf, ratio } from "../../bench/kernels/figures.js";
import type { Ladder, Rung } from "../../bench/kernels/ladder.js";
import { LADDERS } from "../../bench/kernels/ladders.js";
import { sizesFor } from "../../bench/kernels/sizes.js";
import { climbText, summaryText } from "../../bench/kernels/text.js";
import { targetOf } from "../../src/engine/program.js";
import { UserError } from "../../src/index.js";
import { gpu } from "../gpu.js";
import { tensor } from "../reference/tensor.js";

const KERNELS = fileURLToPath(new URL("../../bench/kernels/", import.meta.url));
const filesOf = (op: string) => readdirSync(`${KERNELS}${op}`).filter((file) => file.endsWith(".wgsl"));

/** Leaves one rung of a ladder, with a text in its first kernel replaced by another. */
const planted =
  (name: string, text: string, by: string): Change =>
  (rungs) =>
    rungs
      .filter((rung) => rung.name === name)
      .map((rung): Rung => {
        const [{ kernel, ...first }, ...rest] = rung.dispatches();
        if (!kernel.source.includes(text)) throw new Error(`${name} has no "${text}"`);
        const source = kernel.source.replaceAll(text, by);
        return { ...rung, dispatches: () => [{ ...first, kernel: { name: kernel.name, source } }, ...rest] };
      });

describe.each(LADDERS)("the ladder of $op", (ladder) => {
  it("has a rung for every file of its folder, in order, and the op's own kernels on top", () => {
    const { rungs } = ladder.problem(ladder.odd[0], 1);
    const names = rungs(targetOf(gpu)).map(({ name }) => name);
    const files = filesOf(ladder.op).map((file) => file.replace(".wgsl", "").replace("_", " "));
    expect(names.slice(0, files.length)).toEqual(files);
    expect(names.length).toBeGreaterThan(files.length);
  });

  it("is right at odd sizes, on every rung", async () => {
    const files = filesOf(ladder.op).length;
    // Of the op's own kernels, which its own test checks, the default one at the last size: SwiftShader compiles slowly.
    let sizes = 0;
    const change: Change = (rungs) => [
      ...rungs.slice(0, files),
      ...(++sizes === ladder.odd.length ? rungs.slice(-1) : []),
    ];
    const verdicts = await checkOdd(gpu, ladder, change);
    expect([...verdicts].filter(([, { fault }]) => fault)).toEqual([]);
    const { rungs } = ladder.problem(ladder.odd[0], 1);
    const skipped = rungs(targetOf(gpu)).filter(({ skip }) => skip).length;
    expect(verdicts.size).toBeGreaterThanOrEqual(files - skipped + 1);
    for (const [name, { margin }] of verdicts) expect(margin, name).toBeGreaterThan(0);
  });
});

describe("a planted fault", () => {
  it.each<[string, Ladder["op"], string, string, string, RegExp]>([
    ["a tap beyond the edge", "conv2d", "3 vec4_in", "ix >= p.w", "ix > p.w", /times what rounding explains/],
    ["a pixel left out", "conv2d", "4 pixels", "m0 + 3u < p.pixels", "m0 + 4u < p.pixels", /NaN/],
    ["a channel too few", "conv2d", "2 vec4_out", "c < p.ci;", "c + 1 < p.ci;", /rounding/],
    ["a phase's taps begun too late", "convTranspose2d", "3 phase", "% p.stride; ky", "% p.stride + 1; ky", /rounding/],
    ["padding lanes kept", "convTranspose2d", "2 vec4", "select(vec4f(), acc, ", "select(acc, acc, ", /padding lane/],
    ["a sum's last row", "conv2dWeightGrad", "3 register_tile", "row < p.rows", "row + 1 < p.rows", /rounding/],
    ["a row of weights too far", "dense", "2 vec4", "row + p.out4, last", "row + 2 * p.out4, last", /rounding/],
    ["the first position", "sum", "4 workgroup_tree", "width > 0u", "width > 1u", /rounding/],
  ])("is caught: %s, %s, %s", async (_, op, name, text, by, message) => {
    const ladder = LADDERS.find((l) => l.op === op) as Ladder;
    const verdicts = await checkOdd(gpu, ladder, planted(name, text, by));
    expect([...verdicts.keys()]).toEqual([name]);
    expect(verdicts.get(name)?.fault).toMatch(message);
  });

  it("keeps a rung from being timed, and shows", async () => {
    const name = "2 vec4_out";
    // Wrong only where a row is long enough, so at the shape and at no odd size.
    const fault: Change = (rungs) => [rungs[2], ...planted(name, "c < p.ci;", "c < min(p.ci, 40u);")(rungs)];
    const odd = await checkOdd(gpu, conv2dLadder, fault);
    expect(odd.get(name)?.fault).toBeUndefined();
    const sizes = { x: [1, 4, 5, 41], w: [3, 3, 41, 5], padding: 1 };
    const own = await climb(gpu, conv2dLadder, ["given", sizes], odd, 2, fault);
    expect(own.results.map(({ rung, wrong, readings }) => [rung, Boolean(wrong), readings.length])).toEqual([
      ["3 vec4_in", false, 2],
      [name, true, 0],
    ]);
    const figures = figuresOf(own, 1, "cpu");
    expect([...figures.keys()].map(({ rung }) => rung)).toEqual(["3 vec4_in"]);
    const text = climbText(conv2dLadder, own, [figures.get(own.results[0]) ?? null, null], "cpu");
    expect(text).toMatch(/^ {2}2 vec4_out: WRONG, not timed: the worst error is .* times what rounding explains$/m);
    expect(own.work).toBe(2 * 4 * 5 * 9 * 41 * 5);
  });
});

describe("judge", () => {
  const value = tensor([1, 3], [1, 2, 3]);
  const bound = { magnitude: value, count: tensor([1, 3], [4, 4, 4]) };
  const verdict = (...storage: number[]) => judge(Float32Array.from(storage), value.shape, { value, bound });
  it("accepts what rounding explains, and nothing else", () => {
    expect(verdict(1, 2, 3, 0)).toEqual({ margin: 0 });
    expect(verdict(1 + 2 ** -22, 2, 3, 0)).toEqual({ margin: 0.5 });
    expect(verdict(1 + 2 ** -19, 2, 3, 0).fault).toBe("the worst error is 4.00 times what rounding explains");
    expect(verdict(1, Number.NaN, 3, 0).fault).toMatch(/NaN/);
    expect(verdict(1, 2, 3, 1e-30).fault).toMatch(/^padding lane 3 holds/);
    expect(verdict(1, 2, 3, Number.NaN).fault).toMatch(/^padding lane 3 holds NaN/);
  });
});

it("is told of a kernel that does not compile, as of a wrong one", async () => {
  const verdicts = await checkOdd(gpu, conv2dLadder, planted("1 naive", "var sum = 0.0;", "var sum = zero;"));
  expect(verdicts.get("1 naive")?.fault).toMatch(/^kernel conv2d\/1_naive, line \d+: unresolved value 'zero'/);
});

describe("the figures", () => {
  const readings = (...times: number[]) => times.map((wall) => ({ wall, cpu: 2 * wall }));
  const results = [
    { rung: "1 a", readings: readings(4, 4, 4) },
    { rung: "2 b", skipped: "no subgroups", readings: [] },
    { rung: "3 c", readings: readings(2, 2, 1) },
  ];
  const own = { op: "conv2d", shape: "given", sizes: { x: [1] }, work: 4e6, results };
  const figures = figuresOf(own, 8, "wall");

  it("compare readings of one round", () => {
    // Another load slows both in the second round: the ratio stays.
    expect(ratio(readings(10, 100, 10), readings(5, 50, 5, 7), "wall")).toBe(2);
  });

  it("come from work and times", () => {
    const [a, c] = [...figures.values()];
    expect(a).toEqual({ ms: 4, best: 4, spread: 0, rate: 1, cpuRate: 0.5, ofRoof: 0.125 });
    expect(c).toEqual({ ms: 2, best: 1, spread: 0.125, rate: 2, cpuRate: 1, ofRoof: 0.5, before: 2, first: 2 });
  });

  it("are shown in lines of at most 120 columns", () => {
    const lines = climbText(
      conv2dLadder,
      own,
      [results[0], results[1], results[2]].map((r) => figures.get(r) ?? null),
      "cpu",
    ).split("\n");
    expect(lines[0]).toBe("conv2d, given: x 1 (4.0 MFLOP)");
    expect(lines[1]).toMatch(/^ +rung +ms +spread +best +GFLOP\/s +% of roof +GFLOP\/cpu-s +× before +× first$/);
    expect(lines[3]).toMatch(/^ +3 c +2\.000 +±13 % +1\.000 +2\.00 +50\.0 +1\.00 +2\.00 +2\.00 +← best$/);
    expect(lines[4]).toBe("  2 b: skipped, no subgroups");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
    const climbs = [{ ...own, figures: results.map((r) => figures.get(r) ?? null) }];
    expect(summaryText(conv2dLadder, climbs, "wall").split("\n")).toEqual([
      "conv2d, GFLOP/s  given",
      "1 a               1.00",
      "2 b",
      "3 c               2.00",
    ]);
  });
});

describe("--shape", () => {
  const [conv, , , dense, sum] = LADDERS;
  it("takes a name, sizes, or nothing for all", () => {
    expect(sizesFor(conv, undefined).map(([name]) => name)).toEqual(Object.keys(conv.shapes));
    expect(sizesFor(conv, "rgb")).toEqual([["rgb", conv.shapes.rgb]]);
    expect(sizesFor(sum, "rgb")).toEqual([]);
    expect(sizesFor(conv, "x=1x4x4x3 w=3x3x3x5 stride=2")).toEqual([
      ["given", { x: [1, 4, 4, 3], w: [3, 3, 3, 5], stride: 2 }],
    ]);
    expect(sizesFor(sum, "x=3x5 axes=0,1")).toEqual([["given", { x: [3, 5], axes: [0, 1] }]]);
  });

  it.each<[string, Ladder, RegExp]>([
    ["x=1x4x4x3", conv, /^--shape: conv2d needs w too, as in "x=3x17x19x37 w=3x3x37x53 padding=1"$/],
    ["x=1x4x4x3 w=3x3x3x5 axes=1", conv, /^--shape: "axes=1" .* conv2d takes x, w, stride, padding$/],
    ["x=1x4x4x3 w=3x3x3x5 stride=1x2", conv, /^--shape: "stride=1x2" must be one number$/],
    ["x=4x3 w=3x", dense, /^--shape: "w=3x" must hold whole numbers/],
    ["x=4x3x2 w=2x5", dense, /^--shape: dense's x has 2 axes and its w 2, as in "x=37x1001 w=1001x203"$/],
    ["x=9999x9999 w=9999x3", dense, /^--shape: x holds 99980001 numbers, more than 33554432$/],
    ["rounds=", conv, /^--shape: "rounds=" is not of the form/],
  ])("refuses %s", (text, ladder, message) => {
    expect(() => sizesFor(ladder, text)).toThrow(UserError);
    expect(() => sizesFor(ladder, text)).toThrow(message);
  });
});

it("every kernel says in its header what it changes and why, in at most 120 columns", () => {
  for (const { op } of LADDERS) {
    for (const file of filesOf(op)) {
      const source = readFileSync(`${KERNELS}${op}/${file}`, "utf8");
      const header = source.slice(0, source.search(/^[^/]/m));
      if (!file.startsWith("1_")) expect(header, `${op}/${file}`).toMatch(/^\/\/ Changed: [\s\S]*^\/\/ Why faster: /m);
      for (const line of source.split("\n")) expect(line.length, `${op}/${file}: ${line}`).toBeLessThanOrEqual(120);
    }
  }
});
