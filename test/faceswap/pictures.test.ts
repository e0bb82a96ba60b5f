import { beforeAll, describe, expect, it } from "vitest";
import { uniform } from "../../src/engine/philox.js";
import { type PictureSet, pickPictures } from "../../src/faceswap/pictures.js";
import { ShapeError, UserError } from "../../src/index.js";
import { DIVISION } from "../engine/ops/accuracy.js";
import { compileDirty, readAll, step, type Value } from "../gpu.js";

const [SIZE, COUNT, BATCH, STEPS, SEED] = [9, 5, 64, 8, 12];
const BYTES = SIZE * SIZE * 3;

/** Every byte value occurs (a picture has 243 bytes, and each starts at another value), and no two pictures are alike. */
const set: PictureSet = {
  pictures: Uint8Array.from({ length: COUNT * BYTES }, (_, i) => (i + 50 * Math.floor(i / BYTES)) % 256),
  count: COUNT,
  size: SIZE,
};

/** byte / 255, where WGSL lets a division err by 2.5 ULP; SwiftShader multiplies with 1 / 255. */
function expectBytes(what: string, values: Float32Array, bytes: Uint8Array): void {
  expect(
    Uint8Array.from(values, (value) => Math.round(255 * value)),
    what,
  ).toEqual(bytes);
  const errors = values.map((value, i) => Math.abs(value - bytes[i] / 255) / (bytes[i] / 255 || 1));
  expect(Math.max(...errors), what).toBeLessThanOrEqual(DIVISION);
}

describe("pickPictures", () => {
  const steps: Value[] = [];
  const drawn: number[][] = [];
  beforeAll(async () => {
    const program = await compileDirty(() => ({ y: pickPictures(set, { batch: BATCH, stream: 3 }) }), { seed: SEED });
    for (let i = 1; i <= STEPS; i++) {
      await step(program);
      steps.push((await readAll(program)).y);
      const u = uniform(BATCH, { seed: SEED, step: i, stream: 3 });
      drawn.push(Array.from(u, (value) => Math.floor(value * COUNT)));
    }
    program.destroy();
  });

  it("gives byte / 255 of the drawn pictures", () => {
    steps.forEach(({ shape, data }, i) => {
      expect(shape).toEqual([BATCH, SIZE, SIZE, 3]);
      drawn[i].forEach((k, n) => {
        const bytes = set.pictures.subarray(k * BYTES, (k + 1) * BYTES);
        expectBytes(`picture ${n} of step ${i + 1}`, data.subarray(n * BYTES, (n + 1) * BYTES), bytes);
      });
    });
  });

  it("draws every picture, all equally often, and others at every step", () => {
    const all = drawn.flat();
    const mean = all.length / COUNT;
    const chiSquared = Array.from({ length: COUNT }, (_, k) => (all.filter((d) => d === k).length - mean) ** 2 / mean);
    // 4 degrees of freedom: 18.5 is passed once in a thousand seeds.
    expect(chiSquared.reduce((a, b) => a + b)).toBeLessThan(18.5);
    expect(Math.min(...chiSquared.map((_, k) => all.filter((d) => d === k).length))).toBeGreaterThan(0);
    expect(new Set(drawn.map((d) => d.join())).size).toBe(STEPS);
  });

  it("takes a set of one picture, whose pixels do not fill a workgroup or a row", async () => {
    const one = { pictures: Uint8Array.from([1, 2, 254, 255, 128, 0, 7, 77, 177, 3, 33, 133]), count: 1, size: 2 };
    const program = await compileDirty(() => ({ y: pickPictures(one, { batch: 2 }) }));
    await step(program);
    const { y } = await readAll(program);
    for (const n of [0, 12]) expectBytes(`picture ${n / 12}`, y.data.subarray(n, n + 12), one.pictures);
    program.destroy();
  });

  it("refuses bytes that are not count · size · size · 3", () => {
    const wrong = () => pickPictures({ ...set, count: COUNT + 1 }, { batch: 2, stream: 0 });
    expect(wrong).toThrow(UserError);
    expect(wrong).toThrow("pictures: 1215 bytes are not 6 pictures of 9×9×3");
  });

  it("needs a program for a stream of its own", () => {
    expect(() => pickPictures(set, { batch: 2 })).toThrow(ShapeError);
  });
});
