import fs from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { autoencoder } from "../../src/faceswap/architecture.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import { decodeCheckpoint } from "../../src/storage/checkpoint.js";
import { decodePng } from "../../src/storage/images.js";
import { identityOf } from "../../src/storage/runConfig.js";
import { RunFolder } from "../../src/storage/runFolder.js";
import { canMount, mountTmpfs, unmount } from "../storage/mount.js";
import { ensureBuilt, Shell } from "./shell.js";
import { SET_SMALL, SMALL, short } from "./short.js";

// Runs that are stopped, killed, damaged and continued must end with the bits of one that was left alone.

const shell = new Shell();
const [STEPS, EVERY] = [24, 4];
// What is tested here does not depend on the network's size.
const RECIPE = `--preset avatar-64 ${SET_SMALL} --steps ${STEPS} --save-every ${EVERY} --seed 5`;
const architecture = { ...PRESETS["avatar-64"].architecture, ...SMALL };
const nodes = autoencoder(architecture, 0).parameters.nodes;
const shapes = new Map(nodes.map(({ attrs, shape }) => [attrs.name, shape]));

const KILLS = short ? 2 : 20;

/** How long a whole run takes, start included. */
let wholeMs: number;

beforeAll(async () => {
  await ensureBuilt();
  const begin = performance.now();
  await shell.do(`train ${RECIPE} --tensorboard --out whole`);
  wholeMs = performance.now() - begin;
  fs.cpSync(shell.file("whole"), shell.file("moved"), { recursive: true });
  fs.rmSync(shell.file(`moved/checkpoints/0000${STEPS}.safetensors`));
});
afterAll(() => shell.remove());

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until a running command has said something. */
async function until(said: () => string, text: RegExp) {
  for (let i = 0; i < 1200 && !text.test(said()); i++) await wait(50);
  expect(said()).toMatch(text);
}

/** Waits until a run's folder has a checkpoint of this step or a later one. */
async function untilSaved(run: string, step: number) {
  const folder = RunFolder.open(shell.file(run));
  for (let i = 0; i < 1200 && (folder.checkpoints().at(-1)?.step ?? 0) < step; i++) await wait(20);
}

/** Everything of a run that must not depend on how it came about. */
function expectSameAsWhole(run: string, except: string[] = []) {
  const names = (fs.readdirSync(shell.file("whole"), { recursive: true }) as string[]).filter((name) =>
    fs.statSync(shell.file("whole", name)).isFile(),
  );
  const files = names.filter(
    (name) => !/^(times\.jsonl|report\.html|tensorboard)/.test(name) && !except.includes(name),
  );
  expect(files).toContain("metrics.jsonl");
  expect(files).toContain(`checkpoints/0000${STEPS}.safetensors`);
  for (const name of files)
    expect(shell.read(run, name).equals(shell.read("whole", name)), `${run}/${name}`).toBe(true);
  expect(shell.list(run, "previews")).toEqual(shell.list("whole", "previews"));
  expect(shell.list(run, "checkpoints")).toHaveLength(2);
}

describe("a run that is killed", () => {
  it("at random moments is whole each time, and ends with the bits of an uninterrupted one", async () => {
    let resumed = 0;
    for (let i = 0; i < KILLS; i++) {
      const begun = fs.existsSync(shell.file("killed/config.json"));
      if (begun) resumed++;
      const { child, said, ended } = shell.start(`train ${begun ? "--resume killed" : `${RECIPE} --out killed`}`);
      // From before the first file to its middle; once for sure in the midst of it.
      if (i === 0) await until(said, /^network: /m);
      await wait(Math.random() * 0.6 * wholeMs);
      child.kill("SIGKILL");
      await ended;
      if (!fs.existsSync(shell.file("killed/config.json"))) continue;
      const folder = RunFolder.open(shell.file("killed"));
      expect(folder.readConfig().steps).toBe(STEPS);
      folder.readMetrics();
      folder.readTimes();
      for (const { path } of folder.previews()) decodePng(fs.readFileSync(path), path);
      for (const { path } of folder.checkpoints()) {
        decodeCheckpoint(fs.readFileSync(path), identityOf(folder.readConfig()), shapes, ["values", "m", "v"], path);
      }
    }
    expect(resumed).toBeGreaterThan(0);
    const printed = await shell.do("train --resume killed");
    expect(printed).toMatch(/^(The swap (passes|FAILS).*|killed has finished its 24 steps: nothing is left to do)$/m);
    expectSameAsWhole("killed");
  }, 600_000);
});

