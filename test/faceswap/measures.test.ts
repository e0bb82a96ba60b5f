import { describe, expect, it } from "vitest";
import {
  gates,
  type Measures,
  maskedAbsolute,
  meanAbsolute,
  measure,
  medianPicture,
  poseCorrelation,
  repeated,
  type Stack,
  transfer,
} from "../../src/faceswap/measures.js";
import { randomTensors } from "../reference/tensor.js";

const stack = (...pictures: number[][]): Stack => ({
  data: Float32Array.from(pictures.flat()),
  length: pictures[0].length,
});
const random = randomTensors(5000);
/** Five pictures of 2 × 2 × 3. */
const draw = (): Stack => ({ data: Float32Array.from(random([5, 12], 0, 1).data), length: 12 });
const between = (a: Stack, b: Stack, t: number): Stack => ({
  data: a.data.map((value, i) => value + t * (b.data[i] - value)),
  length: a.length,
});

it("meanAbsolute: by hand", () => {
  expect(meanAbsolute(stack([0, 1], [0.5, 0]), stack([1, 1], [0, 0.25]))).toBe((1 + 0 + 0.5 + 0.25) / 4);
});

describe("transfer", () => {
  const [src, dst] = [draw(), draw()];

  it.each([-0.5, 0, 0.25, 1, 1.5])("is %f that far from src to dst", (t) => {
    expect(transfer(between(src, dst, t), src, dst)).toBeCloseTo(t, 6);
  });

  it("does not count what is at right angles to the way", () => {
    expect(transfer(stack([0.5, 9]), stack([0, 0]), stack([1, 0]))).toBe(0.5);
  });

  it("weighs every picture the same, however far src and dst are apart", () => {
    const [from, to] = [stack([0, 0], [0, 0]), stack([1, 0], [0, 0.125])];
    expect(transfer(stack([1, 0], [0, 0]), from, to)).toBe(0.5);
  });
});

describe("poseCorrelation", () => {
  const a = draw();

  it("is 1 for the same pictures, also brighter or with more contrast, and −1 for inverted ones", () => {
    const changed = (f: (value: number, i: number) => number): Stack => ({ data: a.data.map(f), length: a.length });
    expect(poseCorrelation(a, a)).toBeCloseTo(1, 6);
    expect(
      poseCorrelation(
        changed((v, i) => 0.5 * v + (i % a.length)),
        a,
      ),
    ).toBeCloseTo(1, 5);
    expect(
      poseCorrelation(
        changed((v) => 1 - v),
        a,
      ),
    ).toBeCloseTo(-1, 6);
  });

  it("is 0 for a constant picture, and where other pixels move", () => {
    expect(poseCorrelation(repeated(Float32Array.from([0.5, 0.25]), 3), stack([0, 1], [1, 0], [0, 0]))).toBe(0);
    expect(poseCorrelation(stack([0, 3], [1, 3]), stack([3, 0], [3, 1]))).toBe(0);
  });

  it("by hand", () => {
    // Deviations (−1, 0, 1) and (−1, 1, 0): 1 / √(2 · 2).
    expect(poseCorrelation(stack([0], [1], [2]), stack([4], [6], [5]))).toBeCloseTo(0.5, 6);
  });
});

describe("maskedAbsolute", () => {
  const a = stack([0, 0, 0, 1, 1, 1]);
  const b = stack([0.5, 0.25, 0, 1, 0, 1]);

  it("averages over the pixels of the mask and their three channels", () => {
    expect(maskedAbsolute(a, b, stack([1, 0]))).toBe(0.25);
    expect(maskedAbsolute(a, b, stack([1, 1]))).toBe(meanAbsolute(a, b));
  });

  it("weighs soft edges", () => {
    expect(maskedAbsolute(a, b, stack([0.5, 0.25]))).toBeCloseTo((0.5 * 0.75 + 0.25 * 1) / (3 * 0.75), 12);
  });
});

describe("medianPicture", () => {
  it("is each number's median: the middle one, or the mean of the two middle ones", () => {
    expect([...medianPicture(stack([9, 0], [1, 0.5], [2, 1]))]).toEqual([2, 0.5]);
    expect([...medianPicture(stack([9, 0], [1, 0.5], [2, 1], [-4, 1]))]).toEqual([1.5, 0.75]);
    expect([...medianPicture(stack([10], [9], [100]))]).toEqual([10]);
  });

  it("is the constant picture of least error", () => {
    const pictures = draw();
    const least = meanAbsolute(repeated(medianPicture(pictures), 5), pictures);
    for (let i = 0; i < 20; i++) {
      const other = medianPicture(pictures).map((value) => value + 0.2 * random([]).data[0]);
      expect(meanAbsolute(repeated(other, 5), pictures)).toBeGreaterThanOrEqual(least);
    }
  });
});

