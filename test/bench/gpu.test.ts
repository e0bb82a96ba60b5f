/** What runs on a GPU machine without npm: the bundled tests' runner, the script's bookkeeping, and its summary. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { summaryOf } from "../../bench/gpu/summary.js";
import { benchRecord } from "../report/bench.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const house = mkdtempSync(join(tmpdir(), "shibori-gpu-"));
afterAll(() => rmSync(house, { recursive: true, force: true }));

function execute(command: string, args: string[], env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { env: { ...process.env, ...env }, encoding: "utf8" });
  return { status, stdout, stderr };
}

const PLANTED = {
  good: `
describe("good", () => {
  it.each([1, 2])("%i is a number", (n) => expect(n).toEqual(expect.any(Number)));
  it.skip("is not run", () => expect(1).toBe(2));
  it("rejects", () => expect(Promise.reject(new Error("no"))).rejects.toThrow("no"));
});`,
  address: `
import { readFileSync } from "node:fs";
it("finds what lies beside it", () => {
  expect(readFileSync(new URL("beside.txt", import.meta.url), "utf8")).toBe("here");
});`,
  bad: `
describe("bad", () => {
  it("is wrong", () => expect({ a: 1 }).toEqual({ a: 2 }));
  it("rejects what does not", () => expect(Promise.resolve(1)).rejects.toThrow());
  it("is right", () => expect(1).toBe(1));
});`,
  hook: `
import { beforeAll } from "vitest";
describe("hook", () => {
  beforeAll(() => { throw new Error("not ready"); });
  it("is never run", () => expect(1).toBe(1));
});`,
  load: `throw new Error("does not load"); it("is never found", () => {});`,
  empty: "export {};",
  crash: `it("ends the process", () => process.kill(process.pid, "SIGSEGV"));`,
};

describe("the runner of the bundled tests", () => {
  const bundle = join(house, "dist-gpu");
  const temporary = join(house, "temporary");
  const run = (...parts: string[]) => execute("node", [join(bundle, "tests.mjs"), ...parts], { TMPDIR: temporary });

  beforeAll(() => {
    for (const folder of ["test", "temporary"]) mkdirSync(join(house, folder));
    writeFileSync(join(house, "test/beside.txt"), "here");
    const files = Object.entries(PLANTED).map(([name, source]) => {
      const file = join(house, "test", `${name}.test.ts`);
      writeFileSync(file, `import { describe, expect, it } from "vitest";\n${source}`);
      return file;
    });
    const { status, stderr } = execute("node", [join(ROOT, "bench/gpu/bundle.mjs"), bundle, ...files]);
    expect([status, stderr]).toEqual([0, ""]);
  });

  it("counts what passes and what is skipped", () => {
    const { status, stdout } = run("good", "address");
    expect(stdout).toMatch(/^2 files: 4 passed, 1 skipped, \d+ s$/m);
    expect(status).toBe(0);
  });

  it.each([
    [
      "bad",
      "1 passed, 2 FAILED",
      /FAIL .*bad > bad > is wrong\nexpected .* to deeply equal[\s\S]*at .*bad\.test\.ts:4/,
    ],
    ["hook", "0 passed, 1 FAILED, 1 skipped", /hook > hook\nnot ready/],
    ["load", "0 passed, 1 FAILED", /does not load/],
    ["empty", "0 passed, 1 FAILED", /No test suite found/],
    ["crash", "0 passed, 1 FAILED", /its process ended with SIGSEGV/],
  ])("a file that is %s fails", (name, counts, reason) => {
    const { status, stdout } = run(name);
    expect(stdout).toContain(`1 files: ${counts}, `);
    expect(stdout).toMatch(reason);
    expect(status).toBe(1);
  });

  it("one failure among all is enough", () => {
    const { status, stdout } = run();
    expect(stdout).toMatch(/^7 files: 5 passed, 6 FAILED, 2 skipped, /m);
    expect(status).toBe(1);
  });

  it("knows no other file", () => {
    const { status, stderr } = run("other");
    expect(stderr).toMatch(/^tests: no file of tests has other in its name; there are .*good/);
    expect(status).toBe(2);
  });

  it("leaves nothing in the folder of temporary files", () => {
    expect(readdirSync(temporary)).toEqual([]);
  });
});

describe("bench/gpu.sh", () => {
  /** A checkout whose commands are stand-ins: what is tested is what the script makes of them. */
  function checkout(name: string, commands: Record<string, string>): string {
    const root = join(house, name);
    mkdirSync(join(root, "dist-gpu"), { recursive: true });
    mkdirSync(join(root, "bench"));
    cpSync(join(ROOT, "bench/gpu.sh"), join(root, "bench/gpu.sh"));
    const all = { cli: "", tests: "", "bench-kernels": "", summary: 'console.log("# all")', ...commands };
    for (const [each, source] of Object.entries(all)) writeFileSync(join(root, "dist-gpu", `${each}.mjs`), source);
    return root;
  }
  const run = (root: string, env: Record<string, string> = {}) =>
    execute("bash", [join(root, "bench/gpu.sh"), join(root, "out")], { PYTHON: "no-python", SMALL: "1", ...env });
  const parts = (root: string) => readFileSync(join(root, "out/parts.tsv"), "utf8").trimEnd().replaceAll("\t", ": ");

  it("runs every part, on a GPU unless told otherwise, and skips PyTorch where there is none", () => {
    const adapter = "console.log(process.env.SHIBORI_ADAPTER, process.argv.slice(2).join(' '))";
    const root = checkout("whole", { cli: adapter });
    expect(run(root, { SMALL: "" }).status).toBe(0);
    const presets = ["avatar-64", "article-256", "article-512-naive"];
    expect(
      parts(root)
        .replaceAll(/: \d+$/gm, "")
        .split("\n"),
    ).toEqual([
      ...["doctor: ok", "tests: ok", "torch: skipped: no-python has no torch with numpy"],
      ...[...presets.map((preset) => `bench-${preset}: ok`), "profile-article-256: ok"],
      ...["conv2d", "conv2dWeightGrad", "convTranspose2d", "dense", "sum"].map((op) => `ladder-${op}: ok`),
    ]);
    const said = readFileSync(join(root, "out/bench-article-512-naive.txt"), "utf8");
    expect(said).toMatch(/^hardware bench --preset article-512-naive --json .*out\/bench-article-512-naive\.json /);
    expect(readFileSync(join(root, "out/summary.md"), "utf8")).toBe("# all\n");
  });

  it("goes on after a part that fails, and then exits with 1", () => {
    const root = checkout("failing", { cli: 'if (process.argv[2] === "bench") process.exit(3);' });
    expect(run(root, { ADAPTER: "software" }).status).toBe(1);
    expect(parts(root)).toMatch(
      /^tests: ok[\s\S]*^bench-avatar-64: failed \(exit code 3\): \d+\nprofile-avatar-64: ok/m,
    );
  });

  it("stops in time, and then exits with 1", () => {
    const root = checkout("slow", { cli: "setTimeout(() => {}, 60_000);" });
    const begin = performance.now();
    expect(run(root, { LIMIT: "11" }).status).toBe(1);
    expect(performance.now() - begin).toBeLessThan(20_000);
    expect(parts(root)).toMatch(/^doctor: out of time \(\d+ s\): \d+\ntests: no time left: 0\n/);
  });

  it("says what to do where nothing is bundled", () => {
    const root = checkout("bare", {});
    rmSync(join(root, "dist-gpu"), { recursive: true });
    const { status, stderr } = run(root);
    expect(stderr).toMatch(/^bench\/gpu\.sh: dist-gpu\/ is missing: run npm ci first, .*\n$/);
    expect(status).toBe(2);
  });
});

