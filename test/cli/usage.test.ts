import { cpSync, mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PRESETS } from "../../src/faceswap/presets.js";
import { encodePng } from "../../src/storage/images.js";
import { RunFolder } from "../../src/storage/runFolder.js";
import { checkpoint, runConfig } from "../storage/runs.js";
import { ensureBuilt, Shell } from "./shell.js";

// What the command line says before it opens a device: none of this needs one.

const shell = new Shell();

/** A run with a checkpoint, as `train` leaves it, without the training. */
function makeRun(name: string, steps: number[]): void {
  const folder = RunFolder.create(shell.file(name), runConfig(), { overwrite: false });
  for (const step of steps) folder.writeCheckpoint(checkpoint(step));
  folder.release();
}

/** A copy of the run with another file in it. */
function damagedRun(name: string, file: string, content: Uint8Array | string): void {
  cpSync(shell.file("run"), shell.file(name), { recursive: true });
  writeFileSync(shell.file(name, file), content);
}

beforeAll(async () => {
  await ensureBuilt();
  const png = encodePng({ width: 64, height: 64, data: new Uint8Array(64 * 64 * 3).fill(99) });
  for (const folder of ["empty", "one", "two", "full", "full/src"]) mkdirSync(shell.file(folder));
  for (const file of ["one/a.png", "two/a.png", "two/b.png", "full/src/a.png", "face.png"]) {
    writeFileSync(shell.file(file), png);
  }
  writeFileSync(shell.file("one/cut.png"), png.subarray(0, 60));
  writeFileSync(shell.file("cut.png"), png.subarray(0, 60));
  writeFileSync(shell.file("file"), "no folder");
  makeRun("run", [7]);
  makeRun("new", []);
  const damaged = (change: object) => JSON.stringify({ ...runConfig(), ...change });
  const file = "checkpoints/000007.safetensors";
  damagedRun("short", file, shell.read("run", file).subarray(0, 9000));
  damagedRun("wider", "config.json", damaged({ architecture: { size: 32, stages: [4], mid: 5, code: 4 } }));
  damagedRun("deeper", "config.json", damaged({ architecture: { size: 32, stages: [4, 4], mid: 4, code: 4 } }));
  damagedRun("dense", "config.json", damaged({ architecture: { size: 32, stages: [4], mid: 4, code: 4, dense: 8 } }));
  damagedRun("unreadable", "config.json", "{");
  damagedRun("null", "config.json", "null");
  damagedRun("blank", "config.json", damaged({ architecture: { size: 32 } }));
  damagedRun("old", "config.json", JSON.stringify({ architecture: runConfig().architecture, preset: "avatar-64" }));
  damagedRun("odd", "config.json", damaged({ batch: 1 }));
  damagedRun("other", "config.json", damaged({ preset: "avatar-65" }));
  damagedRun("busy", "lock.0123456789ab", JSON.stringify({ pid: 1, host: "elsewhere" }));
  damagedRun("app", "config.json", '{"my":"app"}');
  cpSync(shell.file("new"), shell.file("filed"), { recursive: true });
  writeFileSync(shell.file("filed/previews"), "no folder");
  cpSync(shell.file("new"), shell.file("lost"), { recursive: true });
  mkdirSync(shell.file("lost/previews"));
  for (const step of [1, 2]) writeFileSync(shell.file(`lost/previews/00000${step}.png`), png);
  damagedRun("garbled", "metrics.jsonl", '{"step":1,"loss":1}\nno line of ours\n');
});
afterAll(() => shell.remove());

describe("--help", () => {
  it.each(["", "train", "inspect", "swap", "compare", "export", "avatars", "bench", "profile", "doctor"])(
    "%s shows examples that name the command",
    async (command) => {
      const help = await shell.do(`${command} --help`);
      expect(help).toMatch(/^Usage: shibori/);
      expect(help.split("Examples:\n")[1]).toMatch(new RegExp(`^  shibori ${command || "doctor"}`));
    },
  );

  it("of train lists every preset with its description", async () => {
    const help = await shell.do("train --help");
    for (const [name, { description }] of Object.entries(PRESETS)) {
      const line = help.split("\n").find((each) => each.startsWith(`  ${name} `));
      expect(line?.slice(name.length + 2).trim()).toBe(description);
    }
  });
});

