import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { verdictLine } from "../../src/cli/judge.js";
import {
  directionsOf,
  drawChange,
  drawHeldOut,
  type HeldOut,
  measureAvatars,
  Viewer,
  withResponses,
} from "../../src/faceswap/evaluation.js";
import { countOf } from "../../src/faceswap/measures.js";
import { modelOf } from "../../src/faceswap/model.js";
import { FEATURES } from "../../src/faceswap/responses.js";
import { gpu } from "../gpu.js";
import { EXPRESSIVE, TRAP } from "../report/runs.js";
import { TRIO } from "./trio.js";

const POSES = 20;

describe("evaluation of three identities", () => {
  let heldOut: HeldOut;
  let viewer: Viewer;
  beforeAll(async () => {
    heldOut = await drawHeldOut(gpu, TRIO, POSES);
    viewer = await Viewer.open(gpu, modelOf(TRIO));
  });
  afterAll(() => viewer.destroy());

  it("draws everyone in the same poses: masks and medians too", () => {
    for (const name of TRIO.identities) {
      expect(countOf(heldOut.pictures[name])).toBe(POSES);
      expect(heldOut.eyes[name].length).toBe(32 * 32);
      expect(heldOut.mouth[name].data.some((v) => v > 0.9)).toBe(true);
      expect(heldOut.median[name]).toHaveLength(32 * 32 * 3);
    }
    expect(heldOut.pictures.src.data).not.toEqual(heldOut.pictures.third.data);
  });

  it("draws those of two identities as it did before there were three", async () => {
    const two = await drawHeldOut(gpu, { ...TRIO, pair: "mild", identities: ["src", "dst"] }, POSES);
    expect(two.pictures.src).toEqual(heldOut.pictures.src);
    expect(two.pictures.dst).toEqual(heldOut.pictures.dst);
  });

  it("changes one feature of the held-out poses, and nothing else", async () => {
    for (const feature of FEATURES) {
      const { low, high } = (await drawChange(gpu, TRIO, feature)).dst;
      expect(countOf(low)).toBe(32);
      // A mouth or an eye is a small part of a picture.
      const differing = low.data.filter((value, i) => value !== high.data[i]).length / low.data.length;
      expect(differing, feature).toBeGreaterThan(0.0005);
      expect(differing, feature).toBeLessThan(0.1);
    }
  });

  it("shows every identity by every decoder", async () => {
    const made = await viewer.view(heldOut.pictures);
    const seen = new Set<string>();
    for (const from of TRIO.identities) {
      for (const to of TRIO.identities) seen.add(made[from][to].data.slice(0, 60).join());
      expect(countOf(made[from].dst)).toBe(POSES);
    }
    expect(seen.size).toBe(9);
  });

  it("measures every direction, each against its own truth", async () => {
    const directions = await withResponses(gpu, TRIO, viewer, await measureAvatars(viewer, heldOut));
    expect(directions.map(({ from, to }) => `${from} ${to}`)).toEqual([
      ...["src dst", "src third", "dst src", "dst third", "third src", "third dst"],
    ]);
    for (const { measures } of directions) {
      expect(Object.values(measures).filter((n) => !Number.isFinite(n))).toEqual([]);
      expect(measures.responseMouth).toBeDefined();
    }
    expect(new Set(directions.map(({ measures }) => measures.swapError)).size).toBe(6);
    // Looks in the midst of training are cheaper.
    const [first] = await measureAvatars(viewer, heldOut, 16);
    expect(first.measures.responseMouth).toBeUndefined();
  });
});

describe("verdictLine", () => {
  const good = { from: "a", to: "b", measures: EXPRESSIVE };
  const bad = { from: "b", to: "c", measures: { ...EXPRESSIVE, ...TRAP } };

  it("of two identities is that of their direction", () => {
    expect(verdictLine([good], 128)).toMatchObject({ poses: 128, passed: true, showsExpression: true });
    expect(verdictLine([good], 128).pairs).toBeUndefined();
    expect(directionsOf(["a", "b"])).toEqual([{ from: "a", to: "b" }]);
  });

  it("of more passes only if all do, and has the figures of the worst", () => {
    const line = verdictLine([good, bad, good], 128);
    expect(line).toMatchObject({ pair: "b → c", passed: false, showsExpression: false, t: TRAP.t });
    expect(line.pairs?.map(({ passed }) => passed)).toEqual([true, false, true]);
    expect(verdictLine([good, good], 128)).toMatchObject({ passed: true, showsExpression: true });
  });
});