describe("a run that is stopped", () => {
  it("by SIGINT and by SIGTERM saves, says how to go on, and exits with 130 and 143", async () => {
    const first = shell.start(`train ${RECIPE} --out stopped`);
    await until(first.said, /^network: /m);
    await untilSaved("stopped", EVERY);
    // As npm and timeout do, which send on what the terminal has sent already.
    first.child.kill("SIGINT");
    first.child.kill("SIGINT");
    expect(await first.ended, first.said()).toBe(130);
    expect(first.said()).toMatch(/^stopping after this step: saving a checkpoint …$/m);
    const [, step, path] = /^stopped by SIGINT after step (\d+) of 24; saved as (\S+)$/m.exec(first.said()) ?? [];
    expect(first.said()).toMatch(/^go on with: npx shibori train --resume stopped$/m);
    expect(Number(step)).toBeGreaterThanOrEqual(EVERY);
    expect(fs.existsSync(shell.file(path))).toBe(true);

    const second = shell.start("train --resume stopped");
    await until(second.said, new RegExp(`^going on after step ${step} of 24, from ${path}$`, "m"));
    expect(second.said()).not.toMatch(/will differ/);
    second.child.kill("SIGTERM");
    expect(await second.ended, second.said()).toBe(143);
    expect(second.said()).toMatch(/^stopped by SIGTERM after step \d+ of 24; saved as /m);
    expect(shell.list("stopped").filter((name) => name.startsWith("lock"))).toEqual([]);
  });

  it("goes on from the checkpoint before a damaged one, says so, and ends with the same bits", async () => {
    const folder = RunFolder.open(shell.file("stopped"));
    const saved = folder.checkpoints();
    const { path, name, step } = saved.at(-1)!;
    const bytes = fs.readFileSync(path);
    bytes[bytes.length >> 1] ^= 1;
    fs.writeFileSync(path, bytes);
    const { code, stdout, stderr } = await shell.run("train --resume stopped --tensorboard");
    expect(code).toBe(0);
    const before = saved.at(-2)!;
    expect(before.step).toBeLessThan(step);
    expect(stderr).toBe(
      `stopped/${name}: damaged (its content does not match its hash); using ${before.name} instead\n`,
    );
    expect(stdout).toContain(`going on after step ${before.step} of 24, from stopped/${before.name}`);
    expectSameAsWhole("stopped");
    // Times go on over the sittings.
    const seconds = folder.readTimes().map((line) => line.seconds);
    expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
    expect(folder.readTimes().filter(({ at }) => at).length).toBeGreaterThan(1);
  });

  it("has its history for TensorBoard, though that was asked for late", () => {
    const events = (run: string) => {
      const names = shell.list(run, "tensorboard").filter((name) => shell.read(run, "tensorboard", name).length > 0);
      expect(names).toHaveLength(1);
      return shell.read(run, "tensorboard", names[0]);
    };
    const [whole, stopped] = [events("whole"), events("stopped")];
    // The events are the same; only their times differ.
    expect(stopped.length).toBe(whole.length);
    const count = (text: string) => whole.toString("latin1").split(text).length - 1;
    expect(count("losses/latent")).toBe(STEPS);
    expect(count("measures/poseCorrelation")).toBe(2 * (STEPS / EVERY)); // with its ceiling
    expect(count("preview")).toBe(STEPS / EVERY);
  });

  it("that has finished is left as it is", async () => {
    fs.rmSync(shell.file("stopped/tensorboard"), { recursive: true });
    const printed = await shell.do("train --resume stopped --tensorboard");
    expect(printed).toBe("stopped has finished its 24 steps: nothing is left to do\n");
    expectSameAsWhole("stopped");
    expect(shell.list("stopped/tensorboard")).toHaveLength(1);
  });

  it("before it has begun ends at once, and leaves no lock", async () => {
    const { child, said, ended } = shell.start(`train ${RECIPE} --out early`);
    await until(said, /^compiling/m);
    child.kill("SIGTERM");
    expect(await ended).toBe("SIGTERM"); // a shell says 143
    expect(fs.existsSync(shell.file("early"))).toBe(false);
    const again = shell.start("train --resume moved");
    await until(again.said, /^compiling/m);
    again.child.kill("SIGINT");
    expect(await again.ended).toBe("SIGINT");
    expect(shell.list("moved").filter((name) => name.startsWith("lock"))).toEqual([]);
  });
});

