import { spawn } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { decodeCheckpoint } from "../../src/storage/checkpoint.js";
import { decodePng } from "../../src/storage/images.js";
import type { StepLine } from "../../src/storage/metrics.js";
import { identityOf } from "../../src/storage/runConfig.js";
import { RunFolder } from "../../src/storage/runFolder.js";
import { canMount, mountTmpfs, unmount } from "./mount.js";
import { checkpoint, runConfig } from "./runs.js";

let dir: string;
let run: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "shibori-run-"));
  run = join(dir, "run");
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(dir, { recursive: true });
});

const line = (step: number): StepLine => ({ step, loss: 1 / step, src: 0.1, dst: 0.2, latent: 0.3, rate: 1e-3 });
const lines = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));
const { shapes } = checkpoint(0);
const ALL = ["values", "m", "v"];
const create = (overwrite = false) => RunFolder.create(run, runConfig(), { overwrite });

describe("a run folder", () => {
  it("keeps configuration, metrics, times, previews and the last two checkpoints", () => {
    const folder = create();
    expect(folder.readConfig()).toEqual(runConfig());
    expect(folder.readCheckpoint(runConfig(), shapes, ALL)).toBeUndefined();
    for (const step of [5, 10, 15]) {
      folder.appendMetrics(lines(step - 4, step));
      folder.appendTime({ step, seconds: step / 10 });
      folder.writePreview(step, Uint8Array.of(step));
      expect(folder.writeCheckpoint(checkpoint(step))).toBe(
        `checkpoints/0000${String(step).padStart(2, "0")}.safetensors`,
      );
    }
    expect(folder.readMetrics().steps).toEqual(lines(1, 15));
    expect(folder.readTimes().map(({ step }) => step)).toEqual([5, 10, 15]);
    expect(folder.previews().map(({ name }) => name)).toEqual(
      [5, 10, 15].map((n) => `previews/${String(n).padStart(6, "0")}.png`),
    );
    expect(folder.checkpoints().map(({ step }) => step)).toEqual([10, 15]);
    const found = folder.readCheckpoint(runConfig(), shapes, ALL);
    expect(found).toMatchObject({ name: "checkpoints/000015.safetensors", damaged: [] });
    expect(found?.checkpoint).toEqual(checkpoint(15));
    folder.release();
    expect(fs.readdirSync(run).sort()).toEqual([
      "checkpoints",
      "config.json",
      "metrics.jsonl",
      "previews",
      "times.jsonl",
    ]);
  });

  it("sorts measures, the verdict and a fault from the losses of steps", () => {
    const folder = create();
    const measures = { reconstruction: 0.1, constantReconstruction: 0.2, gridEnergy: 0.3 };
    folder.appendMetrics([line(1), { step: 1, measures }, line(2), { step: 2, final: measures }]);
    folder.appendMetrics([{ step: 3, fault: "NaN" }]);
    folder.appendMetrics([]);
    expect(folder.readMetrics()).toEqual({
      steps: lines(1, 2),
      measures: [{ step: 1, measures }],
      final: { step: 2, final: measures },
      fault: { step: 3, fault: "NaN" },
    });
  });

  it("falls back to the checkpoint before a damaged one, and says so", () => {
    const folder = create();
    for (const step of [5, 10]) folder.writeCheckpoint(checkpoint(step));
    const [older, newer] = folder.checkpoints();
    const bytes = fs.readFileSync(newer.path);
    bytes[bytes.length - 9] ^= 4;
    fs.writeFileSync(newer.path, bytes);
    const found = folder.readCheckpoint(runConfig(), shapes, ALL);
    expect(found?.checkpoint).toEqual(checkpoint(5));
    expect(found?.damaged).toEqual([`${newer.path}: damaged (its content does not match its hash)`]);
    fs.truncateSync(older.path, 1000);
    expect(() => folder.readCheckpoint(runConfig(), shapes, ALL)).toThrow(
      new RegExp(
        `^no checkpoint of ${run} can be used \\(.*000010.*hash.*; .*000005.*\\): bring one back, or train anew$`,
      ),
    );
  });

  it("takes back what came after a step, torn lines included", () => {
    const folder = create();
    folder.appendMetrics([...lines(1, 7), { step: 7, fault: "x" }, line(8)]);
    fs.appendFileSync(folder.file("metrics.jsonl"), '{"step":9,"lo');
    expect(folder.readMetrics().steps).toHaveLength(8);
    for (const step of [3, 6, 8]) {
      folder.appendTime({ step, seconds: step });
      folder.writePreview(step, Uint8Array.of(1));
    }
    for (const step of [6, 8]) folder.writeCheckpoint(checkpoint(step));
    folder.trim(6);
    expect(fs.readFileSync(folder.file("metrics.jsonl"), "utf8")).toBe(
      lines(1, 6)
        .map((l) => `${JSON.stringify(l)}\n`)
        .join(""),
    );
    expect(folder.readMetrics().fault).toBeUndefined();
    expect(folder.readTimes().map(({ step }) => step)).toEqual([3, 6]);
    expect(folder.previews().map(({ step }) => step)).toEqual([3, 6]);
    expect(folder.checkpoints().map(({ step }) => step)).toEqual([6]);
  });

  it("names a line that is not one of ours", () => {
    const folder = create();
    const bad = ["{}", "nonsense", "null", "[1]", '{"step":"1"}', '{"step":1}', '{"step":-1,"fault":"x"}'];
    bad.push('{"step":1,"seconds":-1}', '{"step":1,"seconds":0,"at":"1850-11-25T20:00:00.000Z"}');
    bad.push('{"step":8,"final":{"gates":[null],"t":1}}', '{"step":8,"final":{"reconstruction":1,"gates":5}}');
    for (const text of [...bad, '{"step":1,"loss":1}', '{"step":1,"measures":null}', '{"step":1,"seconds":"x"}']) {
      fs.writeFileSync(folder.file("metrics.jsonl"), `${JSON.stringify(line(1))}\n${text}\n`);
      expect(() => folder.readMetrics()).toThrow(
        new UserError(`${folder.file("metrics.jsonl")}, line 2 is not one that a run writes: mend or delete the line`),
      );
    }
  });

  it("is not replaced unless told, then whole; what a killed process left is swept away", () => {
    const folder = create();
    folder.writeCheckpoint(checkpoint(5));
    folder.writePreview(5, Uint8Array.of(1));
    for (const part of ["", "checkpoints", "previews"])
      fs.writeFileSync(folder.file(part, ".shibori-0123456789ab.tmp"), "x");
    fs.writeFileSync(folder.file("notes.txt"), "mine");
    expect(() => create(true)).toThrow(/is in use by process/);
    folder.release();
    expect(() => create()).toThrow(
      `${run} holds a run already (config.json, checkpoints, previews): give another --out, or --overwrite, or --resume ${run}`,
    );
    create(true).release();
    expect(fs.readdirSync(run).sort()).toEqual(["config.json", "notes.txt"]);
  });

  it("is replaced without what is not of a run", () => {
    const folder = create();
    folder.writePreview(5, Uint8Array.of(1));
    folder.writeCheckpoint(checkpoint(5));
    fs.writeFileSync(folder.file("previews/mine.jpg"), "mine");
    fs.mkdirSync(folder.file("checkpoints/best"));
    folder.release();
    create(true).release();
    const left = (fs.readdirSync(run, { recursive: true }) as string[]).sort();
    expect(left).toEqual(["checkpoints", "checkpoints/best", "config.json", "previews", "previews/mine.jpg"]);
    // A folder of another program.
    fs.writeFileSync(folder.file("config.json"), '{"my":"app"}');
    expect(() => create(true)).toThrow(
      `${run} is not the folder of a run, but holds config.json, checkpoints, previews: give another --out`,
    );
    fs.rmSync(folder.file("config.json"));
    expect(() => create(true)).toThrow(`${run} is not the folder of a run, but holds checkpoints, previews`);
  });

  it("refuses what no run makes before it changes anything", () => {
    const folder = create();
    folder.appendMetrics(lines(1, 7));
    folder.writePreview(5, Uint8Array.of(1));
    folder.writeCheckpoint(checkpoint(5));
    folder.release();
    const before = () => (fs.readdirSync(run, { recursive: true }) as string[]).sort();
    for (const [name, make, kind] of [
      ["report.html", (path: string) => fs.mkdirSync(path), "folder"],
      ["times.jsonl", (path: string) => fs.mkdirSync(path), "folder"],
      ["tensorboard", (path: string) => fs.writeFileSync(path, ""), "file"],
    ] as const) {
      make(folder.file(name));
      const all = before();
      const refusal = `${folder.file(name)} is a ${kind}, which no run makes: move it away`;
      expect(() => create(true)).toThrow(refusal);
      expect(() => RunFolder.resume(run)).toThrow(refusal);
      expect(before()).toEqual(all);
      fs.rmSync(folder.file(name), { recursive: true });
    }
  });

  it("passes over a checkpoint whose name is not its step's", () => {
    const folder = create();
    for (const step of [5, 8]) folder.writeCheckpoint(checkpoint(step));
    fs.renameSync(folder.file("checkpoints/000008.safetensors"), folder.file("checkpoints/000010.safetensors"));
    fs.mkdirSync(folder.file("checkpoints/000012.safetensors"));
    const found = folder.readCheckpoint(runConfig(), shapes, ALL);
    expect(found?.checkpoint.step).toBe(5);
    expect(found?.damaged).toEqual([`${folder.file("checkpoints/000010.safetensors")}: it was written at step 8`]);
  });

  it("counts the steps whose losses were lost", () => {
    const folder = create();
    folder.appendMetrics([line(1), line(3), line(3), line(4), line(6)]);
    expect(folder.trim(5)).toBe(2);
  });

  it("refuses what is no run", () => {
    expect(() => RunFolder.open(dir)).toThrow(`${dir} is not the folder of a run: it has no config.json`);
    expect(() => RunFolder.resume(dir)).toThrow("is not the folder of a run");
    const wrong: [object, RegExp][] = [
      [{ batch: 1 }, /: batch 1: the latent loss needs a variance/],
      [{ batch: "2" }, /: batch: expected number, received string; the file is damaged, or of another version/],
      [{ saveEvery: 0 }, /: saveEvery: Too small: expected number to be >=1; the file/],
      [{ steps: 1.5 }, /: steps: expected int, received number; /],
      [{ rate: 1e39 }, /: learning rate 1e\+39 must be a positive number up to 1e30/],
      [{ data: null }, /: data: /],
      [{ data: { kind: "film" } }, /: data.kind: /],
      [{ kernels: { choices: { conv2d: 1 }, program: "0".repeat(64) } }, /: kernels.choices.conv2d: /],
      [{ versions: undefined }, /: versions: expected object, received undefined; /],
      [{ poses: "zzz" }, /: poses: Invalid option: expected one of "demo"/],
      [{ apart: "x" }, /: apart: expected boolean, received string; /],
      [{ warp: 0.5 }, /: warp 0\.5 must be a number from 0 to 0\.2/],
      [{ continued: "x" }, /: continued: expected array, received string; /],
      [
        { architecture: { size: 32, stages: [4], mid: 5e7, code: 4 } },
        /: architecture: layer encoder.1, .* weights, over 2\^26$/,
      ],
      [{ architecture: { size: 33, stages: [4], mid: 4, code: 4 } }, /: architecture: 33 pixels do not fit/],
    ];
    for (const [change, message] of wrong) {
      fs.writeFileSync(join(dir, "config.json"), JSON.stringify({ ...runConfig(), ...change }));
      expect(() => RunFolder.open(dir).readConfig(), JSON.stringify(change)).toThrow(message);
      expect(() => RunFolder.open(dir).readConfig()).toThrow(UserError);
    }
    fs.writeFileSync(join(dir, "config.json"), "{");
    expect(() => RunFolder.open(dir).readConfig()).toThrow(/config\.json: .*JSON/);
  });
});

