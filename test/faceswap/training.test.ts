import { describe, expect, it } from "vitest";
import { topological, traced } from "../../src/engine/graph.js";
import { autoencoder, SIDES, type Side } from "../../src/faceswap/architecture.js";
import { avatars } from "../../src/faceswap/avatars.js";
import { checkConfig, type TrainingConfig, trainedPoses } from "../../src/faceswap/config.js";
import { PAIRS } from "../../src/faceswap/identities.js";
import { type LossName, lossFormulas } from "../../src/faceswap/lossSlots.js";
import { modelOf } from "../../src/faceswap/model.js";
import type { PictureSet } from "../../src/faceswap/pictures.js";
import { PRESETS, presetNamed } from "../../src/faceswap/presets.js";
import { compileTraining, type TrainingData, trainingGraph } from "../../src/faceswap/training.js";
import { compile, type Node, UserError } from "../../src/index.js";
import { gpu, step } from "../gpu.js";

/** 32 → 16 → 7 → 3, the smallest that has a stage. */
const TINY: TrainingConfig = {
  architecture: { size: 32, stages: [8], mid: 8, code: 8 },
  ...{ batch: 2, steps: 60, rate: 5e-3, seed: 1 },
  ...{ lossWeights: { l1: 1, latent: 1 }, regionWeight: 0, latentStatistics: "element", pair: "mild", poses: "demo" },
  identities: ["src", "dst"],
};

const OUTPUTS = ["loss", "l1.src", "l1.dst", "latent", "rate"] as const;

