import { describe, expect, it } from "vitest";
import { autoencoder, SIDES, type Side } from "../../src/faceswap/architecture.js";
import { avatars } from "../../src/faceswap/avatars.js";
import { PAIRS } from "../../src/faceswap/identities.js";
import type { PictureSet } from "../../src/faceswap/pictures.js";
import { checkConfig, PRESETS, presetNamed, type TrainingConfig } from "../../src/faceswap/presets.js";
import { compileTraining, type TrainingData } from "../../src/faceswap/training.js";
import { compile, UserError } from "../../src/index.js";
import { gpu, step } from "../gpu.js";

/** 32 → 16 → 7 → 3, the smallest that has a stage. */
const TINY: TrainingConfig = {
  architecture: { size: 32, stages: [8], mid: 8, code: 8 },
  ...{ batch: 2, steps: 60, rate: 5e-3, seed: 1 },
  ...{ latentWeight: 1, latentStatistics: "element", pair: "mild", poses: "demo" },
};

const OUTPUTS = ["loss", "src", "dst", "latent", "rate"] as const;

/** Trains from the start: scalars of every step, and the parameters and moments at the end. */
async function train(change: Partial<TrainingConfig>, count: number, data?: TrainingData) {
  const config = { ...TINY, ...change };
  checkConfig(config);
  const model = autoencoder(config.architecture, config.seed);
  const program = await compileTraining(gpu, model, config, data);
  for (let i = 0; i < count; i++) await step(program);
  const { first, values } = await program.history();
  expect(first).toBe(1);
  expect(Object.keys(values).sort()).toEqual([...OUTPUTS].sort());
  const states = new Map<string, Map<string, Float32Array>>();
  for (const state of ["values", "m", "v"]) states.set(state, await model.parameters.read(gpu, state));
  program.destroy();
  return { scalars: values as Record<(typeof OUTPUTS)[number], Float32Array>, states };
}

/** Avatars as bytes. */
async function pictureSets(count: number): Promise<Record<Side, PictureSet>> {
  const { size } = TINY.architecture;
  const draw = (side: Side) => avatars(PAIRS.mild[side], { batch: count, size });
  const program = await compile(gpu, () => ({ src: draw("src"), dst: draw("dst") }));
  await step(program);
  const read = async (side: Side) => {
    const pictures = Uint8Array.from(await program.read(side), (value) => Math.round(255 * value));
    return [side, { pictures, count, size }] as const;
  };
  const sets = Object.fromEntries(await Promise.all(SIDES.map(read))) as Record<Side, PictureSet>;
  program.destroy();
  return sets;
}

const mean = (values: Float32Array) => values.reduce((a, b) => a + b) / values.length;

