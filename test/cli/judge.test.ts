import { describe, expect, it } from "vitest";
import { describe as described } from "../../src/cli/describe.js";
import { judgeOf, verdictLine } from "../../src/cli/judge.js";
import type { TrainingConfig } from "../../src/faceswap/config.js";
import type { Measures } from "../../src/faceswap/measures.js";
import { modelOf } from "../../src/faceswap/model.js";
import type { PictureSet } from "../../src/faceswap/pictures.js";
import { decodeSheet } from "../../src/report/sheets.js";
import type { Verdict } from "../../src/storage/metrics.js";
import { gpu } from "../gpu.js";
import { EXPRESSIVE, SWAPS, TRAP } from "../report/runs.js";

const direction = (from: string, to: string, some: Partial<Measures> = {}) => ({
  ...{ from, to, measures: { ...EXPRESSIVE, ...some } },
});
const good = direction("a", "b");

describe("the line of several directions has the figures of", () => {
  const worstOf = (...others: Partial<Measures>[]) =>
    verdictLine([good, ...others.map((some, i) => direction(`${i}`, "x", some))], 128).pair;

  it.each<[string, Partial<Measures>[], string]>([
    ["the first, where all are alike", [{}, {}], "a → b"],
    ["the one of the larger error, where all pass", [{}, { swapError: 0.024 }], "1 → x"],
    ["the one that fails more gates, however large another's error", [{ swapError: 0.5 }, TRAP], "1 → x"],
    ["the one that fails, however much worse others' eyes are", [{ eyes: 3, mouth: 3 }, { t: 0.5 }], "1 → x"],
    ["the one without expression, where all swap", [{ swapError: 0.0245 }, { responseEye: 0.1 }], "1 → x"],
    ["the earlier one of the larger error", [{ swapError: 0.024 }, {}], "0 → x"],
  ])("%s", (_, others, pair) => {
    expect(worstOf(...others)).toBe(pair);
  });

  it("one that could not be measured, before any", () => {
    const nothing = Object.fromEntries(Object.keys(EXPRESSIVE).map((name) => [name, Number.NaN]));
    expect(worstOf(nothing, TRAP)).toBe("0 → x");
    expect(worstOf(TRAP, nothing)).toBe("1 → x");
  });
});

describe("what is said of a verdict", () => {
  const last = (line: Verdict, lines = 1) => described(line).split("\n").slice(-lines);

  it("that swaps with its expression", () => {
    const text = described(verdictLine([good], 128));
    expect(text).toContain("The swap passes.");
    expect(text).toContain("  passes  brow response: 0.60 (≥ 0.4 of the true change)");
    expect(text).toMatch(/^ {2}eye {24,} 0\.34 +0\.27$/m);
    expect(text).toMatch(/^ {2}grid energy, 1\/255 +0\.42 +0\.40 +0\.00$/m);
    expect(last(verdictLine([good], 128))).toEqual(["The swap shows expression."]);
  });

  it("that swaps without: what is missing, and how much of it there is", () => {
    const line = verdictLine([direction("src", "dst", { responseEye: 0.004, mouth: 0.71 })], 128);
    expect(last(line)).toEqual(["The swap does not show expression: mouth 0.71, eye response 0.00."]);
  });

  it("that does not swap", () => {
    const { responseMouth, responseEye, responseBrow } = EXPRESSIVE;
    const line = verdictLine([direction("src", "dst", { ...TRAP, responseMouth, responseEye, responseBrow })], 128);
    expect(last(line)[0]).toMatch(/^The swap does not show expression: it is no swap, eyes 0\.92, mouth 0\.52\.$/);
    expect(described(line)).toContain("The swap FAILS: t, swap error, pose correlation.");
  });

  it("whose responses were not measured: nothing of expression", () => {
    expect(last(verdictLine([{ from: "src", to: "dst", measures: SWAPS }], 16))).toEqual(["The swap passes."]);
  });

  it("of pictures without a flat region", () => {
    const line = verdictLine([direction("a", "b", { gridEnergy: Number.NaN, gridEnergyCeiling: Number.NaN })], 128);
    expect(described(line)).toMatch(/^ {2}grid energy, 1\/255 +– +– +0\.00$/m);
  });

  it("of several directions", () => {
    const text = described(verdictLine([good, direction("b", "a", TRAP), direction("c", "a")], 128));
    expect(text).toContain("the worst of 3 directions is b → a, whose figures these are; all of them:");
    expect(text).toContain("  b → a  t 0.23  swap error 0.0505  pose correlation 0.68  FAILS");
    expect(text).toContain("Of 3 swaps 1 FAIL: b → a.");
    expect(described(verdictLine([good, good], 128))).toContain("All 2 swaps pass.");
    expect(last(verdictLine([good, direction("c", "a", { responseBrow: 0.1 })], 128))).toEqual([
      "The swap does not show expression: brow response 0.10.",
    ]);
  });
});

describe("a judge of three identities", () => {
  const config: TrainingConfig = {
    architecture: { size: 32, stages: [4], mid: 4, code: 4 },
    identities: ["src", "dst", "third"],
    ...{ batch: 2, steps: 1, rate: 1e-3, seed: 3, lossWeights: { l1: 1 }, regionWeight: 0 },
    ...{ latentStatistics: "element", pair: "trio", poses: "demo" },
  };

  it("of avatars: glances without responses, a verdict of six directions with them, a matrix", async () => {
    const judge = await judgeOf(gpu, modelOf(config), config, undefined);
    const { t, line } = await judge.glance();
    expect(t).toBeTypeOf("number");
    expect(line).toMatchObject({ poses: 16 });
    expect(line).not.toHaveProperty("responseMouth");
    const verdict = (await judge.verdict()).line as Verdict;
    expect(verdict).toMatchObject({ poses: 128, passed: false, showsExpression: false });
    expect(verdict.pairs).toHaveLength(6);
    expect(verdict.responseGaze).toBeTypeOf("number");
    const sheet = decodeSheet(await judge.preview(7), "preview.png");
    expect(sheet).toMatchObject({ poses: 3, size: 32, shows: { kind: "avatars", pair: "trio" } });
  });

  it("of folders: their reconstructions, without a verdict on swaps", async () => {
    const set = (start: number): PictureSet => ({
      ...{ pictures: Uint8Array.from({ length: 2 * 32 * 32 * 3 }, (_, i) => start + (i % 3)), count: 2, size: 32 },
    });
    const sets = { src: set(10), dst: set(90), third: set(200) };
    const judge = await judgeOf(gpu, modelOf(config), config, { training: sets, heldOut: sets, about: undefined });
    expect((await judge.glance()).t).toBeUndefined();
    const { text, line } = await judge.verdict();
    expect(line.reconstruction).toBeGreaterThan(0);
    expect(line.constantReconstruction).toBe(0);
    expect(text).toMatch(/^reconstruction L1 .* on 2 pictures of each/);
    expect(text).toMatch(/^Grid energy of the reconstructions: \d+\.\d\d\/255\.$/m);
    const sheet = decodeSheet(await judge.preview(7), "preview.png");
    expect(sheet).toMatchObject({ poses: 2, shows: { kind: "folders" } });
    expect(sheet.tile(0, "trueSwap")).toBeUndefined();
    expect(sheet.tile(1, "dst")?.data[0]).toBe(90);
  });
});