describe("a run on another machine", () => {
  it("goes on, says that bits will differ, and records it", async () => {
    const config = JSON.parse(shell.read("moved/config.json").toString());
    const elsewhere = { ...config, adapter: { ...config.adapter, name: "GeForce", driver: "570" } };
    const { adapter, kernels, versions } = config;
    // A sitting that was killed before its first checkpoint has left nothing of it.
    elsewhere.continued = [{ after: 20, adapter, kernels, versions }];
    fs.writeFileSync(shell.file("moved/config.json"), `${JSON.stringify(elsewhere, null, 2)}\n`);
    const printed = await shell.do("train --resume moved");
    expect(printed).toMatch(
      /^the bits will differ from those of an uninterrupted run: adapter .+ instead of GeForce, 570$/m,
    );
    expect(printed).toMatch(/^going on after step 20 of 24, /m);
    const { continued } = JSON.parse(shell.read("moved/config.json").toString());
    expect(continued).toEqual([{ after: 20, adapter, kernels, versions }]);
    // It was this machine all along.
    expectSameAsWhole("moved", ["config.json"]);
  });
});

describe("a run that cannot go on", () => {
  it("refuses a second process, which leaves the first alone", async () => {
    const first = shell.start(`train --preset avatar-64 --steps 100000 --out busy`);
    await until(first.said, /^network: /m);
    for (const command of ["train --resume busy", `train ${RECIPE} --overwrite --out busy`]) {
      const { code, stderr } = await shell.run(command);
      expect({ code, stderr }).toEqual({
        code: 2,
        stderr: `shibori: busy is in use by process ${first.child.pid}: wait for it, or stop it\n`,
      });
    }
    first.child.kill("SIGINT");
    expect(await first.ended).toBe(130);
    // Nothing mends a number that was changed behind a checkpoint's back.
    const config = shell.read("busy/config.json").toString();
    for (const [field, from, to] of [
      ["seed", 0, 6],
      ["steps", 100000, 3],
      ["batch", 2, 4],
    ]) {
      fs.writeFileSync(
        shell.file("busy/config.json"),
        config.replace(`\n  "${field}": ${from},`, `\n  "${field}": ${to},`),
      );
      expect(await shell.mistake("train --resume busy")).toMatch(
        new RegExp(
          `^busy/checkpoints/.* was written when the run's ${field} was ${from}, but config.json says ${to}: change it back`,
        ),
      );
    }
  });

  it("stops at a number that is not finite: the state before is saved, and where it came from is said", async () => {
    const { code, stderr } = await shell.run(`train ${RECIPE} --lr 1e30 --out wild`);
    expect(code).toBe(1);
    const line =
      /^shibori: step (\d+) of 24 was not applied: (?:NaN|infinity) first came from kernel (\S+) \(dispatch \d+\), in (\S+) \[.+\].*; the state before it is saved as (\S+)\. Train anew with a lower learning rate \(it was 1e\+30\)\n$/;
    const [, step, kernel, op, path] = line.exec(stderr) ?? [stderr];
    expect(Number(step)).toBeGreaterThan(1);
    expect(kernel).toMatch(/^conv/);
    expect(op).toMatch(/^conv/);
    const folder = RunFolder.open(shell.file("wild"));
    const { steps, fault } = folder.readMetrics();
    expect(steps.map((each) => each.step)).toEqual(Array.from({ length: Number(step) - 1 }, (_, i) => i + 1));
    expect(fault?.step).toBe(Number(step));
    const found = folder.readCheckpoint(folder.readConfig(), shapes, ["values", "m", "v"]);
    expect(shell.file(path)).toBe(folder.file(found!.name));
    expect(found?.checkpoint.step).toBe(Number(step) - 1);
    for (const values of found!.checkpoint.states.values()) {
      for (const data of values.values()) expect(data.every(Number.isFinite)).toBe(true);
    }
    // From there it meets the same number again.
    const again = await shell.run("train --resume wild");
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 1, stderr });
  });

  it.runIf(!short && canMount())(
    "keeps its last checkpoint when the disk is full, and goes on when there is room",
    async () => {
      fs.mkdirSync(shell.file("disk"));
      const mount = (options: string) => mountTmpfs(options, shell.file("disk"));
      mount("size=5m"); // two checkpoints of 2.3 MB, while a third is written
      try {
        const { code, stderr } = await shell.run(`train ${RECIPE} --out disk/full`);
        expect(code, stderr).toBe(2);
        expect(stderr).toMatch(
          /^shibori: cannot write disk\/full\/\S+: the disk is full; free some space and try again\n$/,
        );
        const folder = RunFolder.open(shell.file("disk/full"));
        expect(folder.readCheckpoint(folder.readConfig(), shapes, ["values", "m", "v"])?.damaged).toEqual([]);
        mount("remount,ro");
        const { code: refused, stderr: why } = await shell.run("train --resume disk/full");
        expect(refused).toBe(2);
        expect(why).toMatch(/^shibori: cannot write to the folder disk\/full: the file system is read-only; [^\n]*\n$/);
        mount("remount,rw,size=50m");
        await shell.do("train --resume disk/full");
        expectSameAsWhole("disk/full");
      } finally {
        unmount(shell.file("disk"));
      }
    },
  );
});

