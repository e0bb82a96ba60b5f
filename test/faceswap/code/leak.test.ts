import { describe, expect, it } from "vitest";
import { type Codes, encodePaired, leakOf } from "../../../src/faceswap/code/leak.js";
import { accuracyAndBits, fitReader } from "../../../src/faceswap/code/reader.js";
import { modelOf } from "../../../src/faceswap/model.js";
import { PRESETS } from "../../../src/faceswap/presets.js";
import { gpu } from "../../gpu.js";
import { randomTensors } from "../../reference/tensor.js";

/** Normal numbers. */
function normals(seed: number, count: number): Float32Array {
  const random = randomTensors(seed);
  const sum = new Float32Array(count);
  for (let i = 0; i < 12; i++) {
    const { data } = random([count]);
    for (let k = 0; k < count; k++) sum[k] += data[k] / 2;
  }
  return sum;
}

describe("the reader", () => {
  // Two normal distributions, ± d from their middle in one of 5 directions.
  const drawn = (d: number, seed: number, count = 3000) => {
    const data = normals(seed, count * 5);
    const labels = Array.from({ length: count }, (_, i) => i % 2);
    const x = labels.map((label, i) => {
      const row = data.subarray(i * 5, i * 5 + 5);
      const scale = Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);
      return Float32Array.from(row, (v, k) => (k === 2 ? v / scale + (label ? d : -d) : v / scale));
    });
    return { x, labels };
  };
  /** Bits that one number tells of which of the two it is from, by integration. */
  const bitsOf = (d: number): number => {
    let sum = 0;
    for (let z = -12; z < 12; z += 0.001) {
      const density = Math.exp(-((z - d) ** 2) / 2) / Math.sqrt(2 * Math.PI);
      sum += 0.001 * density * (1 - Math.log2(1 + Math.exp(-2 * d * z)));
    }
    return sum;
  };

  it.each([0.5, 1, 2])("finds the bits that two normal distributions ± %f tell", (d) => {
    const [a, b] = [drawn(d, 6000), drawn(d, 6001)];
    const { accuracy, bits } = accuracyAndBits(fitReader(a.x, a.labels), b.x, b.labels);
    // The standard error of a mean of 3,000 is below .02 bits; what is drawn is only nearly normal.
    expect(Math.abs(bits - bitsOf(d))).toBeLessThan(0.06);
    expect(accuracy).toBeGreaterThan(0.5 + bits / 4);
  });

  it("finds nothing where there is nothing", () => {
    const [a, b] = [drawn(0, 6002), drawn(0, 6003)];
    const { accuracy, bits } = accuracyAndBits(fitReader(a.x, a.labels), b.x, b.labels);
    expect(bits).toBeLessThan(0.01);
    expect(Math.abs(accuracy - 0.5)).toBeLessThan(0.05);
  });
});

describe("what codes tell of the identity", () => {
  const [count, cells, channels] = [400, 2, 3];
  const length = cells * channels;
  const made = (shift: number): Codes => {
    const src = normals(6100, count * length);
    // The second cell of dst is shifted; the first is the same in both.
    const dst = src.map((v, i) => (i % length >= channels ? v + shift : v));
    return { count, cells, channels, src, dst };
  };

  it("is nothing where the codes are equal", () => {
    const { gap, meanGap, accuracy, bits } = leakOf(made(0));
    expect([gap, meanGap]).toEqual([0, 0]);
    expect(accuracy).toBe(0.5);
    expect(bits).toBeLessThan(0.01);
  });

  it("is found in the cell that has it, and the gaps are what their formulas say", () => {
    const codes = made(8);
    const leak = leakOf(codes);
    expect(leak.cellAccuracy[0]).toBe(0.5);
    expect(leak.cellAccuracy[1]).toBeGreaterThan(0.99);
    expect(leak.cellBits[1]).toBeGreaterThan(0.9);
    expect(leak.accuracy).toBeGreaterThan(0.99);
    // Between the identities: channels · shift². Within: 2 · length · variance of independent codes.
    const variance = codes.src.reduce((sum, v) => sum + v * v, 0) / codes.src.length;
    expect(leak.gap / ((channels * 64) / (2 * length * variance))).toBeCloseTo(1, 1);
    expect(leak.meanGap / ((channels * 64) / (length * variance))).toBeCloseTo(1, 1);
  });
});

it("codes are those of the two identities in equal poses", async () => {
  const preset = PRESETS["avatar-64"];
  const config = { ...preset, architecture: { ...preset.architecture, size: 32, stages: [16] } };
  const model = modelOf(config);
  const codes = await encodePaired(gpu, model, new Map(), config, 32);
  expect(codes).toMatchObject({ count: 32, cells: 9, channels: 64 });
  expect(codes.src.length).toBe(32 * 9 * 64);
  // One pose looks more like itself with another face than like the next pose, even to an untrained encoder.
  expect(leakOf(codes).gap).toBeGreaterThan(0);
  expect(codes.src).not.toEqual(codes.dst);
  await expect(encodePaired(gpu, model, new Map(), config, 33)).rejects.toThrow("33 poses: a multiple of 16 is needed");
});