describe("a checkpoint that cannot be written", () => {
  it.each(["openSync", "writeFileSync", "fsyncSync", "renameSync"] as const)(
    "leaves the one before it where %s fails on a full disk",
    (call) => {
      const folder = create();
      folder.writeCheckpoint(checkpoint(5));
      vi.spyOn(fs, call).mockImplementation(() => {
        throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write" });
      });
      expect(() => folder.writeCheckpoint(checkpoint(10))).toThrow(
        /: the disk is full; free some space and try again$/,
      );
      vi.restoreAllMocks();
      expect(fs.readdirSync(folder.file("checkpoints"))).toEqual(["000005.safetensors"]);
      expect(folder.readCheckpoint(runConfig(), shapes, ALL)?.checkpoint).toEqual(checkpoint(5));
    },
  );

  // A file system of its own needs root; so does making one read-only for root.
  it.runIf(canMount())("really: a full disk, then a read-only one", () => {
    fs.mkdirSync(run);
    const mount = (options: string) => mountTmpfs(options, run);
    mount("size=40k");
    try {
      const folder = create();
      folder.writeCheckpoint(checkpoint(5)); // 25 kB
      expect(() => folder.writeCheckpoint(checkpoint(10))).toThrow(
        `cannot write ${folder.file("checkpoints/000010.safetensors")}: the disk is full; free some space and try again`,
      );
      expect(fs.readdirSync(folder.file("checkpoints"))).toEqual(["000005.safetensors"]);
      mount("remount,ro");
      expect(() => folder.writeCheckpoint(checkpoint(10))).toThrow(
        /the file system is read-only; choose another place$/,
      );
      expect(() => folder.appendMetrics([line(1)])).toThrow(/metrics.jsonl: the file system is read-only/);
      expect(() => RunFolder.resume(run)).toThrow(`cannot write to the folder ${run}: the file system is read-only`);
      expect(() => RunFolder.check(run, { overwrite: true })).toThrow(/the file system is read-only/);
      expect(folder.readCheckpoint(runConfig(), shapes, ALL)?.checkpoint).toEqual(checkpoint(5));
    } finally {
      unmount(run);
    }
  });
});

