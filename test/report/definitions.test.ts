import { describe, expect, it } from "vitest";
import { groupsOfTotal, otherJudging, whyUnranked } from "../../src/report/definitions.js";
import type { RunConfig } from "../../src/storage/runConfig.js";
import { runConfig } from "../storage/runs.js";

const named = (...changes: Partial<RunConfig>[]) =>
  changes.map((change, i) => ({ name: "abc"[i], config: runConfig(change) }));
const losses = (change: Record<string, string>) => ({ losses: { ...runConfig().losses, ...change } });
const network = (code: string) => ({ network: { ...runConfig().network, code } });
const folders = (letter: string) => ({
  data: {
    kind: "folders" as const,
    ...{ folders: { src: "/s", dst: "/d" }, training: 9, heldOut: 1, trueSwap: false },
    fingerprint: letter.repeat(64),
  },
});

const ALL = ["l1", "latent", "loss"] as const;
type Loss = (typeof ALL)[number];

describe("losses are ranked", () => {
  it.each<[string, Partial<RunConfig>]>([
    ["of one configuration", {}],
    ["of other seeds", { seed: 7 }],
    ["of other lengths and learning rates", { steps: 10, rate: 1 }],
    ["on other adapters", { adapter: { kind: "embedded", name: "x", driver: "y", subgroupSize: 4, options: "" } }],
  ])("%s", (_, change) => {
    for (const loss of ALL) expect(whyUnranked(loss, named({}, change))).toBeUndefined();
  });

  it("on the same folders, wherever they lie", () => {
    const moved = { ...folders("a").data, folders: { src: "/elsewhere", dst: "/d" } };
    for (const loss of ALL) expect(whyUnranked(loss, named(folders("a"), { data: moved }))).toBeUndefined();
  });
});

describe("losses are not ranked", () => {
  const size = { architecture: { ...runConfig().architecture, size: 64 } };
  const pictures = "they are trained on different pictures";
  it.each<[string, Partial<RunConfig>, Record<Loss, string | undefined>]>([
    ["of other pairs", { pair: "hue" }, { l1: pictures, latent: pictures, loss: pictures }],
    ["of other poses", { poses: "full" }, { l1: pictures, latent: pictures, loss: pictures }],
    ["of poses apart", { apart: true }, { l1: pictures, latent: pictures, loss: pictures }],
    ["of warped pictures", { warp: 0.06 }, { l1: pictures, latent: pictures, loss: pictures }],
    ["of other sizes", size, { l1: pictures, latent: pictures, loss: pictures }],
    [
      "of other renderers",
      { data: { kind: "avatars", fingerprint: "0" } },
      { l1: pictures, latent: pictures, loss: pictures },
    ],
    ["of folders and avatars", folders("f"), { l1: pictures, latent: pictures, loss: pictures }],
    [
      "of other weights",
      losses({ loss: "another sum" }),
      { l1: undefined, latent: undefined, loss: "the formulas differ (a: sum; b: another sum)" },
    ],
    [
      "of other statistics",
      losses({ loss: "another sum", latent: "by channel" }),
      {
        l1: undefined,
        latent: "the formulas differ (a: L2; b: by channel)",
        loss: "the formulas differ (a: sum; b: another sum)",
      },
    ],
    [
      "of another L1",
      losses({ "l1.dst": "smooth L1" }),
      { l1: "the formulas differ (a: L1; b: smooth L1)", latent: undefined, loss: undefined },
    ],
    [
      "of other codes",
      network("7×7×64"),
      {
        l1: undefined,
        latent: "it is of codes of different shapes (a: 3×3×64; b: 7×7×64)",
        loss: "its latent part is of codes of different shapes (a: 3×3×64; b: 7×7×64)",
      },
    ],
    [
      "of other batches",
      { batch: 8 },
      {
        l1: undefined,
        latent: "it is over batches of different sizes (a: 2; b: 8)",
        loss: "its latent part is over batches of different sizes (a: 2; b: 8)",
      },
    ],
  ])("%s", (_, change, why) => {
    for (const loss of ALL) {
      const said = whyUnranked(loss, named({}, change));
      if (why[loss] === pictures) expect(said).toMatch(/^they are trained on different pictures \(a: .*; b: .*\)$/);
      else expect(said, loss).toBe(why[loss]);
    }
  });

  it("of totals without a latent part, codes may differ", () => {
    const none = { lossWeights: { l1: 1, latent: 0 } };
    expect(whyUnranked("loss", named(none, { ...none, ...network("64") }))).toBeUndefined();
    expect(whyUnranked("latent", named(none, { ...none, ...network("64") }))).toMatch(/^it is of codes/);
  });

  it("names the runs that agree together", () => {
    expect(whyUnranked("latent", named({}, network("64"), {}))).toBe(
      "it is of codes of different shapes (a and c: 3×3×64; b: 64)",
    );
  });
});

it("totals of one formula on the same pictures are drawn together", () => {
  const runs = named({}, losses({ loss: "another" }), network("7×7×64"));
  expect(groupsOfTotal(runs).map((group) => group.map(({ name }) => name))).toEqual([["a", "c"], ["b"]]);
});

it("measures compare on the same held-out poses, wherever the training pictures came from", () => {
  const filled = { data: { ...folders("a").data, trueSwap: true } };
  expect(otherJudging(named({}, filled))).toBeUndefined();
  expect(otherJudging(named({}, { apart: true, warp: 0.06 }))).toBeUndefined();
  expect(otherJudging(named(folders("a"), { ...folders("a"), warp: 0.06 }))).toBeUndefined();
  expect(otherJudging(named({}, folders("a")))).toMatch(/^they were measured on different pictures/);
  expect(otherJudging(named({}, { ...filled, poses: "wide" }))).toMatch(/pair mild, poses wide, 32 px/);
});