/** Trains from the start: scalars of every step, and the parameters and moments at the end. */
async function train(change: Partial<TrainingConfig>, count: number, data?: TrainingData) {
  const config = { ...TINY, ...change };
  checkConfig(config);
  const model = modelOf(config);
  const program = await compileTraining(gpu, model, config, data);
  for (let i = 0; i < count; i++) await step(program);
  const { first, values } = await program.history();
  expect(first).toBe(1);
  expect(Object.keys(values).sort()).toEqual([...Object.keys(lossFormulas(config)), "rate"].sort());
  const states = new Map<string, Map<string, Float32Array>>();
  for (const state of ["values", "m", "v"]) states.set(state, await model.parameters.read(gpu, state));
  program.destroy();
  return { scalars: values as Record<string, Float32Array>, states };
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
    const { loss, "l1.src": src, "l1.dst": dst, latent, rate } = scalars;
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
    const weighed = (latent: number) => train({ lossWeights: { l1: 1, latent } }, 1);
    const [without, tenfold] = [await weighed(0), await weighed(10)];
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
    for (const side of SIDES) expect(new Set(scalars[`l1.${side}`]).size).toBe(6);
  });

  it("trains on sets of pictures, other ones at every step", async () => {
    const sets = await pictureSets(8);
    const { scalars, states } = await train({}, 12, sets);
    expect(scalars.loss.every((value) => value > 0 && value < 10)).toBe(true);
    expect(new Set(scalars["l1.src"]).size).toBe(12);
    expect(await train({}, 12, sets)).toEqual({ scalars, states });
    // One picture a side, of one colour: its loss can only come from that colour.
    const grey = (value: number): PictureSet => ({
      pictures: new Uint8Array(32 * 32 * 3).fill(value),
      count: 1,
      size: 32,
    });
    const plain = await train({}, 60, { src: grey(255), dst: grey(0) });
    for (const l1 of [plain.scalars["l1.src"], plain.scalars["l1.dst"]]) {
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

describe("compileTraining with other losses", () => {
  /** One weight for each of them: the total is their sum. */
  const sumOf = (config: TrainingConfig, scalars: Record<string, Float32Array>) =>
    Object.keys(lossFormulas(config))
      .filter((name) => name !== "loss")
      .reduce((total, name) => total + (config.lossWeights[name.split(".")[0] as LossName] ?? 0) * scalars[name][0], 0);

  it.each<[string, Partial<TrainingConfig>]>([
    ["pixels and structure", { lossWeights: { l1: 1, mse: 2, ssim: 0.5, dssim: 1, "gradient-difference": 0.25 } }],
    ["regions", { lossWeights: { l1: 1, dssim: 1 }, regionWeight: 8 }],
    ["random features", { lossWeights: { l1: 1, "random-features": 0.5, latent: 1 } }],
    ["codes", { lossWeights: { l1: 1, latent: 1, coral: 1, mmd: 1, adversary: 0.5, consistency: 0.1 } }],
    ["a sampled code", { architecture: { ...TINY.architecture, sampled: true }, lossWeights: { l1: 1, vib: 0.01 } }],
    ["warped pictures", { warp: 0.06, architecture: { ...TINY.architecture, size: 64, input: 32 } }],
    [
      "three identities",
      { pair: "trio", identities: ["src", "dst", "third"], lossWeights: { l1: 1, latent: 1, consistency: 0.1 } },
    ],
  ])("trains by %s: finite, their weighted sum, and every parameter moves", async (_, change) => {
    const config = { ...TINY, ...change };
    const { scalars, states } = await train(change, 3);
    for (const [name, values] of Object.entries(scalars)) expect(values.every(Number.isFinite), name).toBe(true);
    const total = sumOf(config, scalars);
    expect(Math.abs(scalars.loss[0] - total)).toBeLessThanOrEqual(16 * 2 ** -24 * total);
    for (const [name, m] of states.get("m") ?? []) {
      expect(m.every(Number.isFinite) && m.some((v) => v !== 0), name).toBe(true);
    }
  });

  it("weighs regions: L1 rises by what the mask says, and by nothing without one", async () => {
    const [plain, weighed] = [await train({}, 1), await train({ regionWeight: 8 }, 1)];
    const ratio = weighed.scalars["l1.src"][0] / plain.scalars["l1.src"][0];
    // Eyes, brows and mouth are about a tenth of the picture.
    expect(ratio).toBeGreaterThan(1.2);
    expect(ratio).toBeLessThan(4);
    expect(weighed.scalars.latent).toEqual(plain.scalars.latent);
  });

  it("a loss of weight 0 is logged and trains nothing", async () => {
    const [without, logged] = [await train({}, 4), await train({ lossWeights: { l1: 1, mse: 0, latent: 1 } }, 4)];
    expect(logged.scalars["mse.src"].every((v) => v > 0)).toBe(true);
    expect(logged.scalars.loss).toEqual(without.scalars.loss);
    expect(logged.states.get("values")).toEqual(without.states.get("values"));
  });

  it("a loss of weight 0 looks at the first picture of a batch", async () => {
    const flat = (value: number) => new Array<number>(32 * 32 * 3).fill(value);
    // Which of the two pictures is drawn for which place is random: of a batch of two, over some steps, all four happen.
    const sets = Object.fromEntries(
      SIDES.map((side) => [side, { pictures: Uint8Array.from([...flat(0), ...flat(255)]), count: 2, size: 32 }]),
    );
    const of = async (weight: number) => {
      const { scalars } = await train({ lossWeights: { l1: 1, mse: weight, latent: 1 }, rate: 1e-30 }, 12, sets);
      return scalars["mse.src"];
    };
    const [first, both] = [await of(0), await of(1)];
    const levels = (values: Float32Array) => new Set(Array.from(values, (v) => v.toFixed(3))).size;
    expect(levels(first)).toBe(2);
    expect(levels(both)).toBe(3);
  });

  it("trains apart on other poses, and otherwise on the same", async () => {
    const first = async (change: Partial<TrainingConfig>) => (await train(change, 1)).scalars;
    const [plain, off, apart] = [await first({}), await first({ apart: false }), await first({ apart: true })];
    const [left, right] = [await first({ poses: "hardleft" }), await first({ poses: "hardright" })];
    expect(off).toEqual(plain);
    expect(apart["l1.src"]).toEqual(left["l1.src"]);
    expect(apart["l1.dst"]).toEqual(right["l1.dst"]);
    expect(left["l1.src"]).not.toEqual(plain["l1.src"]);
    expect(left["l1.dst"]).not.toEqual(right["l1.dst"]);
  });

  it("warps what the encoder sees, and nothing else", () => {
    const config = { ...TINY, warp: 0.1 };
    const outputs = Object.values(traced(() => trainingGraph(modelOf(config), config)));
    const nodes = topological(outputs);
    const named = (name: string) => nodes.filter(({ op }) => op.name === name);
    const readers = (node: Node) => nodes.filter(({ inputs }) => inputs.includes(node));
    const [seen, ...more] = named("warp");
    expect(more).toEqual([]);
    expect(seen.shape).toEqual([4, 32, 32, 3]);
    expect(readers(seen).map(({ op }) => op.name)).toEqual(["conv2d", "conv2dWeightGrad"]);
    for (const drawn of named("drawAvatars")) {
      const ops = readers(drawn).map(({ op }) => op.name);
      expect(ops.sort()).toEqual(["concat", "sub"]);
    }
    // Nobody needs it, so it is never run.
    expect(named("warpGrad")).toEqual([]);
  });

  it("warps by as much as is said: none changes no bit, some all losses, but of one colour", async () => {
    const first = async (warp: number | undefined, data?: TrainingData) => (await train({ warp }, 2, data)).scalars;
    const [plain, none, some] = [await first(undefined), await first(0), await first(0.06)];
    expect(none).toEqual(plain);
    for (const name of ["l1.src", "l1.dst", "latent"]) expect(some[name]).not.toEqual(plain[name]);
    const grey: PictureSet = { pictures: new Uint8Array(32 * 32 * 3).fill(90), count: 1, size: 32 };
    const sets = { src: grey, dst: grey };
    const [flat, bent] = [await first(undefined, sets), await first(0.2, sets)];
    bent["l1.src"].forEach((value, i) => {
      expect(value).toBeCloseTo(flat["l1.src"][i], 5);
    });
  });

  it("refuses what does not fit", async () => {
    const grey: PictureSet = { pictures: new Uint8Array(32 * 32 * 3).fill(9), count: 1, size: 32 };
    await expect(train({ regionWeight: 2 }, 1, { src: grey, dst: grey })).rejects.toThrow(
      "regionWeight 2: where eyes and mouth are is known of avatars only; set it to 0",
    );
    await expect(train({ apart: true }, 1, { src: grey, dst: grey })).rejects.toThrow(
      "apart true: only avatars can be drawn in chosen poses, of folders the pictures decide; remove it",
    );
    await expect(train({ pair: "trio" }, 1)).rejects.toThrow(
      'the avatars "trio" are src, dst, third, but the identities are src, dst',
    );
  });
});

it("trains the first identity on poses to the left and the others to the right, where they are apart", () => {
  const trio = { ...TINY, identities: ["src", "dst", "third"] };
  const kinds = (apart?: boolean) => trio.identities.map((name) => trainedPoses({ ...trio, apart }, name));
  expect(kinds()).toEqual(["demo", "demo", "demo"]);
  expect(kinds(false)).toEqual(["demo", "demo", "demo"]);
  expect(kinds(true)).toEqual(["hardleft", "hardright", "hardright"]);
});

describe("checkConfig refuses, naming the value:", () => {
  it.each<[Partial<TrainingConfig>, string]>([
    [{ batch: 1 }, "batch 1: the latent loss needs a variance, so at least 2 pictures per identity"],
    [{ batch: 0, lossWeights: { l1: 1 } }, "batch 0 must be a whole number from 1"],
    [{ batch: 0 }, "batch 0 must be a whole number from 2"],
    [{ batch: 2.5 }, "batch 2.5 must be a whole number from 2"],
    [{ steps: 0 }, "steps 0 must be a whole number from 1"],
    [{ seed: -1 }, "seed -1 must be a whole number from 0"],
    [{ seed: 2 ** 53 }, "must be a whole number from 0"],
    [{ rate: 0 }, "learning rate 0 must be a positive number"],
    [{ rate: Number.NaN }, "learning rate NaN must be a positive number"],
    [{ rate: Number.POSITIVE_INFINITY }, "learning rate Infinity must be a positive number"],
    [{ lossWeights: { l1: 1, latent: -1 } }, "loss latent: weight -1 must be a number from 0"],
    [{ lossWeights: { l1: Number.NaN } }, "loss l1: weight NaN must be a number from 0"],
    [{ lossWeights: { latent: 1 } }, "no loss of pictures has a weight: give one, such as l1"],
    [{ lossWeights: { l1: 0 } }, "no loss of pictures has a weight"],
    [{ lossWeights: { l1: 1, "ms-ssim": 1 } }, "loss ms-ssim needs pictures of at least 161 pixels, not 32"],
    [{ lossWeights: { "lpips-alex": 1, "lpips-vgg": 1 } }, "losses lpips-alex and lpips-vgg: one trunk of LPIPS a run"],
    [{ lossWeights: { l1: 1, adversary: 0 } }, "loss adversary: its classifier learns by it"],
    [{ lossWeights: { l1: 1, vib: 1 } }, "loss vib is of a sampled code: set architecture.sampled"],
    [
      { architecture: { ...TINY.architecture, sampled: true } },
      "architecture.sampled: a sampled code needs the loss vib",
    ],
    [{ regionWeight: -1 }, "regionWeight -1 must be a number from 0"],
    [{ regionWeight: 1, lossWeights: { ssim: 1 } }, "regionWeight 1 weighs only l1, mse, dssim, gradient-difference"],
    [{ apart: "yes" as unknown as boolean }, "apart yes must be true or false"],
    [{ warp: -0.1 }, "warp -0.1 must be a number from 0 to 0.2"],
    [{ warp: 0.3 }, "warp 0.3 must be a number from 0 to 0.2"],
    [{ warp: Number.NaN }, "warp NaN must be a number from 0 to 0.2"],
    [{ warp: "0.1" as unknown as number }, "warp 0.1 must be a number from 0 to 0.2"],
    [{ identities: ["src"] }, "identities src: a swap needs at least 2"],
    [{ identities: ["src", "src"] }, 'identities: "src" is named twice'],
    [{ identities: ["src", "encoder"] }, 'identities: "encoder" is the name of other layers: choose another'],
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
