import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { shapesOf } from "../../src/cli/trained.js";
import { RunFolder } from "../../src/storage/runFolder.js";
import { decodeSafetensors } from "../../src/storage/safetensors.js";
import { ABOUT, exported, NETWORKS, type NetworkName, trained } from "../golden/export.js";
import { runConfig } from "../storage/runs.js";
import { ensureBuilt, Shell } from "./shell.js";

const shell = new Shell();
const golden = JSON.parse(readFileSync(new URL("../golden/export.json", import.meta.url), "utf8"));

/** A run without the training, with a checkpoint at each of the steps: the last is the golden network. */
function makeRun(name: string, network: NetworkName, steps: number[]): void {
  const { model, values } = trained(network);
  const config = runConfig({ preset: ABOUT.preset, architecture: NETWORKS[network] });
  const folder = RunFolder.create(shell.file(name), config, { overwrite: false });
  for (const step of steps) {
    const scale = step === ABOUT.step ? 1 : 0.5;
    const scaled = new Map([...values].map(([parameter, data]) => [parameter, data.map((value) => scale * value)]));
    folder.writeCheckpoint({ step, config, shapes: shapesOf(model), states: new Map([["values", scaled]]) });
  }
  folder.release();
}

const checkpoint = (run: string, step: number) => shell.file(run, `checkpoints/00000${step}.safetensors`);
/** Breaks one number in the middle of a checkpoint. */
function damage(run: string, step: number): void {
  const path = checkpoint(run, step);
  const content = readFileSync(path);
  content[content.length >> 1] ^= 1;
  writeFileSync(path, content);
}

beforeAll(async () => {
  await ensureBuilt();
  makeRun("grid", "grid", [6, 7]);
  makeRun("dense", "dense", [7]);
  makeRun("young", "grid", []);
  for (const run of ["newest", "all"]) cpSync(shell.file("grid"), shell.file(run), { recursive: true });
  damage("newest", 7);
  damage("all", 6);
  truncateSync(checkpoint("all", 7), 1000);
  makeRun("other", "grid", [7]);
  cpSync(shell.file("dense/config.json"), shell.file("other/config.json"));
  for (const folder of ["empty", "full.safetensors"]) mkdirSync(shell.file(folder));
  writeFileSync(shell.file("file"), "no folder");
  symlinkSync("grid/checkpoints", shell.file("link"));
});
afterAll(() => shell.remove());

describe("export", () => {
  it.each<[NetworkName, string]>([
    ["grid", "exported step 7, 24 tensors with 2,983 numbers: grid.safetensors"],
    ["dense", "exported step 7, 22 tensors with 2,126 numbers: dense.safetensors"],
  ])("writes %s as PyTorch has loaded it, and says what", async (name, said) => {
    const printed = await shell.do(`export --run ${name} -o ${name}.safetensors`);
    expect(printed).toBe(`${said} (docs/export.md has the PyTorch module that loads it)\n`);
    const file = shell.read(`${name}.safetensors`);
    expect(createHash("sha256").update(file).digest("hex")).toBe(golden.networks[name].file);
  });

  it("replaces an earlier export, and leaves the run as it was", async () => {
    const before = shell.list("grid/checkpoints").map((name) => shell.read("grid/checkpoints", name));
    writeFileSync(shell.file("again.safetensors"), "an earlier one");
    await shell.do("export --run grid/ --out again.safetensors");
    expect(shell.read("again.safetensors").equals(exported("grid"))).toBe(true);
    await shell.do("export --run grid --out grid/weights.safetensors");
    expect(shell.read("grid/weights.safetensors").equals(exported("grid"))).toBe(true);
    expect(shell.list("grid")).toEqual(["checkpoints", "config.json", "weights.safetensors"]);
    expect(shell.list("grid/checkpoints").map((name) => shell.read("grid/checkpoints", name))).toEqual(before);
  });

  it("takes the checkpoint before a damaged one, and says so", async () => {
    const { code, stdout, stderr } = await shell.run("export --run newest -o newest.safetensors");
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringMatching(/^exported step 6, 24 tensors/) });
    expect(stderr).toBe(
      "newest/checkpoints/000007.safetensors: damaged (its content does not match its hash); " +
        "using checkpoints/000006.safetensors instead\n",
    );
    const { tensors, metadata } = decodeSafetensors(shell.read("newest.safetensors"));
    expect(metadata.step).toBe("6");
    const whole = decodeSafetensors(exported("grid")).tensors["src.0.bias"].data as Float32Array;
    expect(tensors["src.0.bias"].data).toEqual(whole.map((value) => value / 2));
  });

  it("needs no GPU", async () => {
    const { code, stderr } = await shell.run("export --run grid -o cpu.safetensors", { SHIBORI_ADAPTER: "voodoo" });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });

  it("shows examples that name the command", async () => {
    const help = await shell.do("export --help");
    expect(help).toMatch(/^Usage: shibori export/);
    expect(help.split("Examples:\n")[1]).toMatch(/^ {2}shibori export --run/);
    expect(await shell.do("--help")).toMatch(/^ {2}shibori export --run runs\/demo -o weights\.safetensors$/m);
  });
});

const NO_ENDING = "give a file whose name ends in .safetensors";
const AMONG = "would stand among the checkpoints of a run: give another --out";

describe("refuses in one line, touching nothing:", () => {
  it.for<[command: string, reason: string | RegExp]>([
    ["export -o a.safetensors", "required option '--run <dir>' not specified"],
    ["export --run grid", "required option '-o, --out <file>' not specified"],
    ["export --run nowhere -o a.safetensors", "nowhere is not the folder of a run: it has no config.json"],
    ["export --run empty -o a.safetensors", "empty is not the folder of a run: it has no config.json"],
    ["export --run young -o a.safetensors", "young has no checkpoint yet: the run has not got to its first one"],
    [
      "export --run all -o a.safetensors",
      /^no checkpoint of all can be used \(all\/checkpoints\/000007.safetensors: .+; all\/checkpoints\/000006.safetensors: damaged/,
    ],
    [
      "export --run other -o a.safetensors",
      /^other\/checkpoints\/000007.safetensors was written when the run's architecture was .*, but config.json says /,
    ],
    ["export --run grid -o a.pt", `--out a.pt: ${NO_ENDING}`],
    ["export --run grid -o empty", `--out empty: ${NO_ENDING}`],
    ["export --run grid -o empty/", `--out empty/: ${NO_ENDING}`],
    ["export --run grid -o no/a.safetensors", "cannot write no/a.safetensors: the folder no does not exist"],
    ["export --run grid -o file/a.safetensors", /^cannot write to the folder file: a part of the path is a file/],
    ["export --run grid -o full.safetensors", "cannot write full.safetensors: it is a folder, not a file"],
    ["export --run grid -o grid/checkpoints/000007.safetensors", `grid/checkpoints/000007.safetensors ${AMONG}`],
    ["export --run grid -o dense/checkpoints/best.safetensors", `dense/checkpoints/best.safetensors ${AMONG}`],
    ["export --run grid -o link/000006.safetensors", `link/000006.safetensors ${AMONG}`],
  ])("shibori %s", async ([command, reason]) => {
    const line = await shell.mistake(command);
    if (typeof reason === "string") expect(line).toBe(reason);
    else expect(line).toMatch(reason);
  });
});
