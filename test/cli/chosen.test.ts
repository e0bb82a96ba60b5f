import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type ConfigOptions, chosenConfig } from "../../src/cli/chosen.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import { UserError } from "../../src/index.js";

const folder = mkdtempSync(join(tmpdir(), "shibori-chosen-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(content: string): string {
  const path = join(folder, "config.json");
  writeFileSync(path, content);
  return path;
}

const chosen = (options: Partial<ConfigOptions>) => chosenConfig({ preset: "avatar-64", ...options });

describe("chosenConfig", () => {
  it("is the preset, where nothing else is chosen", () => {
    const { description: _, ...preset } = PRESETS["avatar-64"];
    expect(chosen({})).toEqual({ preset: "avatar-64", overrides: {}, config: preset });
  });

  it("puts a file in the place of the preset's fields, --set in the file's, and flags in both", () => {
    const config = file(
      '{"batch": 3, "steps": 50, "architecture": {"dense": 32, "code": 16}, "lossWeights": {"dssim": 1}}',
    );
    const set = ["steps=60", "architecture.dense=48", "architecture.upsampling=resize", "seed=4"];
    const { config: made, overrides } = chosen({ config, set, seed: 9, loss: { latent: 2 } });
    expect(made).toMatchObject({ batch: 3, steps: 60, seed: 9 });
    expect(made.architecture).toEqual({
      size: 64,
      stages: [16, 32],
      mid: 64,
      code: 16,
      dense: 48,
      upsampling: "resize",
    });
    expect(made.lossWeights).toEqual({ l1: 1, dssim: 1, latent: 2 });
    expect(Object.keys(overrides)).toEqual(["architecture", "batch", "steps", "seed", "lossWeights"]);
    expect(overrides.architecture).toEqual(made.architecture);
  });

  it("removes a field or a loss by null", () => {
    expect(chosen({ preset: "avatar-128", set: ["architecture.dense=null"] }).config.architecture).toEqual(
      PRESETS["avatar-128-leak"].architecture,
    );
    expect(chosen({ set: ["lossWeights.latent=null"] }).config.lossWeights).toEqual({ l1: 1 });
  });

  it("sets and removes a field that may be absent", () => {
    expect(chosen({ set: ["apart=true"] })).toMatchObject({ config: { apart: true }, overrides: { apart: true } });
    expect(chosen({ set: ["warp=.06"] })).toMatchObject({ config: { warp: 0.06 }, overrides: { warp: 0.06 } });
    const { config, overrides } = chosen({ set: ["apart=true", "warp=.1", "apart=null", "warp=null"] });
    expect(config).toEqual(chosen({}).config);
    expect(overrides).toEqual({});
  });

  it("takes the identities' names from the avatars", () => {
    expect(chosen({ pair: "trio" }).config.identities).toEqual(["src", "dst", "third"]);
    const config = file('{"pair": "trio", "identities": ["src", "dst", "third"]}');
    expect(chosen({ config, pair: "mild" }).config.identities).toEqual(["src", "dst"]);
    expect(chosen({ set: ["pair=trio"] }).config.identities).toEqual(["src", "dst", "third"]);
  });

  it.each<[string[], string]>([
    [["bach=4"], '--set bach=4: there is no field "bach"; there are architecture, identities, batch,'],
    [
      ["architecture.dens=4"],
      '--set architecture.dens=4: there is no field "architecture.dens"; there are size, input,',
    ],
    [["lossWeights.l3=4"], '--set lossWeights.l3=4: there is no field "lossWeights.l3"; there are l1, mse, ssim,'],
    [["batch=many"], "--set batch=many: batch: expected number, received string"],
    [["batch"], "--set batch: it must be field=value, such as architecture.dense=64"],
    [["batch=null"], "--set batch=null: batch"],
    [["architecture.size=null"], "architecture.size cannot be removed: a network needs it"],
    [["architecture.upsampling=cubic"], "--set architecture.upsampling=cubic: architecture.upsampling: Invalid option"],
    [["architecture.size=62"], "architecture: 62 pixels do not fit 2 stages"],
    [["architecture=4"], "--set architecture=4: architecture: expected object, received number"],
    [["__proto__.x=4"], '--set __proto__.x=4: there is no field "__proto__"'],
    [["architecture.kernel=4"], "architecture: kernel 4 must be 3, 5 or 7"],
    [["apart=left"], "--set apart=left: apart: "],
    [["warp=0.5"], "warp 0.5 must be a number from 0 to 0.2"],
    [["warp=much"], "--set warp=much: warp: expected number, received string"],
    [["pair=us"], "--set pair=us: pair: Invalid option"],
    [["batch=1"], "batch 1: the latent loss needs a variance"],
  ])("refuses --set %s", (set, message) => {
    expect(() => chosen({ set })).toThrow(UserError);
    expect(() => chosen({ set })).toThrow(message);
    expect(() => chosen({ set })).not.toThrow(/\n/);
  });

  it.each<[string, string]>([
    ['{"batch": ', "config.json: "],
    ["[]", "config.json: it must hold an object of fields"],
    ["null", "config.json: it must hold an object of fields"],
    ['{"rte": 1}', 'config.json: there is no field "rte"'],
  ])("refuses a file of %s", (text, message) => {
    const config = file(text);
    expect(() => chosen({ config })).toThrow(message);
    expect(() => chosen({ config })).not.toThrow(/\n/);
  });

  it("names a file that is not there", () => {
    expect(() => chosen({ config: "nowhere.json" })).toThrow("nowhere.json");
  });
});
