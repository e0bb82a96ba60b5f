import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { backward, forward } from "../reference/conv2d.js";

// What can be checked without the peers: they are installed in bench/peers by who wants them, and need no types here.
const FOLDER = new URL("../../bench/peers/", import.meta.url);
const load = (name: string) => import(/* @vite-ignore */ new URL(name, FOLDER).href);

/** Runs the benchmark in a folder. */
function bench(folder: string, ...args: string[]) {
  const { status, stderr } = spawnSync(process.execPath, ["main.mjs", ...args], { cwd: folder, encoding: "utf8" });
  return { status, lines: stderr.trim().split("\n") };
}

describe("the command", () => {
  const bare = mkdtempSync(join(tmpdir(), "shibori-peers-"));
  cpSync(FOLDER, bare, { recursive: true, filter: (from) => !from.includes("node_modules") });
  afterAll(() => rmSync(bare, { recursive: true }));

  it("says in one line what to run where the peers are not installed", () => {
    const { status, lines } = bench(bare);
    expect(lines).toEqual(["@jax-js/jax 0.1.25 is not installed in bench/peers; run: npm ci --prefix bench/peers"]);
    expect(status).toBe(2);
  });

  it.each([
    [["--rounds", "0"], /^--rounds 0 must be a whole number from 1$/],
    [["--only", "pooling"], /^--only "pooling" fits no benchmark; there are: conv forward, .*training step$/],
    [["--round", "3"], /^Unknown option '--round'; see .*--help$/],
    [["--json"], /^Option '--json <value>' argument missing; see .*--help$/],
  ])("refuses %j in one line", (args, message) => {
    const { status, lines } = bench(bare, ...args);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
    expect(status).toBe(2);
  });
});

describe("statistics", async () => {
  const { median, pairedRatio, spread } = await load("statistics.mjs");

  it("take medians and quartiles", () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(spread([8, 9, 10, 11, 12])).toBeCloseTo(0.1, 12); // quartiles 9 and 11
  });

  it("compare within rounds, so that a slow round does no harm", () => {
    expect(pairedRatio([20, 200, 22], [10, 100, 11])).toBe(2);
  });
});

describe("comparing", async () => {
  const { compareSums, relativeDistance } = await load("compare.mjs");
  const { compareSteps } = await load("benchmarks.mjs");
  const { firstParameters, tolerance } = await load("autoencoder.mjs");

  it("passes float32 sums in any order and catches a wrong element", () => {
    const length = 500;
    const products = Array.from({ length }, (_, i) => Math.fround(Math.sin(i * 1.7)));
    const add = (sum: number, value: number) => Math.fround(sum + value);
    const sums = [products.reduce(add, 0), products.reduceRight(add, 0)];
    const magnitude = [products.reduce((sum, value) => sum + Math.abs(value), 0)];
    const worst = compareSums([sums[0]], [sums[1]], magnitude, length);
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(1);
    // Two products left out, or one of the wrong sign, are beyond the bound.
    expect(compareSums([sums[0] - products[1]], [sums[1]], magnitude, length)).toBeGreaterThan(1);
    expect(compareSums([Number.NaN], [1], magnitude, length)).toBe(Number.POSITIVE_INFINITY);
    expect(compareSums([1, 2], [1], magnitude, length)).toBe(Number.POSITIVE_INFINITY);
    expect(compareSums([1], [0], [0], length)).toBe(Number.POSITIVE_INFINITY);
  });

  it("measures distances, and takes what is missing for infinitely far", () => {
    const b = new Map([["w", [3, 4]]]);
    expect(relativeDistance(new Map([["w", [3, 5]]]), b)).toBeCloseTo(0.2, 12);
    expect(relativeDistance(new Map([["v", [3, 4]]]), b)).toBe(Number.POSITIVE_INFINITY);
    expect(relativeDistance(new Map([["w", [3, Number.NaN]]]), b)).toBe(Number.POSITIVE_INFINITY);
  });

  it("catches a wrong step: one layer's gradient, a loss, an update that is not Adam's", () => {
    type Step = { losses: number[]; moments: Map<string, Float32Array>; weights: Map<string, Float32Array> };
    const made = (gradient = (_: string, i: number) => Math.sin(i + 1), change = 1): Step => {
      const parameters = [...firstParameters()] as [string, { values: Float32Array }][];
      return {
        losses: [0.3, 0.2],
        moments: new Map(parameters.map(([name, { values }]) => [name, values.map((_, i) => gradient(name, i))])),
        weights: new Map(
          parameters.map(([name, { values }]) => [name, values.map((w, i) => w + change * 0.005 * Math.sin(i + 2))]),
        ),
      };
    };
    const ours = made();
    expect(compareSteps(made(), ours).worst).toBe(0);
    const rounded = made((_, i) => Math.sin(i + 1) * (1 + tolerance() / 4));
    expect(compareSteps(rounded, ours).worst).toBeLessThan(1);
    const wrongBias = made((name, i) => Math.sin(i + 1) * (name === "layer3.b" ? 1.01 : 1));
    expect(compareSteps(wrongBias, ours).worst).toBeGreaterThan(1);
    expect(compareSteps({ ...made(), losses: [0.3, 0.201] }, ours).worst).toBeGreaterThan(1);
    expect(compareSteps({ ...made(), losses: [0.3] }, ours).worst).toBe(Number.POSITIVE_INFINITY);
    expect(compareSteps(made(undefined, 1.2), ours).worst).toBeGreaterThan(1);
  });
});

