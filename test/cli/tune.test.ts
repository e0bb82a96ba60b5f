import fs from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { InspectedKernel } from "../../src/cli/inspectKernels.js";
import { tuningLine } from "../../src/cli/tune.js";
import type { Decision } from "../../src/engine/tuner.js";
import { ensureBuilt, type Outcome, Shell } from "./shell.js";
import { embedded, SET_SMALL, short } from "./short.js";

const shell = new Shell();
const STEPS = 4;
const RECIPE = `train --preset avatar-64 ${SET_SMALL} --steps ${STEPS} --save-every 2 --seed 5`;
const LAST = `checkpoints/00000${STEPS}.safetensors`;

/** As a person's shell: a cache in a place of its own, and no word on when to tune. */
const CACHE = shell.file("cache");
async function run(args: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return shell.run(args, { SHIBORI_CACHE: CACHE, SHIBORI_TUNE: "cached", ...env });
}
async function done(args: string, env?: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await run(args, env);
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
  return stdout;
}

/** A cache for runs that must not tune. */
const UNTUNED = shell.file("other-cache");

const configOf = (name: string) => JSON.parse(shell.read(name, "config.json").toString());
const cacheFile = () => shell.file("cache/kernels", shell.list("cache/kernels")[0]);
const edit = (path: string, change: (text: string) => string) =>
  fs.writeFileSync(path, change(fs.readFileSync(path, "utf8")));

/** What a run's numbers are, without what depends on the clock on the wall. */
const FILES = ["metrics.jsonl", LAST, "config.json"];
const bytesOf = (name: string) => FILES.map((file) => shell.read(name, file).toString("base64"));

/** A copy of a run that lost its end. */
function unfinished(from: string, name: string): void {
  fs.cpSync(shell.file(from), shell.file(name), { recursive: true });
  fs.rmSync(shell.file(name, LAST));
}

const TIMING = /^timing kernels for (\d+) shapes on this adapter …$/m;
const TUNED = /^tuned (\d+) kernels in \d+\.\d s: (none|\d+) other than the default; cached in (\S+)$/m;

let count: number;
let first: string;
beforeAll(async () => {
  await ensureBuilt();
  first = await done(`${RECIPE} --out first`);
  count = Number(TIMING.exec(first)?.[1]);
});
afterAll(() => shell.remove());

describe("train", () => {
  it("tunes once for an adapter, says what it chose, and records it", async () => {
    expect(count).toBeGreaterThan(5);
    const [, tuned, others, path] = TUNED.exec(first) ?? [];
    expect({ tuned: Number(tuned), path }).toEqual({ tuned: count, path: cacheFile() });
    const { timings } = JSON.parse(fs.readFileSync(path, "utf8")) as { timings: Record<string, { choice: string }> };
    const { choices } = configOf("first").kernels;
    expect(Object.keys(timings)).toHaveLength(count);
    for (const [signature, { choice }] of Object.entries(timings)) expect(choices[signature]).toBe(choice);

    const before = fs.readFileSync(cacheFile());
    const second = await done(`${RECIPE} --out second`);
    expect(second).not.toMatch(TIMING);
    expect(second).toContain(
      `kernels: ${count} of ${count} from the tuner's cache; ${others} other than the default\n`,
    );
    expect(bytesOf("second")).toEqual(bytesOf("first"));
    expect(fs.readFileSync(cacheFile()).equals(before)).toBe(true);
  });

  it.skipIf(short)("leaves all alone with off, which the environment may say", async () => {
    const printed = await done(`${RECIPE} --overwrite --out again`, { SHIBORI_TUNE: "off", SHIBORI_CACHE: UNTUNED });
    expect(printed).not.toMatch(/timing|tuned|cache/);
    expect(Object.keys(configOf("again").kernels.choices)).toEqual(Object.keys(configOf("first").kernels.choices));
    expect(fs.existsSync(join(UNTUNED, "kernels"))).toBe(false);
  });

  it("refuses other words", async () => {
    expect(await shell.mistake("train --tune maybe --out again")).toBe(
      "option '--tune <when>' argument 'maybe' is invalid. Allowed choices are off, cached, force.",
    );
    const { code, stderr } = await run("train --out again", { SHIBORI_TUNE: "maybe" });
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(
        /^error: option '--tune <when>' value 'maybe' from env 'SHIBORI_TUNE' is invalid\./,
      ),
    });
  });

  it.skipIf(short)("times all anew with --tune force, and makes a damaged cache anew", async () => {
    edit(cacheFile(), (text) => text.slice(0, 500));
    const damaged = await run(`${RECIPE} --overwrite --out again --tune force`);
    expect(damaged).toMatchObject({ code: 0, stderr: `${cacheFile()} is damaged; kernels are timed anew\n` });
    expect(damaged.stdout).toMatch(TUNED);
    const { timings } = JSON.parse(fs.readFileSync(cacheFile(), "utf8"));
    expect(Object.keys(timings)).toHaveLength(count);
  });

  // The embedded adapter lies in the cache itself.
  it.skipIf(embedded)("does without a cache, with a line about it", async () => {
    const none = await run(`${RECIPE} --overwrite --out again`, { SHIBORI_CACHE: "/dev/null/cache" });
    expect(none.code).toBe(0);
    expect(none.stderr).toMatch(/^no folder for the tuner's cache: .*; kernels will be timed again next time\n$/);
    expect(none.stdout).toMatch(/^tuned \d+ kernels in .* s: .*; not cached$/m);
  });
});

