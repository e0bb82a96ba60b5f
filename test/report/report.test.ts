import { appendFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { isResponse, QUANTITIES } from "../../src/report/quantities.js";
import { reportPage, writeReport } from "../../src/report/report.js";
import { viewRun } from "../../src/report/runView.js";
import { opened } from "./html.js";
import { EXPRESSIVE, makeRun, type Recipe, SWAPS, TRAP } from "./runs.js";

const folder = mkdtempSync(join(tmpdir(), "shibori-report-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const run = (recipe: Recipe, name = `run${count++}`) => makeRun(join(folder, name), recipe);
const open = (recipe: Recipe) => opened(reportPage(viewRun(run(recipe))));

const LOOKS = [240, 480, 720];
const folders = {
  kind: "folders",
  ...{ folders: { src: "/faces/o'hara & <b>", dst: "/faces/dst" }, training: 90, heldOut: 10, trueSwap: false },
  fingerprint: "a".repeat(64),
} as const;
const other = {
  adapter: { kind: "embedded", name: "SwiftShader", driver: "", subgroupSize: 0, options: "" },
  kernels: { choices: { "conv2d([1]) {}": "baseline" }, program: "1".repeat(64) },
  versions: { shibori: "0", node: "1", dawn: "2" },
} as const;

/** What the verdict must say in every state of a run. */
const STATES: [state: string, recipe: Recipe, sentence: string][] = [
  [
    "passed",
    { finished: true, looks: LOOKS, previews: [240, 2400] },
    "Passes The swap passes: t is 0.94 of its ceiling, swap error 0.69 of the constant picture's and pose correlation 0.95 of its ceiling.",
  ],
  [
    "the trap",
    { finished: true, looks: LOOKS, measures: TRAP, previews: [2400] },
    "Fails The swap fails: t is 0.24 of its ceiling, swap error 1.50 of the constant picture's and pose correlation 0.77 of its ceiling, though it reconstructs (0.45 of a constant picture's error).",
  ],
  [
    "failed one gate, and does not reconstruct",
    { finished: true, measures: { ...SWAPS, swapError: 0.03, reconstruction: 0.04 } },
    "The swap fails: swap error is 0.89 of the constant picture's; reconstruction is 1.15 of a constant picture's error.",
  ],
  [
    "under way",
    { done: 1200, looks: LOOKS, previews: [240] },
    "After 1,200 of 2,400 steps: t is 0.94 of its ceiling on 16 held-out poses, at step 720; the verdict comes at the end.",
  ],
  [
    "before the first look",
    { done: 90 },
    "Unfinished After 90 of 2,400 steps nothing has been measured yet; the verdict comes at the end.",
  ],
  ["before the first step", { done: 0 }, "Unfinished No step has been logged yet; the verdict comes at the end."],
  [
    "that shows expression",
    { measures: EXPRESSIVE, finished: true, looks: LOOKS },
    "pose correlation 0.95 of its ceiling. It shows expression: eyes, brows and mouth follow.",
  ],
  [
    "that swaps without expression",
    { measures: { ...EXPRESSIVE, eyes: 0.7, responseBrow: 0.1 }, finished: true, looks: LOOKS },
    "It does not show expression: eyes 0.70 instead of ≤ 0.65 and brow response 0.10 instead of ≥ 0.4.",
  ],
  [
    "of folders",
    { config: { data: folders }, unknown: true, finished: true, looks: LOOKS, previews: [2400] },
    "No verdict After 2,400 of 2,400 steps reconstruction is 0.54 of a constant picture's error; whether it swaps cannot be measured without a known true swap: look at the previews.",
  ],
  [
    "of folders, under way",
    { config: { data: folders }, unknown: true, done: 1000, looks: LOOKS },
    "Unfinished After 1,000 of 2,400 steps reconstruction is 0.54 of",
  ],
  [
    "of a single step",
    { config: { steps: 1, saveEvery: 1 }, finished: true, previews: [1] },
    "The swap passes: t is 0.94",
  ],
  [
    "with a ceiling of nothing",
    { finished: true, measures: { ...SWAPS, tCeiling: 0, poseCorrelationCeiling: 0 } },
    "The swap fails: t is – of its ceiling and pose correlation – of its ceiling",
  ],
  [
    "continued on another adapter",
    { config: { continued: [{ after: 960, ...other }] }, finished: true, looks: LOOKS },
    "The swap passes: ",
  ],
];

describe("the report of a run", () => {
  it.each(STATES)("%s", (_, recipe, sentence) => {
    expect(open(recipe).text).toContain(sentence);
  });

  it("that diverged says where, and why", () => {
    const broken = run({ done: 811, looks: LOOKS });
    broken.appendMetrics([{ step: 812, fault: "NaN first came from kernel <conv2d>" }]);
    const { html } = { html: reportPage(viewRun(broken)) };
    expect(html).toContain("Diverged");
    expect(html).toContain(
      "Training stopped before step 812 of 2,400, which was not applied: NaN first came from kernel &lt;conv2d&gt;.",
    );
  });

  it("leaves gaps where numbers are missing", () => {
    const holed = run({ done: 50, looks: [] });
    for (const step of [10, 20]) {
      holed.appendMetrics([{ step, measures: { poses: 16, ...SWAPS, t: step === 10 ? Number.NaN : 0.5 } }]);
    }
    const { data } = opened(reportPage(viewRun(holed)));
    expect(data.charts.t.groups[0].curves[0].y).toEqual([null, 0.5]);
  });

  it("shows every measure, its ceiling and the constant picture's, with the final values", () => {
    const { text, data } = open({ finished: true, looks: LOOKS, measures: EXPRESSIVE });
    for (const quantity of QUANTITIES.filter((one) => !isResponse(one))) {
      expect(text).toContain(quantity.name);
      expect(text).toContain(quantity.meaning);
    }
    expect(text).toContain("t: how far the swap went 0.8619 0.9148 0.8836");
    expect(text).toContain("Swap error 0.0232 0.0189 0.0337");
    expect(text).toContain("Pose correlation 0.6842 0.7231 0");
    expect(text).toContain("Reconstruction error 0.0187 – 0.0349");
    expect(text).toContain("Eyes 0.5900 0.4800 1");
    expect(text).toContain("Mouth 0.4100 0.3400 1");
    expect(text).toContain("Distance from the source 0.0525 0.0551 0.0572");
    expect(Object.keys(data.charts)).toEqual([
      ...["t", "swapError", "poseCorrelation", "reconstruction", "eyes", "mouth", "gridEnergy"],
      ...["l1", "latent", "loss", "rate", "speed", "elapsed"],
    ]);
  });

  it("draws each measure against ceiling, constant picture and gate, and the end by itself", () => {
    const { charts } = open({ finished: true, looks: LOOKS }).data;
    const drawn = (id: string) =>
      charts[id].groups.map(({ x, curves: [{ tone, style, y }] }) => [tone, style, x.length, y.at(-1)]);
    expect(drawn("swapError")).toEqual([
      ["measured", "line", 3, 0.0232],
      ["ceiling", "dashed", 3, 0.0189],
      ["constant", "dashed", 3, 0.0337],
      ["gate", "dotted", 3, 0.02527], // .75 of the constant picture's
      ["measured", "point", 1, 0.0232],
    ]);
    expect(drawn("t").slice(2, 4)).toEqual([
      ["constant", "dashed", 3, 0.8836],
      ["gate", "dotted", 3, 0.8416], // .92 of the ceiling
    ]);
    expect(charts.t.x).toEqual([0, 2400]);
  });

  it("uses a logarithmic axis where numbers span a decade", () => {
    const { charts } = open({}).data;
    expect(charts.latent.log).toBe(true);
    expect(charts.rate.log).toBe(false);
    expect(open({}).text).toContain("statistics (log scale)");
  });

  it("says of each gate in words whether it is met", () => {
    const state = (recipe: Recipe) => open(recipe).html.match(/[✓✗] [a-z ]+/g);
    expect(state({ finished: true })).toEqual(["✓ passes", "✓ passes", "✓ passes"]);
    expect(state({ finished: true, measures: { ...TRAP, poseCorrelation: 0.8 } })).toEqual([
      "✗ fails",
      "✗ fails",
      "✓ passes",
    ]);
    expect(state({ done: 900, looks: LOOKS, measures: TRAP })).toEqual([
      "✗ not met yet",
      "✗ not met yet",
      "✗ not met yet",
    ]);
  });

  it("moves through previews that lie beside it", () => {
    const made = run({ finished: true, previews: [240, 480, 2400] });
    writeReport(made);
    const { html, data } = opened(readFileSync(made.file("report.html"), "utf8"));
    expect(data.previews).toEqual([
      { step: 240, name: "previews/000240.png" },
      { step: 480, name: "previews/000480.png" },
      { step: 2400, name: "previews/002400.png" },
    ]);
    for (const { name } of data.previews ?? []) expect(readFileSync(made.file(name)).length).toBeGreaterThan(0);
    expect(html).toContain('<input type="range" min="0" max="2" step="1" value="2"');
    expect(html).toContain('<img src="previews/002400.png" alt="Sheet of pictures: a row a pose; source,');
  });

  it("says what was given on the command line, and how to repeat and continue the run", () => {
    const config = { steps: 500, rate: 0.004, overrides: { steps: 500, rate: 0.004 } };
    const { html, text } = open({ config, done: 200 });
    expect(html).toContain("<mark>500</mark> (preset: 2400)");
    expect(text).toContain(
      "shibori train --preset avatar-64 --steps 500 --lr 0.004 --save-every 240 --adapter software --out runs/again",
    );
    expect(text).toContain(`shibori train --resume ${folder}/run`);
    expect(open({ finished: true }).text).not.toContain("--resume");
  });

  it("quotes folders for a shell, and leaves out what their pictures decide", () => {
    const config = {
      data: { ...folders, trueSwap: true },
      overrides: { pair: "hue", seed: 3 },
      pair: "hue",
      seed: 3,
    } as const;
    const { text } = open({ config });
    expect(text).toContain(
      `train --preset avatar-64 --seed 3 --src '/faces/o'\\''hara & <b>' --dst /faces/dst --save-every`,
    );
  });

  it("says by how much the encoder's pictures were warped", () => {
    const { text } = open({ config: { warp: 0.06, overrides: { warp: 0.06 } } });
    expect(text).toContain("warp of what the encoder sees, part of the width 0.06");
    expect(text).toContain("--preset avatar-64 --set warp=0.06 --save-every");
    expect(open({}).text).not.toContain("warp of");
  });

  it("says what poses identities were trained on apart, and repeats them", () => {
    const { text } = open({ config: { apart: true, overrides: { apart: true } } });
    expect(text).toContain("poses to judge by demo poses to train src by hardleft poses to train dst by hardright");
    expect(text).toContain("--preset avatar-64 --set apart=true --save-every");
    expect(open({}).text).not.toContain("hardleft");
  });

  it("names the machine that a run was continued on", () => {
    const { text } = open({ config: { continued: [{ after: 960, ...other }] } });
    expect(text).toContain(
      "Machine after step 960: the bits differ from an uninterrupted run's adapter SwiftShader (embedded)",
    );
  });

  it("counts time over all sittings, and marks where one began", () => {
    const made = run({ done: 900 });
    made.appendTime({ step: 960, seconds: 55, at: "2026-11-26T08:00:00.000Z" });
    made.appendTime({ step: 1000, seconds: 60 });
    const { text, data } = opened(reportPage(viewRun(made)));
    expect(text).toContain("sittings 2026-11-25 20:07 UTC; 2026-11-26 08:00 UTC (after step 960)");
    expect(text).toContain("throughput 67 pictures a second, at best");
    expect(text).toContain("left at this pace 3.1 min"); // 1,500 steps, of which the latest sitting did 40 in 5 s

    expect(data.charts.speed.marks).toEqual([960]);
    expect(data.charts.elapsed.marks).toEqual([960]);
  });

  it("is not broken by hostile names", () => {
    const name = "</script><b>&\"'<!--";
    const config = {
      adapter: { kind: "software", name: "<img src=x>", driver: "</style>", subgroupSize: 8, options: "" },
    } as const;
    const made = run({ finished: true, config }, name.replace("/", ""));
    const view = { ...viewRun(made), name };
    const { html, text } = opened(reportPage(view));
    expect(html).not.toContain('<b>&"');
    expect(html).not.toContain("<img src=x>");
    expect(html).toContain("<h1>&lt;/script&gt;&lt;b&gt;&amp;&quot;&#39;&lt;!--</h1>");
    expect(text).toContain(name);
    expect(opened(reportPage(viewRun(made))).text).toContain("<script><b>");
  });

  it("stays small however long the run was, and keeps its peaks", () => {
    const long = run({ config: { steps: 100_000 }, done: 0, previews: [] });
    const step = (n: number) => ({
      step: n,
      loss: 1,
      "l1.src": n === 70_050 ? 9 : 0.1 + 0.01 * Math.sin(n),
      "l1.dst": 0.1,
      latent: 0.1,
      rate: 1,
    });
    long.appendMetrics(Array.from({ length: 100_000 }, (_, i) => step(i + 1)));
    for (let n = 0; n < 100_000; n += 5) long.appendTime({ step: n, seconds: n / 10 });
    for (let n = 1000; n < 100_000; n += 1000) long.appendMetrics([{ step: n, measures: { poses: 16, ...SWAPS } }]);
    const { html, data } = opened(reportPage(viewRun(long)));
    expect(html.length).toBeLessThan(400_000);
    const faint = data.charts.l1.groups.filter(({ curves }) => curves[0].tone === "src" && curves[0].style === "faint");
    const [{ x, curves }] = faint;
    expect(Math.max(...(curves[0].y as number[]))).toBe(9);
    expect(x[curves[0].y.indexOf(9)]).toBe(70_050);
  });

  it("is refused for a damaged folder in one line that names the file", () => {
    const damaged = run({ done: 3 });
    appendFileSync(damaged.file("metrics.jsonl"), '{"step":3,"measures":null}\n');
    expect(() => writeReport(damaged)).toThrow(/metrics\.jsonl, line 4 is not one that a run writes/);
  });
});