describe("what is measured", async () => {
  const { channelsFirst, channelsLast, nativeWeights, permute, reversedWeights } = await load("layouts.mjs");
  const { flopsOf, reference } = await load("convolutions.mjs");
  const { parameterCount, stepFlops } = await load("autoencoder.mjs");

  it("agrees with the tests' own float64 oracle", () => {
    const g = { layer: "conv", n: 2, h: 5, w: 6, a: 3, oh: 3, ow: 3, b: 2, k: 3, stride: 2, padding: 1 };
    const numbers = (count: number, phase: number) =>
      Float64Array.from({ length: count }, (_, i) => Math.sin(i + phase));
    const [x, w, gy] = [numbers(180, 1), numbers(54, 2), numbers(36, 3)];
    const tensor = (shape: number[], data: Float64Array) => ({ shape, data });
    const [tx, tw, tg] = [tensor([2, 5, 6, 3], x), tensor([3, 3, 3, 2], w), tensor([2, 3, 3, 2], gy)];
    const options = { stride: 2, padding: { top: 1, bottom: 1, left: 1, right: 1 } };
    const data = { large: x, small: gy, weights: w };
    const { gx, gw } = backward(tx, tw, null, options, tg);
    for (const [map, wanted] of [
      ["down", forward(tx, tw, null, options)],
      ["up", gx],
      ["weights", gw],
    ] as const) {
      const { values, magnitudes } = reference(g, map, data);
      wanted.data.forEach((value, i) => {
        expect(values[i]).toBeCloseTo(value, 12);
        expect(magnitudes[i]).toBeGreaterThanOrEqual(Math.abs(value) - 1e-12);
      });
    }
    expect(flopsOf(g)).toBe(2 * 2 * 3 * 3 * 2 * 9 * 3);
  });

  it("permutes layouts there and back", () => {
    for (const [there, back] of [
      [channelsFirst, channelsLast],
      [reversedWeights, nativeWeights],
    ]) {
      const shape = [2, 3, 4, 5];
      const values = Float32Array.from({ length: 120 }, (_, i) => i);
      const to = there(shape);
      const moved = permute(values, shape, to.axes);
      expect(moved).not.toEqual(values);
      const from = back(to.shape);
      expect(from.shape).toEqual(shape);
      expect(permute(moved, to.shape, from.axes)).toEqual(values);
    }
    // [kh, kw, in, out] = [1, 0, 2, 4] of 2×3×4×5 is [out, in, kh, kw] = [4, 2, 1, 0] of 5×4×2×3.
    const numbers = Float32Array.from({ length: 120 }, (_, i) => i);
    const at = permute(numbers, [2, 3, 4, 5], reversedWeights([2, 3, 4, 5]).axes)[((4 * 4 + 2) * 2 + 1) * 3];
    expect(at).toBe(((1 * 3 + 0) * 4 + 2) * 5 + 4);
  });

  it("is the reference autoencoder: 588,195 parameters, 1.80 GFLOP", () => {
    expect(parameterCount()).toBe(588_195);
    expect((stepFlops() / 1e9).toFixed(2)).toBe("1.80");
  });
});