describe("compileTraining", () => {
  it("learns: every loss is finite, and the reconstructions' fall", async () => {
    const { scalars } = await train({}, TINY.steps);
    for (const name of OUTPUTS) {
      expect(scalars[name]).toHaveLength(TINY.steps);
      expect(
        scalars[name].every((value) => Number.isFinite(value) && value >= 0),
        name,
      ).toBe(true);
    }
    const { loss, src, dst, latent, rate } = scalars;
    for (const l1 of [src, dst]) {
      expect(mean(l1.subarray(-5)) / mean(l1.subarray(0, 5))).toBeLessThan(0.7);
    }
    // Three rounded additions and a product.
    loss.forEach((value, i) => {
      expect(Math.abs(value - (src[i] + dst[i] + latent[i]))).toBeLessThanOrEqual(4 * 2 ** -24 * value);
    });
    // Warm-up over 50 steps, and the last 30 % of 60 steps: from step 42 on falls to 5 %.
    expect(rate[0] / TINY.rate).toBeCloseTo(1 / 50, 6);
    expect(rate[24] / TINY.rate).toBeCloseTo(0.5, 6);
    expect(rate[59] / TINY.rate).toBeCloseTo(0.05, 6);
  });

  it("gives the same numbers to the bit for one seed, and others for another", async () => {
    const [a, b, c] = [await train({}, 6), await train({}, 6), await train({ seed: 2 }, 6)];
    expect(b).toEqual(a);
    expect(
      a.states
        .get("m")
        ?.get("dst.2.weight")
        ?.some((value) => value !== 0),
    ).toBe(true);
    expect(c.scalars.loss).not.toEqual(a.scalars.loss);
    for (const [name, values] of a.states.get("values") ?? []) {
      expect(c.states.get("values")?.get(name), name).not.toEqual(values);
    }
  });

  it("weighs the latent loss", async () => {
    const [without, tenfold] = [await train({ latentWeight: 0 }, 1), await train({ latentWeight: 10 }, 1)];
    const apart = tenfold.scalars.loss[0] - without.scalars.loss[0];
    expect(apart / (10 * tenfold.scalars.latent[0])).toBeCloseTo(1, 4);
    expect(tenfold.scalars.latent).toEqual(without.scalars.latent);
  });

  it("draws new faces at every step", async () => {
    // So small a rate changes no weight, and biases by nothing that shows: what changes the losses are the pictures.
    const { scalars, states } = await train({ rate: 1e-30 }, 6);
    const model = autoencoder(TINY.architecture, TINY.seed);
    for (const [name, values] of await model.parameters.read(gpu)) {
      const trained = states.get("values")?.get(name) as Float32Array;
      if (name.endsWith("weight")) expect(trained, name).toEqual(values);
      else
        expect(
          trained.every((value) => Math.abs(value) < 1e-28),
          name,
        ).toBe(true);
    }
    for (const side of SIDES) expect(new Set(scalars[side]).size).toBe(6);
  });

  it("trains on sets of pictures, other ones at every step", async () => {
    const sets = await pictureSets(8);
    const { scalars, states } = await train({}, 12, sets);
    expect(scalars.loss.every((value) => value > 0 && value < 10)).toBe(true);
    expect(new Set(scalars.src).size).toBe(12);
    expect(await train({}, 12, sets)).toEqual({ scalars, states });
    // One picture a side, of one colour: its loss can only come from that colour.
    const grey = (value: number): PictureSet => ({
      pictures: new Uint8Array(32 * 32 * 3).fill(value),
      count: 1,
      size: 32,
    });
    const plain = await train({}, 60, { src: grey(255), dst: grey(0) });
    for (const l1 of [plain.scalars.src, plain.scalars.dst]) {
      expect(mean(l1.subarray(-5)) / l1[0]).toBeLessThan(0.5);
    }
  });

  it("refuses pictures of another size than the network's", async () => {
    const one: PictureSet = { pictures: new Uint8Array(64 * 64 * 3), count: 1, size: 64 };
    await expect(train({}, 1, { src: one, dst: one })).rejects.toThrow(
      "pictures of src: 64 pixels do not fit a network for 32 pixels",
    );
  });
});

describe("checkConfig refuses, naming the value:", () => {
  it.each<[Partial<TrainingConfig>, string]>([
    [{ batch: 1 }, "batch 1: the latent loss needs a variance, so at least 2 pictures per identity"],
    [{ batch: 0 }, "batch 0 must be a whole number from 2"],
    [{ batch: 2.5 }, "batch 2.5 must be a whole number from 2"],
    [{ steps: 0 }, "steps 0 must be a whole number from 1"],
    [{ seed: -1 }, "seed -1 must be a whole number from 0"],
    [{ seed: 2 ** 53 }, "must be a whole number from 0"],
    [{ rate: 0 }, "learning rate 0 must be a positive number"],
    [{ rate: Number.NaN }, "learning rate NaN must be a positive number"],
    [{ rate: Number.POSITIVE_INFINITY }, "learning rate Infinity must be a positive number"],
    [{ latentWeight: -1 }, "latent weight -1 must be a number from 0"],
    [{ latentWeight: Number.NaN }, "latent weight NaN must be a number from 0"],
  ])("%o", (change, message) => {
    const wrong = () => checkConfig({ ...TINY, ...change });
    expect(wrong).toThrow(UserError);
    expect(wrong).toThrow(message);
  });
});

it("presetNamed lists the presets for a name that is none", () => {
  expect(presetNamed("avatar-64").architecture.size).toBe(64);
  for (const name of ["avatar-65", "toString", ""]) {
    expect(() => presetNamed(name)).toThrow(UserError);
    expect(() => presetNamed(name)).toThrow(`there is no preset "${name}"; choose one of avatar-64, avatar-64-naive, `);
  }
  for (const preset of Object.values(PRESETS)) checkConfig(preset);
});