describe("a run on folders of pictures", () => {
  it("wants the same pictures, wherever they are", async () => {
    await shell.do("avatars --pair hue --count 12 --size 64 -o faces/");
    const whole = `train --src faces/src --dst faces/dst ${SET_SMALL} --steps 6 --save-every 3 --seed 1 --out`;
    await shell.do(`${whole} pictures`);
    fs.cpSync(shell.file("pictures"), shell.file("again"), { recursive: true });
    fs.rmSync(shell.file("again/checkpoints/000006.safetensors"));

    fs.renameSync(shell.file("faces"), shell.file("elsewhere"));
    expect(await shell.mistake("train --resume again")).toMatch(
      /faces\/src does not exist; check the path; if the pictures were moved, give --src and --dst$/,
    );
    fs.cpSync(shell.file("elsewhere"), shell.file("other"), { recursive: true });
    fs.rmSync(shell.file("other/src/0003.png"));
    const { code, stderr } = await shell.run("train --resume again --src other/src --dst other/dst");
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^shibori: the pictures in other\/src and other\/dst are not those that the run began with: /,
    );

    const avatars = shell.read("elsewhere/avatars.json").toString();
    const moved = "train --resume again --src elsewhere/src --dst elsewhere/dst";
    fs.rmSync(shell.file("elsewhere/avatars.json"));
    expect((await shell.run(moved)).stderr).toBe(
      'shibori: the folders\' avatars.json tells of no true swap, but told of the pair "hue" in poses "demo" when the run began: bring it back\n',
    );
    fs.writeFileSync(shell.file("elsewhere/avatars.json"), avatars);
    await shell.do(moved);
    for (const file of ["metrics.jsonl", "checkpoints/000006.safetensors", "config.json"]) {
      expect(shell.read("again", file).equals(shell.read("pictures", file)), file).toBe(true);
    }
  });
});