describe("timing", async () => {
  const { qualify, timeInTurns } = await load("measure.mjs");
  const { watchLaunches } = await load("launches.mjs");
  class Encoder {
    dispatchWorkgroups(): void {}
  }
  (globalThis as { GPUComputePassEncoder?: unknown }).GPUComputePassEncoder = Encoder;
  watchLaunches();

  /** Three kernels a repetition, at once or when it is waited for: then all of them, or only the last repetition's. */
  function work(kind: "eager" | "lazy" | "forgetful", ms = 2) {
    let queued = 0;
    const launch = (repetitions: number) => {
      for (let i = 0; i < 3 * repetitions; i++) new Encoder().dispatchWorkgroups();
    };
    return {
      variant: kind,
      run: () => (kind === "eager" ? launch(1) : void queued++),
      settle: async () => {
        launch(kind === "forgetful" ? Math.min(queued, 1) : queued);
        queued = 0;
        await new Promise((resolve) => setTimeout(resolve, ms));
      },
      result: async () => kind,
      dispose: () => {},
    };
  }
  const right = () => ({ worst: 0, deviation: {} });

  it("takes the fastest right way, and tells what is wrong with the others", async () => {
    const ways = () => [work("eager", 30), work("lazy", 2)];
    expect((await qualify("peer", ways, right, false)).work.variant).toBe("lazy");
    const picky = (result: string) => ({ worst: result === "lazy" ? 7 : 0, deviation: { off: 7 } });
    expect((await qualify("peer", ways, picky, false)).work.variant).toBe("eager");
    const none = await qualify("peer", ways, () => ({ worst: 7, deviation: { off: 7 } }), false);
    expect(none.work).toBeUndefined();
    expect(none.wrong).toBe('wrong (lazy): {"off":7}');
  });

  it("does not time a library that leaves out queued work", async () => {
    const contestants = [];
    for (const kind of ["eager", "lazy", "forgetful"] as const) {
      contestants.push(await qualify(kind, () => [work(kind, 20)], right, false));
    }
    const times = await timeInTurns(contestants, { rounds: 2, limitMs: 1000 });
    expect([...times.keys()].map(({ name }) => name)).toEqual(["eager", "lazy"]);
    const [{ repetitions, wall }] = times.values();
    expect(repetitions).toBeGreaterThan(1);
    expect(wall).toHaveLength(2);
    expect(contestants[2].wrong).toMatch(/^failed: launches 0\.\d+ kernels a repetition, alone 3$/);
  });
});

describe("the table", async () => {
  const { table } = await load("table.mjs");
  const { summarise } = await load("measure.mjs");

  it("names the faster peer, and why another was not timed", () => {
    const times = (ms: number) => ({ repetitions: 2, wall: [ms, ms, ms], cpu: [ms, ms, ms] });
    const ours = times(2);
    const row = (name: string, ms: number) =>
      summarise({ name, work: { variant: "" }, firstMs: 1 }, times(ms), ours, 4e6);
    const wrong = summarise({ name: "bad", wrong: "wrong: 7", firstMs: 1 }, undefined, ours, 4e6);
    const lines: string[] = table([row("ours", 2), row("slow", 9), row("fast", 5), wrong], { cpu: false });
    expect(lines[1]).toMatch(/ours +2\.000 +±0 % +2\.00 +1\.00/);
    expect(lines.at(-2)).toContain("bad  not timed, wrong: 7");
    expect(lines.at(-1)).toContain("ours is 2.50× the faster peer (fast)");
  });
});