describe("a process killed while it writes", () => {
  it("leaves every file whole or absent, at 20 random moments", async () => {
    const writer = join(dir, "writer.mjs");
    await build({
      stdin: {
        resolveDir: import.meta.dirname,
        contents: `
          import { RunFolder } from "../../src/storage/runFolder.ts";
          import { encodePng } from "../../src/storage/images.ts";
          import { checkpoint, runConfig } from "./runs.ts";
          const folder = RunFolder.create(process.argv[2], runConfig(), { overwrite: true });
          const png = encodePng({ width: 300, height: 300, data: new Uint8Array(270000).map((_, i) => i * i) });
          console.log("ready");
          for (let step = 1; ; step++) {
            const line = { step, loss: 1, src: 1, dst: 1, latent: 1, rate: 1 };
            folder.appendMetrics(Array(100).fill(line));
            folder.appendTime({ step, seconds: step });
            folder.writePreview(step % 7, png);
            folder.writeCheckpoint(checkpoint(step));
          }`,
      },
      outfile: writer,
      bundle: true,
      platform: "node",
      format: "esm",
      packages: "external",
      loader: { ".wgsl": "text" },
      logLevel: "silent",
    });
    // Its imports are found from a folder of this project.
    const link = join(dir, "node_modules");
    fs.symlinkSync(join(import.meta.dirname, "../../node_modules"), link);
    let most = 0;
    for (let i = 0; i < 20; i++) {
      const child = spawn(process.execPath, [writer, run], { stdio: ["ignore", "pipe", "inherit"] });
      await new Promise((resolve) => child.stdout.once("data", resolve));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 200));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));

      const folder = RunFolder.resume(run);
      expect(folder.readConfig()).toEqual(runConfig());
      for (const { path } of folder.previews()) expect(decodePng(fs.readFileSync(path), path).width).toBe(300);
      const steps = folder.checkpoints().map((each) => {
        return decodeCheckpoint(fs.readFileSync(each.path), identityOf(runConfig()), shapes, ALL, each.path).step;
      });
      // A kill between the renaming of the third and the removal of the first leaves three.
      expect(steps.length).toBeLessThanOrEqual(3);
      const last = steps.at(-1) ?? 0;
      most = Math.max(most, last);
      // What was measured before a checkpoint is there if the checkpoint is.
      expect(folder.readMetrics().steps.filter(({ step }) => step <= last)).toHaveLength(100 * last);
      expect(folder.readTimes().length).toBeGreaterThanOrEqual(last);
      const names = (fs.readdirSync(run, { recursive: true }) as string[]).filter((name) => name.endsWith(".tmp"));
      expect(names).toEqual([]);
      folder.trim(last);
      folder.release();
      expect(folder.readMetrics().steps).toHaveLength(100 * last);
    }
    expect(most).toBeGreaterThan(1);
  });
});