/** A command and what its one line must say. */
const MISTAKES: [command: string, reason: string | RegExp][] = [
  ["paint", "unknown command 'paint'"],
  ["doctor --verbose", "unknown option '--verbose'"],

  ["avatars", "required option '-o, --out <path>' not specified"],
  ["avatars --size 16 -o x.png", "--size 16: avatars are drawn from 32 to 1024 pixels"],
  ["avatars --size 2000 -o x.png", "--size 2000: avatars are drawn from 32 to 1024 pixels"],
  ["avatars --count 0 -o x.png", /--count <n>' argument '0' is invalid. It must be a whole number from 1/],
  ["avatars --pair us -o x.png", /--pair <name>' argument 'us' is invalid. Allowed choices are mild, hue/],
  ["avatars --poses wild -o x.png", /Allowed choices are demo, full, narrow, wide/],
  ["avatars -o nowhere/x.png", "cannot write nowhere/x.png: the folder nowhere does not exist"],
  ["avatars -o file/x.png", /^cannot write to the folder file: a part of the path is a file/],
  ["avatars -o file", /^cannot write to the folder file\/src: a part of the path is a file/],
  ["avatars -o full", "full/src is not empty: give another --out, or remove it"],
  ["avatars -o x.png --adapter voodoo", /^no adapter "voodoo" was found; here (are|is)/],

  ["train", "give --out DIR for a new run, or --resume DIR to go on with one"],
  ["train --out r --batch 1", "batch 1: the latent loss needs a variance, so at least 2 pictures per identity"],
  ["train --out r --steps 0", /--steps <n>' argument '0' is invalid. It must be a whole number from 1/],
  ["train --out r --steps 1e3", /'1e3' is invalid/],
  ["train --out r --seed -1", /--seed <n>' argument '-1' is invalid. It must be a whole number from 0/],
  ["train --out r --lr 0", /--lr <rate>' argument '0' is invalid. It must be a positive number/],
  ["train --out r --lr NaN", /'NaN' is invalid/],
  ["train --out r --lr 1e31", "learning rate 1e+31 must be a positive number up to 1e30"],
  ["train --out r --src", /argument missing/],
  ["train --out r --loss latent=-1", /'latent=-1' is invalid. It must be NAME=WEIGHT, with a weight from 0\./],
  ["train --out r --loss lpips=1", /'lpips=1' is invalid. There is no loss "lpips": choose one of l1, mse, /],
  ["train --out r --loss vib=1", /^loss vib is of a sampled code: set architecture.sampled/],
  [
    "train --out r --set bach=4",
    /^--set bach=4: there is no field "bach"; there are architecture, identities, batch, /,
  ],
  ["train --out r --config nowhere.json", /nowhere.json/],
  ["train --out r --set architecture.size=62", /^architecture: 62 pixels do not fit 2 stages and the bottleneck/],
  ["train --out r --loss lpips-alex=1", /alexnet.*--lpips-trunk.*--lpips-lin.*random-features/],
  [
    "train --out r --lpips-trunk a.pth --lpips-lin b.pth",
    /^--lpips-trunk and --lpips-lin: the run has no LPIPS; give it/,
  ],
  ["train --out r --loss lpips-alex=1 --lpips-trunk no.pth --lpips-lin b.pth", /no\.pth/],
  ["train --out r --loss l1=1e300", "loss l1: weight 1e+300 must be a number from 0 to 1e6"],
  ["train --out r --set architecture.size=28", /^architecture.size 28: avatars are drawn from 32 to 1024 pixels$/],
  ["train --out r --src two --dst two --set pair=hue", /^--pair and --poses choose avatars/],
  [
    "train --out r --src two --dst two --preset avatar-128",
    /^regionWeight 8: where eyes and mouth are is known of avatars/,
  ],
  ["train --out r --src two --dst two --set apart=true", /^apart true: only avatars can be drawn in chosen poses/],
  ["train --resume run --identity third=two", "the run is trained on avatars: --src and --dst do not fit it"],
  ["train --out r --preset article-256", /alexnet.*random-features/],
  ["train --out r --identity third=two", "--identity adds to --src and --dst: give these too"],
  ["train --out r --src two --dst two --identity src=two", /^--identity src=…: the folder of "src" is given by --src$/],
  ["train --out r --src two --dst two --identity Me=two", /^identities: "Me" is no name for one: use a-z, 0-9 and -/],
  ["train --out r --src two --dst two --identity x", /'x' is invalid. It must be NAME=DIR/],
  ["train --out r --preset avatar-65", /^there is no preset "avatar-65"; choose one of avatar-64, avatar-64-naive, /],
  ["train --out r --adapter voodoo", /^no adapter "voodoo" was found; here (are|is)/],
  ["train --out run --overwrite --adapter voodoo", /^no adapter "voodoo" was found/],
  ["train --out run", /^run holds a run already \(config.json, checkpoints\): give another --out, .* or --resume run$/],
  [
    "train --out busy --overwrite",
    /^busy is in use by process 1 on another machine \(if it is gone, delete busy\/lock/,
  ],
  ["train --out app --overwrite", /^app is not the folder of a run, but holds config.json, checkpoints: give/],
  ["train --out app", /^app is not the folder of a run, but holds config.json, checkpoints: give another --out$/],
  ["train --resume filed", "filed/previews is a file, which no run makes: move it away"],
  ["train --out filed --overwrite", "filed/previews is a file, which no run makes: move it away"],
  ["train --resume lost", /^lost has lost its checkpoints: bring one back, or train anew \(--out lost --overwrite\)$/],
  ["train --out r --save-every 0", /--save-every <n>' argument '0' is invalid. It must be a whole number from 1/],
  ["train --resume nowhere", "nowhere is not the folder of a run: it has no config.json"],
  ["train --resume file", "file is not the folder of a run: it has no config.json"],
  ["train --resume run --steps 9", "option '--resume <dir>' cannot be used with option '--steps <n>'"],
  ["train --resume run --out r", "option '--resume <dir>' cannot be used with option '--out <dir>'"],
  ["train --resume run --overwrite", "option '--resume <dir>' cannot be used with option '--overwrite'"],
  ["train --resume run --preset avatar-64", "option '--resume <dir>' cannot be used with option '--preset <name>'"],
  ["train --resume run --loss latent=1", /cannot be used with option '--loss <name=weight>'$/],
  ["train --resume run --set batch=3", /cannot be used with option '--set <field=value...>'$/],
  ["train --resume busy", /^busy is in use by process 1 on another machine/],
  [
    "train --resume short",
    /^no checkpoint of short can be used \(short\/checkpoints\/000007.safetensors: .* cut short\?\): bring one back, or/,
  ],
  ["train --resume wider", /^wider\/checkpoints\/000007.safetensors was written when the run's architecture was \{/],
  ["train --resume unreadable", /^unreadable\/config.json: .*JSON/],
  ["train --resume null", /^null\/config.json: expected object, received null; the file is damaged, or of another/],
  ["train --resume blank", /^blank\/config.json: architecture.stages: expected array, received undefined; /],
  ["train --resume old", /^old\/config.json: overrides: .*; the file is damaged, or of another version of shibori$/],
  ["train --resume odd", /^odd\/config.json: batch 1: the latent loss needs a variance/],
  ["train --resume other", /^other\/config.json: preset: Invalid option: expected one of "avatar-64"/],
  ["train --resume garbled", /^garbled\/metrics.jsonl, line 1 is not one that a run writes: mend or delete the line$/],
  ["train --resume run", /^the avatars of the pair "mild" are drawn differently since the run began: train anew$/],
  ["train --resume run --src two --dst two", "the run is trained on avatars: --src and --dst do not fit it"],
  ["train --out file/r", /^cannot write to the folder file\/r: a part of the path is a file/],
  ["train --out r --src two", "give both --src and --dst, or neither"],
  ["train --out r --dst two", "give both --src and --dst, or neither"],
  ["train --out r --src nowhere --dst two", "the picture folder nowhere does not exist; check the path"],
  ["train --out r --src two --dst empty", /^the picture folder empty is empty; put at least 2 PNG pictures/],
  ["train --out r --src file --dst two", "file is a file; give the folder that holds the pictures"],
  [
    "train --out r --src one --dst two",
    /^the picture folder one has 1 usable PNG of 2 \(cut.png skipped: cut short: .*; put at least 2/,
  ],
  ["train --out r --src two --dst two --pair mild", /^--pair and --poses choose avatars/],

  ["swap --run run --from src --to dst -o a.png", "missing required argument 'in'"],
  ["swap face.png --run run --from me --to dst -o a.png", "--from me: the run's identities are src, dst"],
  ["swap face.png --run run --from src --to you -o a.png", "--to you: the run's identities are src, dst"],
  ["swap face.png --run nowhere --from src --to dst -o a.png", /^nowhere is not the folder of a run: it has no config/],
  ["swap nowhere.png --run run --from src --to dst -o a.png", "nowhere.png does not exist"],
  ["swap cut.png --run run --from src --to dst -o a.png", /^cut.png: cut short/],
  ["swap file --run run --from src --to dst -o a.png", "file: not a PNG file"],
  ["swap empty --run run --from src --to dst -o a", "empty holds no PNG files"],
  ["swap two --run run --from src --to dst -o a.png", "2 pictures do not fit one file a.png: give a folder"],
  ["swap one two --run run --from src --to dst -o a", /^two pictures would be written to a\/a.png/],
  ["swap two --run run --from src --to dst -o two", "two/a.png would be overwritten by a swap: give another --out"],
  ["swap face.png --run run --from src --to dst -o ./face.png", /^face.png would be overwritten by a swap/],
  ["swap two --run run --from src --to dst -o file", /^cannot write to the folder file: a part of the path is a file/],
  ["swap face.png --run run --from src --to dst -o no/a.png", "cannot write no/a.png: the folder no does not exist"],
  [
    "swap face.png --run short --from src --to dst -o a.png",
    /^no checkpoint of short can be used \(short\/.*07.safetensors: .* cut short\?\): bring one back, or train anew$/,
  ],
  [
    "swap face.png --run new --from src --to dst -o a.png",
    /^new has no checkpoint yet: the run has not got to its first/,
  ],
  [
    "swap face.png --run wider --from src --to dst -o a.png",
    /^wider\/checkpoints\/000007.safetensors was written when the run's architecture was .*"mid":4.* says .*"mid":5/,
  ],
  [
    "swap face.png --run deeper --from src --to dst -o a.png",
    /^deeper\/checkpoints\/000007.safetensors was written when/,
  ],
  [
    "swap face.png --run dense --from src --to dst -o a.png",
    /^dense\/checkpoints\/000007.safetensors was written when the run's architecture was /,
  ],
  ["swap face.png --run unreadable --from src --to dst -o a.png", /^unreadable\/config.json: .*JSON/],
  ["swap face.png --run null --from src --to dst -o a.png", /^null\/config.json: expected object, received null/],
  [
    "swap face.png --run blank --from src --to dst -o a.png",
    /^blank\/config.json: architecture.stages: expected array, received undefined/,
  ],
];

describe("refuses in one line, touching nothing:", () => {
  it.for(MISTAKES)("shibori %s", async ([command, reason]) => {
    const line = await shell.mistake(command);
    if (typeof reason === "string") expect(line).toBe(reason);
    else expect(line).toMatch(reason);
  });
});
