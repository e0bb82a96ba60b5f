import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { comparePage } from "../../src/report/compare.js";
import { type Compared, viewRuns } from "../../src/report/compared.js";
import { configRows } from "../../src/report/configDifferences.js";
import { headline, lossesLine } from "../../src/report/headline.js";
import { readTiles } from "../../src/report/tiles.js";
import { decodePng } from "../../src/storage/png.js";
import { runConfig } from "../storage/runs.js";
import { opened } from "./html.js";
import { makeRun, POSES, type Recipe, SWAPS, shownIn, TRAP } from "./runs.js";

const folder = mkdtempSync(join(tmpdir(), "shibori-compare-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;

/** Runs of these names. */
function runs(recipes: Readonly<Record<string, Recipe>>): Compared[] {
  const place = join(folder, String(count++));
  return viewRuns(Object.entries(recipes).map(([name, recipe]) => makeRun(join(place, name), recipe)));
}
const open = (recipes: Readonly<Record<string, Recipe>>) => opened(comparePage(runs(recipes)).page);

const LOOKS = [240, 480, 720];
const naive = {
  network: { ...runConfig().network, code: "7×7×64", codeLength: 3136 },
  architecture: { size: 32, stages: [], mid: 4, code: 4 },
};
const demo: Recipe = { finished: true, looks: LOOKS, previews: [240, 480, 2400] };
const trap: Recipe = { ...demo, measures: TRAP, l1: 0.015, config: naive };
const unknown: Recipe = {
  ...demo,
  unknown: true,
  config: {
    data: {
      kind: "folders",
      folders: { src: "/s", dst: "/d" },
      training: 9,
      heldOut: 1,
      trueSwap: false,
      fingerprint: "a".repeat(64),
    },
  },
};
const early: Recipe = { done: 1000, looks: LOOKS, previews: [240, 480, 720, 960] };

describe("the headline", () => {
  const better = { ...demo, measures: { ...SWAPS, t: 0.9, reconstruction: 0.02 } };
  const near = { ...demo, measures: { ...SWAPS, swapError: 0.026 } };
  const blind = { ...demo, measures: { ...TRAP, reconstruction: 0.034 } };
  it.each<[string, Readonly<Record<string, Recipe>>, string]>([
    [
      "one of two swaps",
      { demo, trap },
      "Both reconstruct (0.54 and 0.45 of a constant picture's error); only demo swaps (t 0.94 against 0.24 of its ceiling).",
    ],
    [
      "both swap",
      { demo, better },
      "Both reconstruct (0.54 and 0.57 of a constant picture's error); both swap (t 0.94 and 0.98 of its ceiling).",
    ],
    [
      "neither swaps",
      { trap, near },
      "Both reconstruct (0.45 and 0.54 of a constant picture's error); neither swaps (swap error 1.50 and 0.77 of the constant picture's).",
    ],
    [
      "the gate that tells is named",
      { demo, near },
      "Both reconstruct (0.54 and 0.54 of a constant picture's error); only demo swaps (swap error 0.69 against 0.77 of the constant picture's).",
    ],
    [
      "one does not reconstruct",
      { demo, blind },
      "demo reconstructs (0.54 of a constant picture's error), blind does not (0.97); only demo swaps (t 0.94 against 0.24 of its ceiling).",
    ],
    [
      "many",
      { demo, better, trap, near },
      "All 4 reconstruct (0.45 to 0.57 of a constant picture's error); only demo and better swap (swap error 0.69 and 0.69 against 1.50 and 0.77 of the constant picture's).",
    ],
    [
      "one is under way",
      { demo, early },
      "demo reconstructs (0.54 of a constant picture's error); demo swaps (t 0.94 of its ceiling); early is unfinished (step 1,000 of 2,400, t 0.94 of its ceiling so far).",
    ],
    [
      "all are under way",
      { early, late: early },
      "Both reconstruct so far (0.54 and 0.54 of a constant picture's error); early is unfinished (step 1,000 of 2,400, t 0.94 of its ceiling so far); late is unfinished (step 1,000 of 2,400, t 0.94 of its ceiling so far).",
    ],
    [
      "no true swap is known",
      { unknown, other: unknown },
      "Both reconstruct (0.54 and 0.54 of a constant picture's error); whether unknown swaps is not known: it has no true swap to measure by; whether other swaps is not known: it has no true swap to measure by.",
    ],
    [
      "nothing is measured",
      { a: { done: 3 }, b: { done: 0 } },
      "a is unfinished (step 3 of 2,400); b is unfinished (step 0 of 2,400).",
    ],
  ])("%s", (_, recipes, said) => expect(headline(runs(recipes))).toBe(said));

  it("says what the losses would have told", () => {
    const told = (recipes: Readonly<Record<string, Recipe>>) => lossesLine(runs(recipes));
    expect(told({ demo, trap })).toBe(
      "The losses do not show it: trap, which does not swap, ends with the lower L1 (0.0151 against 0.0199), and every loss falls in both.",
    );
    expect(told({ demo, trap: { ...trap, l1: 0.025 } })).toBe(
      "The losses hardly show it: L1 ends at 0.0199 in demo and at 0.0246 in trap.",
    );
    expect(told({ demo, trap: { ...trap, l1: 0.09 } })).toBe("L1 ends at 0.0199 in demo and at 0.0864 in trap.");
    expect(told({ demo, trap: { ...trap, config: { ...naive, pair: "hue" } } })).toBe(
      "Their losses cannot be ranked: they are trained on different pictures.",
    );
    expect(told({ demo, other: demo })).toBeUndefined();
    expect(told({ demo, early })).toBeUndefined();
  });

  it("names a run that diverged", () => {
    const [one, two] = runs({ demo, wild: { done: 50 } });
    const fault = { step: 51, fault: "NaN" };
    const wild = { ...two, metrics: { ...two.metrics, fault } };
    expect(headline([one, wild])).toContain("; wild diverged at step 51.");
    expect(opened(comparePage([one, wild]).page).text).toContain("Diverged");
  });
});

describe("the pictures", () => {
  it("stand beside each other at equal poses, each as it was in its preview", () => {
    const two = runs({ demo, trap });
    const tiles = readTiles(two);
    expect(tiles.stops).toEqual(["step 240", "step 480", "step 2,400"]);
    expect(tiles.problems).toEqual([]);
    expect(tiles.groups).toHaveLength(1);
    const [{ shows, runs: shown }] = tiles.groups;
    expect(shows).toBe("3 held-out poses of the pair mild, poses demo, 8 px");
    const pixels = (url: string | undefined) => decodePng(Buffer.from(url?.split(",")[1] ?? "", "base64"), "tile");
    for (const { poses, stops } of shown) {
      for (let pose = 0; pose < POSES; pose++) {
        expect(pixels(poses[pose].source)).toEqual(shownIn("src", pose, 0));
        expect(pixels(poses[pose].trueSwap)).toEqual(shownIn("trueSwap", pose, 0));
        expect(stops).toHaveLength(3);
      }
    }
    // Each run's own pictures, of each step.
    const swaps = shown.flatMap(({ stops }) => stops.flatMap((stop) => stop.map(({ swap }) => swap)));
    expect(new Set(swaps).size).toBe(2 * 3 * POSES);
    for (const [i, step] of [240, 480, 2400].entries()) {
      const own = shown.map(({ stops }) =>
        stops[i].map(({ swap, reconstruction }) => [pixels(swap), pixels(reconstruction)]),
      );
      const made = [0, 1].map((run) =>
        Array.from({ length: POSES }, (_, pose) =>
          (["swap", "srcReconstruction"] as const).map((column) => shownIn(column, pose, step, run)),
        ),
      );
      expect([own, [...own].reverse()]).toContainEqual(made);
    }
  });

  it("have real headers, and a slider over the steps that all runs have", () => {
    const { html, data } = open({ demo, trap });
    for (const head of ["held-out pose", "swap", "source reconstructed"]) {
      expect(html).toMatch(new RegExp(`<th scope="colgroup" colspan="2">${head}</th>`));
    }
    expect(html).toContain('alt="swap by trap, row 3"');
    const images = html.match(/<img [^>]*>/g) ?? [];
    expect(images).toHaveLength(POSES * 6);
    for (const image of images) expect(image).toContain('src="data:image/png;base64,');
    expect(html.match(/ data-moves/g)).toHaveLength(POSES * 4);
    expect(data.tiles?.map(({ label, tiles }) => [label, tiles?.length])).toEqual([
      ["step 240", POSES * 4],
      ["step 480", POSES * 4],
      ["step 2,400", undefined], // is in the page already
    ]);
  });

  it("of runs of different lengths end with each run's own last", () => {
    const { stops } = readTiles(runs({ demo, early }));
    expect(stops).toEqual(["step 240", "step 480", "last of each: 2,400 and 960"]);
  });

  it("are at most eight steps, the last among them", () => {
    const previews = Array.from({ length: 24 }, (_, i) => 100 * (i + 1));
    const { stops } = readTiles(runs({ a: { ...demo, previews }, b: { ...demo, previews } }));
    expect(stops).toHaveLength(8);
    expect(stops.at(-1)).toBe("step 2,400");
  });

  it("of other poses stand in tables of their own, and the page says so", () => {
    const hue = { ...demo, config: { pair: "hue" } } as const;
    const { text, html } = open({ demo, trap, hue, unknown });
    expect(text).toContain("The runs do not all show the same pictures");
    expect(html.match(/<table style="--columns:6">/g)).toHaveLength(1); // demo and trap
    expect(html.match(/<table style="--columns:4">/g)).toHaveLength(1); // hue
    expect(html.match(/<table style="--columns:3">/g)).toHaveLength(1); // no true swap
    expect(text).toContain("held-out picture ");
  });

  it("that cannot be read are passed over and named", () => {
    const two = runs({ demo, trap });
    writeFileSync(two[1].previews[2].path, "no picture");
    const { page, problems } = comparePage(two);
    expect(problems).toEqual([expect.stringMatching(/trap\/previews\/002400\.png: not a PNG file$/)]);
    expect(opened(page).text).toContain("002400.png: not a PNG file");
    expect(readTiles(two).stops).toEqual(["step 240", "step 480", "last of each: 2,400 and 480"]);
  });

  it("may be missing", () => {
    const none = { ...demo, previews: [] };
    expect(open({ a: none, b: none }).text).toContain("no previews that could be set beside each other");
    expect(open({ demo, none }).text).toContain("Without previews: none.");
  });
});

describe("the tables", () => {
  it("mark the best of what compares, and say why the rest does not", () => {
    const { text } = open({ demo, trap });
    expect(text).toContain("★ marks the best of each line.");
    expect(text).not.toContain("undefined");
    expect(text).toContain(
      "t: how far the swap went 0.8619 ★ best ceiling 0.9148 constant picture 0.8836 0.2279 ceiling",
    );
    expect(text).toContain("Reconstruction error 0.0187 constant picture 0.0349 0.0157 ★ best");
    expect(text).toContain("Distance from the source 0.0525 ceiling 0.0551 constant picture 0.0572 0.0260");
    expect(text).toMatch(
      /L1, source 0\.\d+ 0\.\d+ ★ best L1, target 0\.\d+ 0\.\d+ ★ best latent 0\.\d+ 0\.\d+ Not ranked/,
    );
    expect(text).toContain("Not ranked: it is of codes of different shapes (demo: 3×3×64; trap: 7×7×64).");
    expect(text).toMatch(/total 0\.\d+ 0\.\d+ Not ranked: its latent part is of codes of different shapes/);
  });

  it("mark nothing where runs are unfinished, or were measured on other pictures, or not at all", () => {
    expect(open({ demo, early }).text).toContain("No value is marked as the best: early is unfinished.");
    expect(open({ demo, unknown }).text).toContain("the true swap is known of some runs only.");
    const hue = { ...demo, config: { pair: "hue" } } as const;
    expect(open({ demo, hue }).text).toContain(
      "No value is marked as the best: they were measured on different pictures (demo: pair mild, poses demo, 32 px; hue: pair hue",
    );
    for (const other of [early, hue]) {
      const [, table] = open({ demo, other }).html.split("Measured on");
      expect(table.split("</table>")[0]).not.toContain("★");
    }
  });

  it("mark nothing that is shared", () => {
    expect(open({ demo, other: demo }).html).not.toContain('class="star"');
  });

  it("show the verdict and the gates side by side", () => {
    const { text } = open({ demo, trap, early, unknown });
    expect(text).toContain("swap Passes Fails Unfinished No verdict");
    expect(text).toContain("t ≥ 0.92 of its ceiling 0.94 ✓ passes 0.24 ✗ fails 0.94 ✓ met so far not known");
    expect(text).toContain("steps 2,400 2,400 1,000 of 2,400 2,400");
  });

  it("show what differs in the configurations first, nested keys too, and what is equal apart", () => {
    const { differing, equal } = configRows([
      runConfig({ overrides: { seed: 3 }, seed: 3 }),
      runConfig({ architecture: { size: 32, stages: [4, 8], mid: 4, code: 4, dense: 5 } }),
    ]);
    expect(differing).toEqual([
      { key: "seed", values: ["3", "0"] },
      { key: "architecture.stages", values: ["4", "4, 8"] },
      { key: "architecture.dense", values: [undefined, "5"] },
    ]);
    expect(equal.map(({ key }) => key)).toContain("adapter.name");
    const { text } = open({ demo, trap });
    expect(text).toContain("architecture.stages 4");
    expect(text).toContain("network.code 3×3×64 7×7×64");
    expect(text).toMatch(/\d+ entries that are equal preset avatar-64/);
    expect(open({ demo, other: demo }).text).toContain("The configurations are equal.");
  });
});

describe("the curves", () => {
  it("have one line a run, the same everywhere", () => {
    const { data, html } = open({ demo, trap });
    for (const id of ["l1", "latent", "loss0", "t", "swapError", "poseCorrelation", "reconstruction"]) {
      const lines = data.charts[id].groups.flatMap(({ curves }) => curves.map(({ tone, style }) => `${tone} ${style}`));
      expect(lines.slice(0, 2), id).toEqual(["run0 line", "run1 long"]);
    }
    expect(html).toContain("var(--run1)");
    const [t, , ceiling, gate] = data.charts.t.groups;
    expect(t.curves[0].y).toEqual([0.9422, 0.9422, 0.9422, 0.9422]);
    expect([ceiling.curves[0].y, gate.curves[0].y]).toEqual([
      [1, 1],
      [0.92, 0.92],
    ]);
  });

  it("of totals are drawn apart where their definitions differ, with the reason", () => {
    const weighted = { ...demo, config: { losses: { ...runConfig().losses, loss: "another sum" } } };
    const { text, data } = open({ demo, trap, weighted });
    expect(text).toContain("Total loss of demo and trap");
    expect(text).toContain("Total loss of weighted");
    expect(text).toContain("In a chart of its own: the formulas differ (demo and trap: sum; weighted: another sum).");
    expect(data.charts.loss0.groups).toHaveLength(2);
    expect(data.charts.loss1.groups).toHaveLength(1);
  });

  it("leave out parts of a ceiling that is next to nothing", () => {
    const weak = { ...demo, measures: { ...SWAPS, poseCorrelationCeiling: 0.01 } };
    const { data } = open({ demo, weak });
    expect(data.charts.poseCorrelation.groups[1].curves[0].y).toEqual([null, null, null, null]);
  });
});

describe("the page", () => {
  it.each<[string, Readonly<Record<string, Recipe>>]>([
    ["two finished runs", { demo, trap }],
    ["runs without a step", { a: { done: 0 }, b: { done: 0 } }],
    ["a run of one step", { demo, one: { config: { steps: 1 }, finished: true, previews: [1] } }],
    ["avatars, folders, and a run under way", { demo, unknown, early }],
    ["eight runs", Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`run${i}`, i % 2 ? demo : trap]))],
    ["hostile names", { "<b>&'\"": demo, "$&": trap }],
  ])("of %s is whole", (_, recipes) => {
    const { text } = open(recipes);
    for (const name of Object.keys(recipes)) expect(text).toContain(name);
  });

  it("tells folders of one name apart", () => {
    const [a] = runs({ same: demo });
    const [b] = runs({ same: trap });
    const both = viewRuns([a.folder, b.folder]);
    expect(both.map(({ name }) => name)).toEqual([a.folder.path, b.folder.path]);
  });
});
