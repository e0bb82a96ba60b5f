import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LOSS_NAMES, type LossName } from "../../src/faceswap/lossSlots.js";
import { comparePage } from "../../src/report/compare.js";
import { viewRuns } from "../../src/report/compared.js";
import { whyUnranked } from "../../src/report/definitions.js";
import { headline, lossesLine } from "../../src/report/headline.js";
import { LOSS_TEXTS, sharedPictureLoss, textOf } from "../../src/report/losses.js";
import { reportPage } from "../../src/report/report.js";
import { viewRun } from "../../src/report/runView.js";
import type { RunConfig } from "../../src/storage/runConfig.js";
import { runConfig } from "../storage/runs.js";
import { opened } from "./html.js";
import { EXPRESSIVE, logging, makeRun, type Recipe, SWAPS, TRAP } from "./runs.js";

const folder = mkdtempSync(join(tmpdir(), "shibori-losses-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const open = (recipe: Recipe) => opened(reportPage(viewRun(makeRun(join(folder, `run${count++}`), recipe))));
function runs(recipes: Readonly<Record<string, Recipe>>) {
  const place = join(folder, String(count++));
  return viewRuns(Object.entries(recipes).map(([name, recipe]) => makeRun(join(place, name), recipe)));
}
const SHORT = 40;
const of = (names: readonly LossName[], change: Partial<RunConfig> = {}): Recipe => ({
  done: SHORT,
  config: logging(names, { steps: SHORT, saveEvery: SHORT, ...change }),
});
/** Sizes and a sampled code that every loss asks for, but for LPIPS: a run has one trunk. */
const architecture = { ...runConfig().architecture, size: 192, sampled: true };
const ALL = LOSS_NAMES.filter((name) => name !== "lpips-vgg" && name !== "lpips-squeeze");

describe("the report", () => {
  it("has a chart for every loss that the run logs, a line for each identity, the total and the rate", () => {
    const { data, text } = open(of(ALL, { architecture }));
    for (const name of ALL) expect(text).toContain(LOSS_TEXTS[name].title);
    const charts = Object.keys(data.charts);
    expect(charts.slice(0, ALL.length + 2)).toEqual([...ALL, "loss", "rate"]);
    const lines = (id: string) => data.charts[id].groups.map(({ curves: [{ tone, style }] }) => `${tone} ${style}`);
    for (const name of ["l1", "dssim", "lpips-alex", "random-features"]) {
      expect(lines(name), name).toEqual(["src line", "dst long"]);
    }
    expect(lines("mmd")).toEqual(["measured line"]);
    expect(text).toContain("Random-feature loss (not LPIPS)");
  });

  it("names a third identity, and draws it apart", () => {
    const { data, text } = open(of(["l1"], { identities: ["src", "dst", "third"], pair: "trio" }));
    expect(data.charts.l1.groups.map(({ curves: [{ tone, style }] }) => [tone, style])).toEqual([
      ["src", "line"],
      ["dst", "long"],
      ["run2", "dashdot"],
    ]);
    expect(text).toMatch(/source 0\.\d+ target 0\.\d+ third 0\.\d+/);
  });

  it("shows where an adversary would guess", () => {
    const { data } = open(of(["l1", "adversary"]));
    const nats = Number(Math.log(2).toPrecision(4));
    expect(data.charts.adversary.groups.at(-1)).toEqual({
      x: [0, SHORT],
      curves: [{ tone: "constant", style: "dashed", y: [nats, nats] }],
    });
    // Before the first step there is nothing to compare with it.
    expect(open({ ...of(["l1", "adversary"]), done: 0 }).text).toContain("Identity adversary Nothing to draw yet.");
  });

  it("says of a loss without weight that it is only watched, and of weighed pixels how much they count", () => {
    const watched = of(["l1", "dssim"]);
    const lossWeights = { l1: 1, dssim: 0 };
    expect(open({ ...watched, config: { ...watched.config, lossWeights } }).text).toContain(
      "Its weight is 0: it is only watched.",
    );
    expect(open(of(["l1"], { regionWeight: 8 })).text).toContain(
      "L1: mean absolute difference; eyes, brows and mouth count 9 times",
    );
    expect(textOf("ssim", { regionWeight: 8 }).axis).not.toContain("9 times");
  });
});

describe("losses on codes are ranked", () => {
  const pair = (names: readonly LossName[], one: Partial<RunConfig>, other: Partial<RunConfig>) =>
    [one, other].map((change, i) => ({ name: "ab"[i], config: runConfig(logging(names, change)) }));
  const network = { ...runConfig().network, code: "64" };

  it.each(["latent", "coral", "mmd", "vib", "consistency"] as const)("%s only for codes of one shape", (name) => {
    expect(whyUnranked(name, pair(["l1", name], {}, {}))).toBeUndefined();
    expect(whyUnranked(name, pair(["l1", name], {}, { network }))).toBe(
      "it is of codes of different shapes (a: 3×3×64; b: 64)",
    );
    expect(whyUnranked("loss", pair(["l1", name], {}, { network }))).toMatch(
      new RegExp(`^its ${LOSS_TEXTS[name].word} part is of codes of different shapes`),
    );
  });

  it("over batches of one size where they are statistics of a batch", () => {
    const why = (name: LossName) => whyUnranked(name, pair(["l1", name], {}, { batch: 8 }));
    for (const name of ["latent", "coral", "mmd", "consistency"] as const)
      expect(why(name)).toMatch(/batches of different/);
    expect(why("vib")).toBeUndefined();
  });

  it("but never an adversary: each run has its own", () => {
    const both = pair(["l1", "adversary"], {}, {});
    expect(whyUnranked("adversary", both)).toBe("it is of a classifier that each run trains for itself");
    expect(whyUnranked("loss", both)).toBe("its adversary part is of a classifier that each run trains for itself");
    expect(whyUnranked("l1", both)).toBeUndefined();
  });
});

describe("losses of pictures are ranked", () => {
  const named = (...configs: Partial<RunConfig>[]) =>
    configs.map((config, i) => ({ name: "abc"[i], config: runConfig(config) }));

  it("only where all runs log them, under one formula", () => {
    const some = named(logging(["l1", "dssim"]), logging(["l1"]), logging(["l1", "dssim"]));
    expect(whyUnranked("dssim", some)).toBe("b does not log it");
    expect(whyUnranked("l1", some)).toBeUndefined();
    const weighed = named(logging(["l1"]), logging(["l1"], { regionWeight: 8 }));
    expect(whyUnranked("l1", weighed)).toMatch(
      /^the formulas differ \(a: L1 of src's reconstruction; b: L1, weighed 1 \+ 8/,
    );
  });

  it("and random features never beside LPIPS", () => {
    const some = named(logging(["lpips-alex"]), logging(["random-features"]));
    expect(whyUnranked("lpips-alex", some)).toBe("b does not log it");
    expect(whyUnranked("random-features", some)).toBe("a does not log it");
    expect(whyUnranked("loss", some)).toMatch(/^the formulas differ/);
    expect(sharedPictureLoss(some.map(({ config }) => config))).toBeUndefined();
  });
});

describe("the comparison", () => {
  it("of runs with other losses draws each over the runs that log it, and ranks what all log", () => {
    const page = opened(
      comparePage(runs({ a: of(["l1", "lpips-alex"]), b: of(["l1", "random-features"]), c: of(["l1"]) })).page,
    );
    expect(page.text).toContain("LPIPS (AlexNet) Mean over identities. Only a logs it.");
    expect(page.data.charts["lpips-alex"].groups).toHaveLength(1);
    expect(page.data.charts.l1.groups).toHaveLength(3);
    expect(page.text).toContain("Not ranked: b and c do not log it.");
    expect(page.text).toMatch(/random-feature loss, source – 0\.\d+ –/);
  });

  it("without a shared loss of pictures still shows each, and says that they cannot be ranked", () => {
    const finished = { finished: true, done: SHORT };
    const some = runs({
      a: { ...of(["lpips-alex"]), ...finished },
      b: { ...of(["random-features"]), ...finished, measures: TRAP },
    });
    expect(opened(comparePage(some).page).data.charts["lpips-alex"].groups).toHaveLength(1);
    expect(lossesLine(some)).toBe("Their losses cannot be ranked: there is no loss of pictures that all of them log.");
  });

  it("says of the runs that swap which show expression", () => {
    const run = (measures: typeof SWAPS): Recipe => ({ ...of(["l1"]), finished: true, measures });
    const blind = { ...EXPRESSIVE, responseEye: 0 };
    const told = (recipes: Readonly<Record<string, Recipe>>) => headline(runs(recipes)).split("; ").slice(2).join("; ");
    expect(told({ a: run(EXPRESSIVE), b: run(EXPRESSIVE) })).toBe("both show expression.");
    expect(told({ a: run(EXPRESSIVE), b: run(blind) })).toBe("of these only a shows expression.");
    expect(told({ a: run(blind), b: run(blind) })).toBe("neither shows expression.");
    expect(told({ a: run(blind), b: run({ ...blind, ...TRAP }) })).toBe(
      "a does not show expression (eye response 0.00 instead of ≥ 0.2).",
    );
    expect(told({ a: run(SWAPS), b: run(SWAPS) })).toBe("");
    const { text } = opened(comparePage(runs({ a: run(EXPRESSIVE), b: run(blind), c: run(SWAPS) })).page);
    expect(text).toContain("expression ✓ shown ✗ not shown : eye response not measured");
  });
});
