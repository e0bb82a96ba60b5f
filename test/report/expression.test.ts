import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { comparePage } from "../../src/report/compare.js";
import { viewRuns } from "../../src/report/compared.js";
import { reportPage } from "../../src/report/report.js";
import { viewRun } from "../../src/report/runView.js";
import { opened } from "./html.js";
import { EXPRESSIVE, logging, makeRun, type Recipe, SWAPS, TRAP } from "./runs.js";

const folder = mkdtempSync(join(tmpdir(), "shibori-expression-"));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const run = (recipe: Recipe) => makeRun(join(folder, `run${count++}`), recipe);
const open = (recipe: Recipe) => opened(reportPage(viewRun(run(recipe))));
const recipe: Recipe = { done: 40, finished: true, looks: [20], config: { steps: 40, saveEvery: 20 } };

describe("expression in the report", () => {
  it("is said in the verdict, with a card for each gate", () => {
    const { text, html } = open({ ...recipe, measures: EXPRESSIVE });
    expect(text).toContain("Passes Shows expression The swap passes");
    expect(html.match(/<li class="gate">/g)).toHaveLength(8);
    for (const card of ["eyes 0.59 ✓ passes", "mouth 0.41 ✓ passes", "eye response 0.34 ✓ passes"]) {
      expect(text).toContain(card);
    }
    const blind = open({ ...recipe, measures: { ...EXPRESSIVE, responseEye: 0.01 } }).text;
    expect(blind).toContain("Passes No expression The swap passes");
    expect(blind).toContain("eye response 0.01 ✗ fails");
  });

  it("is not said of a swap that fails, nor where it was not measured", () => {
    const fails = open({ ...recipe, measures: { ...EXPRESSIVE, ...TRAP } });
    expect(fails.html.match(/class="badge [a-z]+"/g)).toEqual(['class="badge fails"']);
    expect(fails.text).toContain("It counts in a swap that passes");
    const { text, html } = open({ ...recipe, measures: SWAPS });
    expect(text).not.toMatch(/expression The swap|Responses:/);
    expect(html.match(/<li class="gate">/g)).toHaveLength(3);
  });

  it("has a table of responses, with what was changed, the ceiling and the gate", () => {
    const { text } = open({ ...recipe, measures: EXPRESSIVE });
    expect(text).toContain("Responses: what the swap does when one thing changes");
    expect(text).toContain("the mouth opens mouth 0.1 → 0.9 0.75 0.82 ≥ 0.6 ✓ passes");
    expect(text).toContain("the mouth smiles smile −0.4 → 0.9 0.57 0.64 –");
    expect(text).toContain("the eyes open eye 0.35 → 0.95 0.34 0.27 ≥ 0.2 ✓ passes");
    expect(text).toContain("the brows rise brow −0.4 → 0.9 0.60 0.92 ≥ 0.4 ✓ passes");
    expect(text).toContain("the gaze wanders gazeX −0.6 → 0.6 0.33 0.25 –");
    // They are measured at the end only: no curve, and no row among the other measures.
    expect(text).not.toContain("Response: the");
  });

  it("draws its bounds beside eyes and mouth, where it was judged", () => {
    const bounds = (measures: typeof SWAPS) => {
      const { charts } = open({ ...recipe, measures }).data;
      return ["eyes", "mouth"].map(
        (id) => charts[id].groups.flatMap(({ curves }) => curves).find(({ tone }) => tone === "gate")?.y,
      );
    };
    expect(bounds(EXPRESSIVE)).toEqual([[0.65], [0.5]]);
    expect(bounds(SWAPS)).toEqual([undefined, undefined]);
  });

  it("leaves out grid energy where no region is flat", () => {
    const { data, text } = open({
      ...recipe,
      measures: { ...SWAPS, gridEnergy: Number.NaN, gridEnergyCeiling: Number.NaN },
    });
    expect(data.charts.gridEnergy).toBeUndefined();
    expect(text).not.toContain("Grid energy");
  });
});

describe("more than two identities", () => {
  const pairs = ["src dst", "src third", "dst src", "dst third", "third src", "third dst"].map((names, i) => {
    const [from, to] = names.split(" ");
    return { from, to, t: 0.9 + i / 100, swapError: 0.02, poseCorrelation: 0.7, passed: true };
  });
  const failing = pairs.map((pair) => ({ ...pair, passed: pair.to !== "third" }));
  const trio = (change: Partial<Recipe> = {}): Recipe => ({
    ...recipe,
    config: logging(["l1"], { identities: ["src", "dst", "third"], pair: "trio", steps: 40, saveEvery: 20 }),
    previews: [20, 40],
    several: { pair: "src → third", passed: true, pairs },
    ...change,
  });

  it("have a table of all swaps; the verdict is of all, its figures of the worst", () => {
    const { text } = open(trio({ measures: EXPRESSIVE }));
    expect(text).toContain("All 6 swaps pass; of the worst, src → third: t is 0.94 of its ceiling");
    expect(text).toContain("All show expression: eyes, brows and mouth follow.");
    expect(text).toContain("on 128 held-out poses (src → third, the worst swap)");
    expect(text).toContain("from → to t swap error pose corr. gates src → dst 0.9000 0.0200 0.7000 ✓ passes");
    expect(text).toContain("third → dst 0.9500 0.0200 0.7000 ✓ passes");
    const fails = open(trio({ measures: TRAP, several: { pair: "src → third", passed: false, pairs: failing } })).text;
    expect(fails).toContain("2 of 6 swaps fail; of the worst, src → third: t is 0.24 of its ceiling");
    expect(fails).toContain("dst → third 0.9300 0.0200 0.7000 ✗ fails");
  });

  it("are shown as a matrix, and count in the throughput", () => {
    const { html, text } = open(trio());
    expect(html).toContain(
      'alt="Sheet of pictures: a row for each identity&#39;s picture in each pose, a column for each decoder',
    );
    expect(text).toContain("Columns: the picture, then what each decoder makes of it");
  });

  it("compare by the swap of the first two, and rank no measure where their worst swaps differ", () => {
    const folders = [trio(), trio({ several: { pair: "dst → src", passed: true, pairs } })].map(run);
    const { text, html } = opened(comparePage(viewRuns(folders)).page);
    expect(text).toContain("Of several identities it is the swap from src to dst.");
    expect(html.match(/<img [^>]*>/g)).toHaveLength(2 * 6);
    expect(text).toMatch(
      /No value is marked as the best: each run shows its worst swap \(run\d+: src → third; run\d+: dst → src\)\./,
    );
  });
});