describe("the summary", () => {
  const folder = join(house, "summary");
  const write = (name: string, content: unknown) =>
    writeFileSync(join(folder, name), typeof content === "string" ? content : JSON.stringify(content));
  const torch = (channelsLast: boolean, fp32: number) => ({
    ...{ torch: "2.11.0", cuda: "13.0", cudnn: 91_000, device: "H100", preset: "avatar-64", leftOut: [], channelsLast },
    modes: [
      { mode: "fp32", medianMs: fp32 },
      { mode: "fp16", notMeasured: "CUDA only" },
    ],
  });

  beforeAll(() => {
    mkdirSync(folder);
    write("parts.tsv", "tests\tok\t12\nprofile-x\tfailed (exit code 1)\t3\nladder\tout of time (90 s)\t90\n");
    write("tests.txt", "ok a\n3 files: 10 passed, 12 s\n");
    write("profile-x.txt", "shibori: no | adapter\n");
  });

  it("needs nothing but the list of parts", () => {
    const text = summaryOf(folder);
    expect(text).toMatch(/^# Shibori: no step was timed\n/);
    expect(text).toContain("| tests | ok | 12 | 3 files: 10 passed, 12 s |");
    expect(text).toContain("| profile-x | failed (exit code 1) | 3 | shibori: no \\| adapter |");
  });

  it("sets Shibori and the faster layout of PyTorch side by side, and goes without half a file", () => {
    write("bench-avatar-64.json", benchRecord());
    write("torch-avatar-64.json", torch(false, 16));
    write("torch-avatar-64-channels-last.json", torch(true, 8));
    write("ladder-conv2d.json", '{"climbs": [');
    const text = summaryOf(folder);
    expect(text).toContain("- adapter: llvmpipe, Mesa 25 (software)\n");
    expect(text).toContain("PyTorch 2.11.0, CUDA 13.0, cuDNN 91000, on H100");
    // 40 ms a step against 8.
    expect(text).toMatch(
      /^\| avatar-64 \| 2 \| 0\.164 \| 40\.0 ±\d+ % \| 30\.0 \| 4\.10 \| 8\.00ᶜ \| – \| – \| – \| 5\.00 \|$/m,
    );
    expect(text).toMatch(/## The ladder of kernels\n\nNothing was measured\./);
  });

  it("has the ladder's first and fastest rung", () => {
    const rung = (ms: number, first?: number) => ({
      ms,
      best: ms,
      spread: 0,
      rate: 30,
      cpuRate: 1,
      ofRoof: 0.5,
      first,
    });
    const results = ["1 naive", "2 wrong", "tile 64×64"].map((name) => ({ rung: name, readings: [] }));
    const climb = { op: "conv2d", shape: "reference", sizes: { x: [1] }, work: 1, results };
    write("ladder-conv2d.json", { climbs: [{ ...climb, figures: [rung(6), null, rung(2, 3)] }] });
    const line = "| conv2d | reference | 6.00 | tile 64×64 | 2.00 | 30.0 GFLOP/s | 50 % | 3.00 |";
    expect(summaryOf(folder)).toContain(line);
  });
});
