import { describe, expect, it } from "vitest";
import { chosenConfig } from "../../src/cli/chosen.js";
import { experimentNamed, OWN_EXPERIMENTS } from "../../src/cli/experimentFiles.js";
import { declared, shardOf } from "../../src/experiment/declare.js";

const base = {
  title: "A title",
  question: "A question?",
  set: { batch: 2 },
  factors: {
    grid: { "3×3": {}, "7×7": { preset: "avatar-64-naive" } },
    latent: { off: { set: { "lossWeights.latent": 0, batch: 4 } }, "×10": { set: { "lossWeights.latent": 50 } } },
  },
  seeds: [0, 3],
};
const read = (json: unknown) => declared(json, "mine", "mine.json");
const refusal = (json: unknown): string => {
  try {
    read(json);
  } catch (error) {
    return (error as Error).message;
  }
  return "";
};

describe("a declaration", () => {
  it("without runs takes every level with each, and every seed", () => {
    const { runs, factors } = read(base);
    expect(factors).toEqual(["grid", "latent"]);
    expect(runs.map(({ name }) => name)).toEqual(
      ["3x3_latent-off", "3x3_latent-x10", "7x7_latent-off", "7x7_latent-x10"].flatMap((arm) => [
        `grid-${arm}-s0`,
        `grid-${arm}-s3`,
      ]),
    );
    expect(runs.map(({ label }) => label).slice(0, 3)).toEqual([
      "3×3 (latent off)",
      "3×3 (latent off)",
      "3×3 (latent ×10)",
    ]);
    expect(runs[5]).toMatchObject({ arm: "grid-7x7_latent-off", levels: { grid: "7×7", latent: "off" }, seed: 3 });
  });

  it("layers settings: the experiment's, then those of the levels in the order of the factors", () => {
    const [first, , , , other] = read(base).runs;
    expect(first.preset).toBe("avatar-64");
    expect(other.preset).toBe("avatar-64-naive");
    const { config } = chosenConfig({ preset: other.preset, set: [...other.set], seed: 7 });
    expect(config).toMatchObject({
      batch: 4,
      seed: 7,
      lossWeights: { l1: 1, latent: 0 },
      architecture: { stages: [16] },
    });
  });

  it("with runs takes those, with seeds of their own", () => {
    const runs = [{}, { latent: "off" }, { grid: "7×7", latent: "×10", seeds: [1] }];
    expect(read({ ...base, runs }).runs.map(({ name, label }) => `${name}: ${label}`)).toEqual([
      "base-s0: base",
      "base-s3: base",
      "latent-off-s0: latent off",
      "latent-off-s3: latent off",
      "grid-7x7_latent-x10-s1: 7×7 (latent ×10)",
    ]);
  });

  it("is refused in one line that names what is wrong", () => {
    expect(refusal({ ...base, seeds: [] })).toMatch(/^mine\.json: seeds: /);
    expect(refusal({ ...base, seed: 1 })).toMatch(/^mine\.json: .*"seed"/);
    expect(refusal({ ...base, runs: [{ gird: "3×3" }] })).toBe(
      'mine.json: there is no factor "gird"; there are grid, latent',
    );
    expect(refusal({ ...base, runs: [{ grid: "5×5" }] })).toBe(
      'mine.json: factor "grid" has no level "5×5"; it has 3×3, 7×7',
    );
    expect(refusal({ ...base, runs: [{ grid: "3×3" }, { grid: "3×3" }] })).toBe(
      "mine.json: two runs are called grid-3x3-s0: an arm or a seed is there twice",
    );
    expect(refusal([])).toMatch(/^mine\.json: /);
  });
});

describe("shards", () => {
  it("share the runs out, each to one", () => {
    const runs = Array.from({ length: 11 }, (_, i) => i);
    const shards = [1, 2, 3, 4].map((i) => shardOf(runs, `${i}/4`));
    expect(shards[0]).toEqual([0, 4, 8]);
    expect(shards.flat().sort((a, b) => a - b)).toEqual(runs);
  });

  it.each(["0/4", "5/4", "1", "a/b", "1/0", "-1/2"])("refuse %s", (text) => {
    expect(() => shardOf([1], text)).toThrow(`--shard ${text}: it must be I/N with I from 1 to N`);
  });
});

describe.each(OWN_EXPERIMENTS)("the experiment %s", (name) => {
  it("declares runs that can be trained, of names of their own", () => {
    const { runs } = experimentNamed(name);
    expect(runs.length).toBeGreaterThan(3);
    for (const { preset, set, seed, name: run } of runs) {
      expect(() => chosenConfig({ preset, set: [...set], seed }), run).not.toThrow();
    }
  });

  it("has no two arms of one configuration", () => {
    const texts = experimentNamed(name).runs.map(({ preset, set, seed }) =>
      JSON.stringify(chosenConfig({ preset, set: [...set], seed }).config),
    );
    expect(new Set(texts).size).toBe(texts.length);
  });
});
