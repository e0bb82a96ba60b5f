import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { autoencoder } from "../../src/faceswap/architecture.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import { decodePng } from "../../src/storage/images.js";
import { decodeSafetensors } from "../../src/storage/safetensors.js";
import { ensureBuilt, pngSize, Shell } from "./shell.js";

// The laboratory from pictures to swaps, as typed by a user. Each step needs a process with a device, so they are few,
// and later ones use what earlier ones made.

const shell = new Shell();
beforeAll(ensureBuilt);
afterAll(() => shell.remove());

const [STEPS, SHORT] = [41, 3];

/** Lines of a run's metrics: those of steps, and the others. */
function metrics(run: string) {
  const lines = shell.read(run, "metrics.jsonl").toString().trimEnd().split("\n");
  const all = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  return { steps: all.filter((line) => "loss" in line), others: all.filter((line) => !("loss" in line)), all };
}

describe("avatars", () => {
  it("draws a sheet", async () => {
    const printed = await shell.do("avatars --pair hue --count 10 --size 64 -o sheet.png");
    expect(printed).toBe("wrote sheet.png: 10 poses of src and dst\n");
    // Eight columns; two rows of each identity; margins, a title and labels.
    const [width, height] = pngSize(shell.read("sheet.png"));
    expect(width).toBeGreaterThan(8 * 64);
    expect(width).toBeLessThan(9.5 * 64);
    expect(height).toBeGreaterThan(4 * 64);
    expect(height).toBeLessThan(5.5 * 64);
  });

  it("fills folders, and describes them", async () => {
    const printed = await shell.do("avatars --pair hue --poses full --count 21 --size 64 --seed 3 -o faces/");
    expect(printed).toBe("wrote 21 pictures of each identity to faces/src and faces/dst\n");
    const names = Array.from({ length: 21 }, (_, i) => `${String(i).padStart(4, "0")}.png`);
    for (const side of ["src", "dst"]) {
      expect(shell.list("faces", side)).toEqual(names);
      const pictures = names.map((name) => decodePng(shell.read("faces", side, name), name));
      for (const { width, height } of pictures) expect([width, height]).toEqual([64, 64]);
      expect(new Set(pictures.map(({ data }) => data.join())).size).toBe(21);
    }
    expect(JSON.parse(shell.read("faces/avatars.json").toString())).toEqual({
      ...{ pair: "hue", poses: "full", background: "plain" },
      ...{ size: 64, seed: 3, count: 21 },
    });
    expect(shell.list()).toEqual(["faces", "sheet.png"]);
  });
});

