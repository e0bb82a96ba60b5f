import { describe, expect, it } from "vitest";
import { normal, random } from "../../../src/engine/ops/random.js";
import { keyOf, philox, normal as reference } from "../../../src/engine/philox.js";
import { ShapeError } from "../../../src/index.js";
import { compileDirty, evaluate, expectNear, readAll, sabotage, step } from "../../gpu.js";
import { sizeOf, type Tensor, zeros } from "../../reference/tensor.js";
import { logError, SQRT, ULP } from "./accuracy.js";

/** WGSL: absolute, for angles between −π and π. */
const COS = 2 ** -11;

/** Box-Muller of the words in float64, and how far WGSL's accuracy of log, sqrt and cos lets float32 be from it. */
function expected(
  shape: number[],
  seed: number,
  number: number,
  stream: number,
): { y: Tensor; tolerance: Float64Array } {
  const y = zeros(shape);
  const tolerance = new Float64Array(sizeOf(shape));
  y.data.forEach((_, i) => {
    const words = philox([Math.floor(i / 4), number, stream, 0], keyOf(seed));
    const [u1, u2] = [words[i & 2], words[(i & 2) + 1]].map((word) => (word + 0.5) / 2 ** 32);
    const square = -2 * Math.log(u1);
    const radius = Math.sqrt(square);
    const turn = i & 1 ? Math.sin(2 * Math.PI * u2) : Math.cos(2 * Math.PI * u2);
    y.data[i] = radius * turn;
    // The word's conversion and the half: two roundings of u1, which the logarithm makes absolute.
    const squareError = 2 * (2 * ULP + logError(u1));
    const [low, high] = [Math.max(square - squareError, 0), square + squareError].map(Math.sqrt);
    const radiusError = Math.max(high - radius, radius - low) + SQRT * high;
    // Three roundings and the constant's.
    const turnError = COS + 4 * ULP * Math.PI;
    tolerance[i] = radiusError * (Math.abs(turn) + turnError) + radius * turnError + ULP * Math.abs(y.data[i]);
  });
  return { y, tolerance };
}

describe("normal", () => {
  const shapes = [[], [1], [5], [3, 4], [7, 3], [2, 3, 5, 6], [1, 9, 7, 33], [40, 40, 1]];

  it.each([0, 1234, Number.MAX_SAFE_INTEGER])("has the numbers of Philox's words, seed %d", async (seed) => {
    const build = () => Object.fromEntries(shapes.map((shape, stream) => [`${stream}`, normal(shape)]));
    const program = await compileDirty(build, { seed });
    for (const number of [1, 2]) {
      await step(program);
      const values = await readAll(program);
      shapes.forEach((shape, stream) => {
        const { y, tolerance } = expected(shape, seed, number, stream);
        expectNear(`[${shape}], step ${number}`, values[stream], y, tolerance);
      });
    }
    program.destroy();
  });

  it("has a reference that is philox.ts's own", () => {
    const { y } = expected([50], 7, 1, 2);
    const drawn = reference(50, { seed: 7, step: 1, stream: 2 });
    expect(Array.from(y.data, Math.fround)).toEqual([...drawn]);
  });

  it("is finite, of mean 0, variance 1, kurtosis 3, and without correlation between neighbours", async () => {
    const n = 2 ** 16;
    const { y } = await evaluate(() => ({ y: normal([n]) }), { seed: 5 });
    expect(y.data.every((v) => Math.abs(v) < 6.77)).toBe(true);
    const moment = (f: (v: number, i: number) => number) => y.data.reduce((total, v, i) => total + f(v, i), 0) / n;
    // Five standard deviations of each.
    const within = (value: number, variance: number) =>
      expect(Math.abs(value)).toBeLessThan(5 * Math.sqrt(variance / n));
    within(
      moment((v) => v),
      1,
    );
    within(
      moment((v) => v * v - 1),
      2,
    );
    within(
      moment((v) => v ** 4 - 3),
      96,
    );
    within(
      moment((v, i) => v * y.data[(i + 1) % n]),
      1,
    );
    within(
      moment((v, i) => v * v * y.data[(i + 1) % n] ** 2 - 1),
      8,
    );
  });

  it("repeats to the bit, and differs between streams", async () => {
    const build = () => ({ a: normal([33]), b: normal([33]), again: normal([33], 0), uniform: random([33], 0) });
    const [one, two] = [await evaluate(build, { seed: 9 }), await evaluate(build, { seed: 9 })];
    expect([...one.a.data]).toEqual([...two.a.data]);
    expect([...one.a.data]).toEqual([...one.again.data]);
    expect([...one.a.data]).not.toEqual([...one.b.data]);
    expect([...one.uniform.data].every((v) => v >= 0 && v < 1)).toBe(true);
  });

  it.each([
    ["0", Math.sqrt(66 * Math.LN2)],
    ["0xffffffff", 0],
  ])("is finite where the radius comes from the word %s", async (word, radius) => {
    const build = () => ({ y: sabotage(normal([64]), "f32(words[pair])", `f32(${word}u)`) });
    const { y } = await evaluate(build);
    // Of u1 = 1 the logarithm may err by 2⁻²¹.
    const most = Math.max(radius * (1 + 8 * ULP) + COS * radius, Math.sqrt(2 ** -20));
    for (const v of y.data) expect(Math.abs(v)).toBeLessThanOrEqual(most);
    expect(Math.max(...y.data)).toBeGreaterThanOrEqual(0.9 * radius);
  });

  it("fails with a planted fault: the angle not turned back", async () => {
    const { y, tolerance } = expected([5], 0, 1, 0);
    const planted = await evaluate(() => ({ y: sabotage(normal([5]), "-radius", "radius") }));
    expect(() => expectNear("planted", planted.y, y, tolerance)).toThrow(/fraction/);
  });

  it("needs a program, or a stream", () => {
    expect(() => normal([3])).toThrow(ShapeError);
    expect(normal([3], 0).shape).toEqual([3]);
  });
});
