import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import {
  type ByIdentity,
  drawChange,
  drawHeldOut,
  firstOf,
  type HeldOut,
  type Made,
  measureAvatars,
  measureFolders,
  Viewer,
  withResponses,
} from "../../src/faceswap/evaluation.js";
import { gates, type Stack } from "../../src/faceswap/measures.js";
import { modelOf } from "../../src/faceswap/model.js";
import { FEATURES } from "../../src/faceswap/responses.js";
import { compile, constant } from "../../src/index.js";
import { gpu, step } from "../gpu.js";
import { TRIO } from "./trio.js";

const NAMES = TRIO.identities;
/** More than the batch of a viewer, and no multiple of it. */
const POSES = 20;

/** A network of which is known what it makes: everyone is in the same pose, so `made[from][to]` is one of the pictures. */
const fake = (shown: (from: string, to: string) => string): Viewer => {
  const view = async (pictures: ByIdentity<Stack>): Promise<Made> =>
    Object.fromEntries(
      NAMES.map((from) => [from, Object.fromEntries(NAMES.map((to) => [to, pictures[shown(from, to)]]))]),
    );
  return { size: 32, identities: NAMES, view } as Partial<Viewer> as Viewer;
};
const swapper = fake((_, to) => to);
const copier = fake((from) => from);

let heldOut: HeldOut;
beforeAll(async () => {
  heldOut = await drawHeldOut(gpu, TRIO, POSES);
});

describe("a viewer", () => {
  let viewer: Viewer;
  beforeAll(async () => {
    viewer = await Viewer.open(gpu, modelOf(TRIO));
  });
  afterAll(() => viewer.destroy());

  it("gives what the network makes of every picture, with every decoder", async () => {
    const made = await viewer.view(heldOut.pictures);
    const model = modelOf(TRIO);
    const program = await compile(gpu, () =>
      Object.fromEntries(
        NAMES.flatMap((from) => {
          const code = model.encode(constant(heldOut.pictures[from].data, [POSES, 32, 32, 3]));
          return NAMES.map((to) => [`${from} ${to}`, model.decode[to](code)]);
        }),
      ),
    );
    await step(program);
    for (const from of NAMES) {
      for (const to of NAMES) {
        const whole = await program.read(`${from} ${to}`);
        expect(made[from][to].data).toHaveLength(whole.length);
        // Both are the network's; the batch may take another kernel, of another order of sums.
        const worst = whole.reduce((most, value, i) => Math.max(most, Math.abs(value - made[from][to].data[i])), 0);
        expect(worst, `${from} as ${to}`).toBeLessThan(1e-5);
      }
    }
    program.destroy();
  });

  it.each<[string, (pictures: ByIdentity<Stack>) => ByIdentity<Stack>]>([
    ["pictures of another size", (p) => ({ ...p, src: { ...p.src, length: 27 } })],
    ["fewer of one identity", (p) => ({ ...p, third: firstOf(p.third, 3) })],
  ])("refuses %s", async (_, change) => {
    await expect(viewer.view(change(heldOut.pictures))).rejects.toThrow(UserError);
  });
});

describe("measures of a network that", () => {
  it("swaps perfectly: all of every direction, responses included", async () => {
    const directions = await withResponses(gpu, TRIO, swapper, await measureAvatars(swapper, heldOut));
    expect(directions).toHaveLength(6);
    for (const { measures: m } of directions) {
      expect([m.swapError, m.reconstruction, m.eyes, m.mouth, m.gridEnergy]).toEqual([0, 0, 0, 0, 0]);
      expect(m.t).toBeCloseTo(1, 6);
      for (const feature of FEATURES) expect(m[`response${feature}`]).toBe(1);
      expect(gates(m).every(({ passed }) => passed)).toBe(true);
    }
  });

  it("copies the source: no way to the target in any direction, though it follows every pose", async () => {
    const directions = await withResponses(gpu, TRIO, copier, await measureAvatars(copier, heldOut));
    for (const { measures: m } of directions) {
      expect(m.t).toBeCloseTo(0, 6);
      expect(m.leakError).toBe(0);
      expect(m.swapError).toBeGreaterThan(0);
      // The source's own mouth moves: a response alone is no test of a swap.
      expect(m.responseMouth).toBeGreaterThan(0.3);
      expect(m.responseMouthCeiling).toBe(1);
      expect(gates(m)[0].passed).toBe(false);
    }
  });

  it("copies in one direction alone: only that one shows", async () => {
    const mostly = fake((from, to) => (from === "third" && to === "src" ? from : to));
    const failed = (await measureAvatars(mostly, heldOut)).filter(({ measures: m }) => m.swapError > 0);
    expect(failed.map(({ from, to }) => `${from} → ${to}`)).toEqual(["third → src"]);
  });
});

it("changed features are of the held-out poses: elsewhere than at the eyes every picture is the same", async () => {
  const { low, high } = (await drawChange(gpu, TRIO, "Gaze")).dst;
  const [held, eyes] = [heldOut.pictures.dst.data, heldOut.eyes.dst.data];
  // Irises are well within the eyes; the poses that both have are the first 20.
  const differ = (a: Float32Array, b: Float32Array, inside: boolean) =>
    held.reduce((count, _, i) => count + Number(a[i] !== b[i] && eyes[Math.floor(i / 3)] > 0 === inside), 0);
  for (const changed of [low.data, high.data]) {
    expect(differ(changed, held, false)).toBe(0);
    expect(differ(changed, held, true)).toBeGreaterThan(100);
  }
});

describe("measureFolders", () => {
  it("is the mean over identities, each against its own median", async () => {
    const measured = await measureFolders(swapper, heldOut.pictures, heldOut.median);
    expect(measured).toMatchObject({ reconstruction: 0, gridEnergy: 0 });
    const [all, few] = [NAMES, ["dst"]].map(async (names) => {
      const only = (of: ByIdentity<Stack>) => Object.fromEntries(names.map((name) => [name, of[name]]));
      const viewer = { ...swapper, identities: names } as Viewer;
      return (await measureFolders(viewer, only(heldOut.pictures), heldOut.median)).constantReconstruction;
    });
    expect(measured.constantReconstruction).toBe(await all);
    expect(await few).not.toBe(await all);
  });

  it("takes grid energy of those that have a flat region", async () => {
    const { length } = heldOut.pictures.src;
    const noise: Stack = { data: Float32Array.from({ length }, (_, i) => ((i * 37) % 100) / 100), length };
    const grey: Stack = { data: new Float32Array(length).fill(0.5), length };
    const drawn = grey.data.map((value, i) => value + 0.01 * (-1) ** (Math.floor(i / 3) % 2));
    const view = async (): Promise<Made> => ({ a: { a: { data: drawn, length } }, b: { b: noise } });
    const viewer = { identities: ["a", "b"], view } as Partial<Viewer> as Viewer;
    const median = { a: grey.data, b: grey.data };
    expect((await measureFolders(viewer, { a: grey, b: noise }, median)).gridEnergy).toBeCloseTo(2.55, 4);
    expect((await measureFolders(viewer, { a: noise, b: noise }, median)).gridEnergy).toBeNaN();
  });
});