describe("train", () => {
  let printed: string;
  it("trains on avatars, and leaves a whole run", async () => {
    printed = await shell.do(`train --preset avatar-64 --steps ${STEPS} --batch 2 --seed 5 --out a`);
    const files = ["checkpoints", "config.json", "metrics.jsonl", "previews", "report.html", "times.jsonl"];
    expect(shell.list("a")).toEqual(files);
    expect(shell.list("a/previews")).toEqual(["000021.png", "000041.png"]);
    expect(shell.list("a/checkpoints")).toEqual(["000021.safetensors", "000041.safetensors"]);
  });

  it("says what it does and what came of it", () => {
    expect(printed).toMatch(/^adapter: /);
    expect(printed).toMatch(/^network: 64×64×3 → code 3×3×64 \(576 numbers\), 189,254 parameters; /m);
    expect(printed).toMatch(new RegExp(`^step ${STEPS}/${STEPS} +loss `, "m"));
    expect(printed).toMatch(/^The swap FAILS: .+\.$/m);
    expect(printed).not.toMatch(/undefined|\[object|\r/);
    expect(printed).not.toContain("\x1b");
  });

  it("writes every step once, in order, with finite numbers", () => {
    const { steps, others, all } = metrics("a");
    expect(steps.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
    for (const line of steps) {
      expect(Object.keys(line)).toEqual(["step", "loss", "l1.src", "l1.dst", "latent", "rate"]);
      expect(Object.values(line).every(Number.isFinite)).toBe(true);
    }
    // A look at step 20, where it is due, one at step 21 for the preview, one at step 40, and the verdict.
    expect(others.map((line) => line.step)).toEqual([20, 21, 40, STEPS]);
    const final = all.at(-1)?.final as { gates: { name: string; passed: boolean }[]; passed: boolean };
    expect(all.at(-1)?.final).toMatchObject({ poses: 128, constantT: expect.any(Number) });
    expect(final.gates.map(({ name }) => name)).toEqual(["t", "swap error", "pose correlation"]);
    expect(final.passed).toBe(false);
  });

  it("records the configuration", () => {
    const config = JSON.parse(shell.read("a/config.json").toString());
    const { architecture, lossWeights, rate } = PRESETS["avatar-64"];
    expect(config).toMatchObject({
      preset: "avatar-64",
      architecture,
      lossWeights,
      rate,
      pair: "mild",
      poses: "demo",
    });
    expect(config).toMatchObject({ steps: STEPS, batch: 2, seed: 5, saveEvery: 21 });
    expect(config.overrides).toEqual({ steps: STEPS, batch: 2, seed: 5 });
    expect(config.adapter).toMatchObject({ name: expect.stringMatching(/./), driver: expect.stringMatching(/./) });
    expect(config.data).toEqual({ kind: "avatars", fingerprint: expect.stringMatching(/^[0-9a-f]{64}$/) });
    expect(config.kernels.program).toMatch(/^[0-9a-f]{64}$/);
    const ops = Object.keys(config.kernels.choices).map((signature) => signature.split("(")[0]);
    expect(new Set(ops)).toEqual(new Set(["conv2d", "convTranspose2d", "conv2dWeightGrad", "sum"]));
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
    expect(config.versions).toEqual({ shibori: version, node: process.versions.node, dawn: "0.6.2" });
    expect(config.losses.loss).toBe(`L1 of src + dst + ${lossWeights.latent} · statistical latent L2 per element`);
    expect(config.network).toMatchObject({ parameters: 189_254, code: "3×3×64", codeLength: 576 });
  });

  it("keeps all parameters and moments in the checkpoint", () => {
    const { tensors, metadata } = decodeSafetensors(shell.read("a/checkpoints/000041.safetensors"));
    expect(metadata).toMatchObject({ step: String(STEPS), generator: "philox4x32-10" });
    expect(JSON.parse(metadata.config)).toMatchObject({ steps: STEPS, batch: 2, seed: 5, pair: "mild" });
    const { nodes } = autoencoder(PRESETS["avatar-64"].architecture, 0).parameters;
    for (const prefix of ["", "m/", "v/"]) {
      for (const { attrs, shape } of nodes) {
        const { data, shape: kept } = tensors[`${prefix}${attrs.name}`];
        expect(kept).toEqual(shape);
        expect((data as Float32Array).every(Number.isFinite)).toBe(true);
      }
    }
    expect(Object.keys(tensors)).toHaveLength(3 * nodes.length);
  });

  it("shows six held-out poses in a preview", () => {
    // Seven columns at twice the size.
    const [width, height] = pngSize(shell.read("a/previews/000041.png"));
    expect(width).toBeGreaterThan(7 * 128);
    expect(width).toBeLessThan(10 * 128);
    expect(height).toBeGreaterThan(6 * 128);
    expect(height).toBeLessThan(8 * 128);
  });

  it("gives the same bytes for the same seed", async () => {
    await shell.do(`train --preset avatar-64 --steps ${STEPS} --batch 2 --seed 5 --out twin`);
    for (const file of ["checkpoints/000041.safetensors", "metrics.jsonl", "config.json", "previews/000041.png"]) {
      expect(shell.read("twin", file).equals(shell.read("a", file)), file).toBe(true);
    }
  });

  it("refuses to replace that run, and with --overwrite replaces it whole; takes folders that avatars filled", async () => {
    cpSync(shell.file("a"), shell.file("b"), { recursive: true });
    const train = `train --src faces/src --dst faces/dst --steps ${SHORT} --seed 6 --out b`;
    writeFileSync(shell.file("faces/src/0005.png"), shell.read("faces/src/0005.png").subarray(0, 500));
    writeFileSync(shell.file("faces/dst/note.txt"), "no picture");
    const { code, stderr } = await shell.run(train);
    expect(code).toBe(2);
    expect(stderr).toContain("shibori: b holds a run already (config.json, metrics.jsonl, times.jsonl, checkpoints, ");
    const checkpoint = "checkpoints/000041.safetensors";
    expect(shell.read("b", checkpoint).equals(shell.read("a", checkpoint))).toBe(true);

    const { code: done, stdout, stderr: skipped } = await shell.run(`${train} --overwrite`);
    expect({ done, stdout }).toMatchObject({ done: 0 });
    expect(skipped).toMatch(/^skipped 0005\.png: cut short: [^\n]*\n$/);
    expect(stdout).toMatch(/^faces\/src: 20 pictures, 2 of them kept for judging$/m);
    expect(stdout).toMatch(/^faces\/dst: 21 pictures, 2 of them kept for judging$/m);
    expect(shell.list("b/previews")).toEqual(["000003.png"]);
    expect(metrics("b").steps).toHaveLength(SHORT);
    // avatars.json tells what the true swap is.
    expect(stdout).toMatch(/^The swap FAILS: .+\.$/m);
    expect(metrics("b").all.at(-1)?.final).toMatchObject({ passed: false });
    const config = JSON.parse(shell.read("b/config.json").toString());
    expect(config).toMatchObject({ pair: "hue", poses: "full", seed: 6, overrides: { pair: "hue", poses: "full" } });
    expect(config.data).toMatchObject({
      ...{ kind: "folders", folders: { src: shell.file("faces/src"), dst: shell.file("faces/dst") } },
      ...{ training: 37, heldOut: 4, trueSwap: true },
    });
  });

  it("says of other folders that a swap cannot be measured", async () => {
    cpSync(shell.file("faces/dst"), shell.file("me"), { recursive: true });
    cpSync(shell.file("faces/dst"), shell.file("you"), { recursive: true });
    const said = await shell.do(`train --src me --dst you --steps ${SHORT} --out c`);
    expect(said).toMatch(/^Whether it swaps cannot be measured without a known true swap: look at the previews\.$/m);
    expect(Object.keys(metrics("c").all.at(-1)?.final as object)).toEqual([
      "reconstruction",
      "constantReconstruction",
      "gridEnergy",
    ]);
    expect(shell.list("c/previews")).toEqual(["000003.png"]);
  });
});

describe("swap", () => {
  it("swaps one picture to a file, of any size", async () => {
    const printed = await shell.do("swap sheet.png --run a --from src --to dst -o swapped.png");
    expect(printed).toBe("swapped 1 picture from src to dst: swapped.png\n");
    const png = shell.read("swapped.png");
    expect(pngSize(png)).toEqual([64, 64]);
    expect(png.toString("latin1")).toContain("A face decoded by a neural network");
  });

  it("swaps a folder and a file to a folder", async () => {
    const printed = await shell.do("swap faces/dst sheet.png --run a --from src --to dst -o swaps/of/us");
    expect(printed).toBe("swapped 22 pictures from src to dst: swaps/of/us\n");
    expect(shell.list("swaps/of/us")).toEqual([
      ...shell.list("faces/dst").filter((n) => n.endsWith(".png")),
      "sheet.png",
    ]);
    expect(shell.read("swaps/of/us/sheet.png").equals(shell.read("swapped.png"))).toBe(true);
  });
});