describe("a run that goes on", () => {
  it("uses its own kernels, whatever the cache or a new tuning would say, and ends with the same bits", async () => {
    // Made up, so that no measurement would bring it about: the slower kernel of every op.
    edit(cacheFile(), (text) => {
      const file = JSON.parse(text);
      for (const timing of Object.values<{ choice: string; ms: Record<string, number> }>(file.timings)) {
        timing.choice = Object.keys(timing.ms).find((name) => name !== timing.choice) ?? timing.choice;
      }
      return JSON.stringify(file);
    });
    const odd = await done(`${RECIPE} --out odd`);
    expect(odd).toContain(`kernels: ${count} of ${count} from the tuner's cache`);
    const { choices } = configOf("odd").kernels;
    expect(choices).not.toEqual(configOf("first").kernels.choices);
    expect(shell.read("odd", LAST).equals(shell.read("first", LAST))).toBe(false);

    fs.rmSync(cacheFile());
    unfinished("odd", "resumed");
    const printed = await done("train --resume resumed --tune force");
    expect(printed).toMatch(/^going on after step 2 of 4, /m);
    expect(printed).not.toMatch(/timing|tuned|cache|will differ/);
    expect(bytesOf("resumed")).toEqual(bytesOf("odd"));
    expect(shell.list("cache/kernels")).toEqual([]);
  });

  it.skipIf(short)("on another adapter tunes anew, and says so", async () => {
    unfinished("odd", "moved");
    edit(shell.file("moved/config.json"), (text) => text.replace(/"driver": ".*"/, '"driver": "570"'));
    const printed = await done("train --resume moved");
    expect(printed).toMatch(TUNED);
    expect(printed).toMatch(/^the bits will differ from those of an uninterrupted run: adapter .*, other kernels$/m);
    const { kernels, continued } = configOf("moved");
    expect(kernels).toEqual(configOf("odd").kernels);
    expect(continued[0].kernels.choices).not.toEqual(kernels.choices);
  });

  it.skipIf(short)(
    "names a kernel of config.json that does not exist any more; without it another is chosen",
    async () => {
      unfinished("odd", "old");
      const path = shell.file("old/config.json");
      const { choices } = configOf("odd").kernels as { choices: Record<string, string> };
      const [signature, kernel] = Object.entries(choices).find(([name]) => name.startsWith("conv2d("))!;
      const key = JSON.stringify(signature);
      edit(path, (text) => text.replace(`${key}: "${kernel}"`, `${key}: "gone 8×8"`));
      expect(await shell.mistake("train --resume old")).toMatch(
        /^old\/config\.json: kernels\.choices: conv2d has no kernel "gone 8×8" on this adapter; there are \w+.*; delete what names "gone 8×8" there, and another is chosen \(the bits will differ\)$/,
      );
      edit(path, (text) => text.replace(/\n.*"gone 8×8",?(?=\n)/, ""));
      edit(path, (text) => text.replace(/,(\s*})/g, "$1"));
      const printed = await done("train --resume old");
      expect(printed).toMatch(/^(kernels: 1 of 1 from the tuner's cache; |tuned 1 kernel in )/m);
      expect(printed).toMatch(/^going on after step 2 of 4, /m);
    },
  );
});

describe("inspect --kernels", () => {
  it("shows every choice with the times that it rests on", async () => {
    const args = RECIPE.replace(/^train/, "inspect").replace(/--save-every \d+/, "");
    const cached = await run(`${args} --kernels --json`);
    expect(cached.code, cached.stderr).toBe(0);
    const { kernels } = JSON.parse(cached.stdout) as { kernels: InspectedKernel[] };
    expect(kernels).toHaveLength(count);
    const { choices } = configOf("first").kernels;
    for (const { signature, nodes, choice, default: standard, ms } of kernels) {
      expect(choices).toHaveProperty([signature]);
      expect(nodes).toBeGreaterThan(0);
      for (const name of [choice, standard]) expect(ms[name]).toBeGreaterThan(0);
      expect(ms[choice]).toBeLessThanOrEqual(ms[standard]);
    }
    const { stdout } = await run(`${args} --kernels`);
    expect(stdout).toMatch(/^op and shapes +kernel +nodes +ms +others, ms$/m);
    expect(stdout.match(/^conv\w+\(.*\) +\w[\w× ]*\*? +\d+ +[\d.e+-]+( +\w.* [\d.e+-]+)?$/gm)).toHaveLength(count);
  });
});

describe("the line about a tuning", () => {
  const decision = (choice: string, measured: boolean) => ({ choice, standard: "a", measured }) as Decision;
  it.each([
    [[decision("a", true), decision("b", true)], "tuned 2 kernels in 1.3 s: 1 other than the default; cached in file"],
    [[decision("a", true)], "tuned 1 kernel in 1.3 s: none other than the default; cached in file"],
    [
      [decision("b", false), decision("b", true)],
      "tuned 1 kernel in 1.3 s, 1 of 2 from the tuner's cache: 2 other than the default; cached in file",
    ],
    [[decision("b", false)], "kernels: 1 of 1 from the tuner's cache; 1 other than the default"],
  ])("of %j", (decisions, line) => {
    expect(tuningLine(decisions, 1.26, { path: "file", saved: true })).toBe(line);
  });
});
