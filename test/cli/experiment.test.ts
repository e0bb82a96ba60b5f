import fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, Shell } from "./shell.js";
import { short } from "./short.js";

const shell = new Shell();
const SMALL = { "architecture.size": 32, "architecture.stages": [16] };
const declaration = {
  title: "Small and large codes",
  question: "Does it matter?",
  set: { ...SMALL, steps: 6 },
  factors: { code: { small: { set: { "architecture.code": 4 } }, large: {} } },
  seeds: [0],
};
const write = (name: string, json: unknown) => fs.writeFileSync(shell.file(name), JSON.stringify(json));

/** results.csv by column. None of these cells is quoted. */
function results(): Record<string, string>[] {
  const [head, ...lines] = fs.readFileSync(shell.file("all/results.csv"), "utf8").trim().split("\n");
  const names = head.split(",");
  return lines.map((line) => Object.fromEntries(line.split(",").map((cell, i) => [names[i], cell])));
}

beforeAll(async () => {
  await ensureBuilt();
  write("mine.json", declaration);
});
afterAll(() => shell.remove());

describe("shibori experiment", () => {
  it("refuses what cannot be, in one line, before anything runs", async () => {
    write("broken.json", { ...declaration, factors: { code: { small: { set: { stepz: 1 } } } } });
    fs.writeFileSync(shell.file("cut.json"), '{"title": ');
    const said = async (args: string) => {
      const { code, stderr } = await shell.run(`experiment ${args}`);
      expect(code, stderr).toBe(2);
      return stderr.replace(/^adapter: .*\n/m, "").trim();
    };
    expect(await said("nothing")).toBe(
      'shibori: there is no experiment "nothing"; choose one of trap, trap-128, dissect, fixes, levers, or give a file that ends in .json',
    );
    expect(await said("none.json")).toBe("shibori: none.json does not exist");
    expect(await said("cut.json")).toMatch(/^shibori: cut\.json: .*JSON/);
    expect(await said("mine.json --shard 3/2")).toMatch(/^shibori: --shard 3\/2: /);
    expect(await said("broken.json")).toMatch(/^shibori: run code-small-s0: --set stepz=1: there is no field "stepz"/);
    expect(fs.existsSync(shell.file("runs"))).toBe(false);
  });

  it("trains its shard, and writes what is there", async () => {
    const first = await shell.do("experiment mine.json --out all --shard 2/2");
    expect(first).toMatch(
      /run +state +steps +batch +TFLOP +time\ncode-large-s0 +to do +6 +2 +0\.00 +–\n1 of 1 runs to do/,
    );
    expect(first).toContain("1 of 2 runs are finished.\nIt fails with large: with every one of them.");
    expect(fs.existsSync(shell.file("all/code-small-s0"))).toBe(false);
    const page = fs.readFileSync(shell.file("all/report.html"), "utf8");
    expect(page).toContain("<h1>Small and large codes</h1>");
    expect(page).toContain("1 of 2 runs are not finished yet");
    expect(page.match(/<img src="data:image\/png/g)).toHaveLength(6 * 3);
    const [row, none] = results();
    expect(row).toMatchObject({ run: "code-large-s0", code: "3×3×64", seed: "0", code_numbers: "576", steps: "6" });
    expect(none).toBeUndefined();
    expect(Number(row.probe_bits)).toBeGreaterThanOrEqual(0);
    for (const known of ["gap", "mean_gap", "probe_accuracy", "reconstruction", "swap_ratio", "loss_l1"]) {
      expect(Number(row[known]), known).toBeGreaterThan(0);
    }
  });

  it.skipIf(short)("then the rest, and nothing twice", async () => {
    const times = () => fs.readFileSync(shell.file("all/code-large-s0/times.jsonl"), "utf8");
    const before = times();
    const second = await shell.do("experiment mine.json --out all");
    expect(second).toMatch(/code-small-s0 +to do/);
    expect(second).toMatch(/code-large-s0 +finished/);
    expect(second).toContain("run 1 of 1: code-small-s0");
    expect(second).toContain("2 of 2 runs are finished.\nIt fails with small and large: with every one of them.");
    expect(times()).toBe(before);
    // In the order of the declaration, whoever was first.
    expect(results().map(({ run }) => run)).toEqual(["code-small-s0", "code-large-s0"]);
  });

  it("refuses a folder whose runs are others than those declared", async () => {
    write("other.json", { ...declaration, factors: { code: { large: {} } }, set: { ...SMALL, steps: 7 } });
    const { code, stderr } = await shell.run("experiment other.json --out all --plan");
    expect(code).toBe(2);
    expect(stderr).toContain(
      "all/code-large-s0 holds a run with steps 6, but code-large-s0 is declared with 7: move it away, or give another --out",
    );
  });

  it.skipIf(short)("stopped by a signal it saves the run, and goes on with it", async () => {
    write("long.json", { ...declaration, set: { ...SMALL, steps: 400 }, factors: { code: { small: {} } }, seeds: [3] });
    const { child, said, ended } = shell.start("experiment long.json --out long");
    for (let i = 0; i < 1200 && !/network: /.test(said()); i++) await new Promise((resolve) => setTimeout(resolve, 50));
    child.kill("SIGINT");
    expect(await ended, said()).toBe(130);
    expect(said()).toContain("0 of 1 runs are finished.");
    expect(fs.readdirSync(shell.file("long/code-small-s3/checkpoints")).length).toBeGreaterThan(0);
    const again = await shell.do("experiment long.json --out long");
    expect(again).toMatch(/code-small-s3 +at step \d+ /);
    expect(again).toContain("1 of 1 runs are finished.");
  });
});