describe("measure", () => {
  const truth = {
    src: draw(),
    dst: draw(),
    eyes: stack(...Array.from({ length: 5 }, () => [1, 0, 0, 0])),
    mouth: stack(...Array.from({ length: 5 }, () => [0, 0, 1, 0.5])),
  };
  const median = { src: medianPicture(truth.src), dst: medianPicture(truth.dst) };
  const of = (swap: Stack, { src, dst } = truth) =>
    measure(truth, { srcReconstruction: src, dstReconstruction: dst, swap }, median);
  const constant = { src: repeated(median.src, 5), dst: repeated(median.dst, 5) };

  it("of a perfect swap", () => {
    const m = of(truth.dst);
    expect(m).toMatchObject({ reconstruction: 0, swapError: 0, swapErrorCeiling: 0, eyes: 0, mouth: 0 });
    for (const one of [m.t, m.tCeiling, m.poseCorrelation, m.poseCorrelationCeiling]) expect(one).toBeCloseTo(1, 6);
    expect(m.leakError).toBe(meanAbsolute(truth.dst, truth.src));
    expect(gates(m).map(({ passed }) => passed)).toEqual([true, true, true]);
  });

  it("of the source leaking through whole: t 0, an error without bound, no failing of the pose alone", () => {
    const m = of(truth.src);
    expect(m.t).toBeCloseTo(0, 6);
    expect(m.leakError).toBe(0);
    expect(m.swapError).toBe(meanAbsolute(truth.src, truth.dst));
    expect(gates(m)[0]).toMatchObject({ name: "t", passed: false });
  });

  it("of the constant picture of dst: its error is the constant's, in the regions too, and no pose", () => {
    const m = of(constant.dst, { ...truth, ...constant });
    expect(m.swapError).toBe(m.constantSwapError);
    expect(m.swapErrorCeiling).toBe(m.constantSwapError);
    expect(m.reconstruction).toBe(m.constantReconstruction);
    expect([m.eyes, m.mouth, m.eyesCeiling, m.mouthCeiling]).toEqual([1, 1, 1, 1]);
    expect([m.t, m.tCeiling]).toEqual([m.constantT, m.constantT]);
    expect([m.leakError, m.leakErrorCeiling]).toEqual([m.constantLeakError, m.constantLeakError]);
    expect(m.poseCorrelation).toBeCloseTo(0, 5);
    expect(gates(m).map(({ passed }) => passed)).toEqual([true, false, false]);
  });
});

describe("gates", () => {
  const good = {
    ...{ t: 0.93, tCeiling: 1, swapError: 0.74, constantSwapError: 1 },
    ...{ poseCorrelation: 0.86, poseCorrelationCeiling: 1 },
  } as Measures;
  const failing = (change: Partial<Measures>) =>
    gates({ ...good, ...change })
      .filter(({ passed }) => !passed)
      .map(({ name }) => name);

  it("pass on their bounds and fail beyond, each under its own name", () => {
    expect(failing({})).toEqual([]);
    expect(failing({ t: 0.92, swapError: 0.75, poseCorrelation: 0.85 })).toEqual([]);
    expect(failing({ t: 0.9199 })).toEqual(["t"]);
    expect(failing({ swapError: 0.7501 })).toEqual(["swap error"]);
    expect(failing({ poseCorrelation: 0.8499 })).toEqual(["pose correlation"]);
    expect(failing({ t: 0.5, swapError: 2, poseCorrelation: 0 })).toEqual(["t", "swap error", "pose correlation"]);
  });

  it("compare with the ceiling and with the constant picture", () => {
    expect(failing({ t: 0.6, tCeiling: 0.65 })).toEqual([]);
    expect(failing({ swapError: 0.04, constantSwapError: 0.05 })).toEqual(["swap error"]);
    expect(gates(good)[1]).toEqual({
      name: "swap error",
      value: 0.74,
      rule: "≤ 0.75 of the constant picture's",
      passed: true,
    });
  });

  it("fail where the ceiling itself is none, and on NaN", () => {
    expect(failing({ poseCorrelation: -0.3, poseCorrelationCeiling: -0.2 })).toEqual(["pose correlation"]);
    expect(failing({ t: -0.2, tCeiling: -0.1 })).toEqual(["t"]);
    expect(failing({ t: Number.NaN, swapError: Number.NaN, poseCorrelation: Number.NaN })).toHaveLength(3);
  });
});
