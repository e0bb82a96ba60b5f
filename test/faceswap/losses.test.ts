import { beforeAll, describe, expect, it } from "vitest";
import { LATENT_STATISTICS, latentStatistics } from "../../src/faceswap/losses.js";
import { ShapeError } from "../../src/index.js";
import { evaluate, expectNear, gradientsOf, leaf, type Value } from "../gpu.js";
import * as oracle from "../reference/latent.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../reference/tensor.js";

/** Rounding to nearest. */
const U = 2 ** -24;

/** The statistics of a code's pools, in float64, with what float32 may get wrong: pool of each element, count, moments. */
function pools(t: Tensor, statistics: oracle.LatentPooling) {
  const size = statistics === "channel" ? t.shape[t.shape.length - 1] : t.data.length / t.shape[0];
  const n = t.data.length / size;
  const mean = new Float64Array(size);
  const magnitude = new Float64Array(size);
  const variance = new Float64Array(size);
  t.data.forEach((value, i) => {
    mean[i % size] += value / n;
    magnitude[i % size] += Math.abs(value) / n;
  });
  t.data.forEach((value, i) => {
    variance[i % size] += (value - mean[i % size]) ** 2 / (n - 1);
  });
  return { size, n, mean, magnitude, variance };
}

/** Tolerances of the value and of one gradient: the errors of means and variances, carried through by derivatives. */
function tolerances(a: Tensor, b: Tensor, statistics: oracle.LatentPooling, gy: number) {
  const [pa, pb] = [pools(a, statistics), pools(b, statistics)];
  const { size, n } = pa;
  // n roundings of a sum, and a few of the factors around it; the mean's own error enters a variance squared.
  const meanError = (p: typeof pa, i: number) => (n + 3) * U * p.magnitude[i];
  const errors = Array.from({ length: size }, (_, i) => {
    const mean = meanError(pa, i) + meanError(pb, i);
    const spread = (p: typeof pa) => (n + 6) * U * p.variance[i] + 2 * meanError(p, i) ** 2;
    const apart = { mean: Math.abs(pa.mean[i] - pb.mean[i]), variance: Math.abs(pa.variance[i] - pb.variance[i]) };
    return { mean, variance: spread(pa) + spread(pb), apart };
  });
  let value = 0;
  for (const { mean, variance, apart } of errors) {
    const terms = apart.mean ** 2 + apart.variance ** 2;
    value += (2 * apart.mean * mean + mean ** 2 + 2 * apart.variance * variance + variance ** 2) / size;
    value += ((size + 8) * U * terms) / size;
  }
  const gradient = (p: typeof pa, t: Tensor) =>
    t.data.map((x, at) => {
      const i = at % size;
      const { mean, variance, apart } = errors[i];
      const deviation = Math.abs(x - p.mean[i]);
      const wrong = mean / n + (2 * (variance * deviation + apart.variance * meanError(p, i))) / (n - 1);
      const rounded = 10 * U * (apart.mean / n + (2 * apart.variance * deviation) / (n - 1));
      return (Math.abs(gy) * 2 * (wrong + rounded)) / size;
    });
  return { value: [Math.abs(value)], ga: gradient(pa, a), gb: gradient(pb, b) };
}

describe.each(LATENT_STATISTICS)("latentStatistics, %s", (statistics) => {
  const drawn = [
    [2, 3, 3, 8],
    [5, 7, 7, 3],
    [2, 64],
    [8, 5],
    [3, 1, 2, 5],
  ].map((shape, i) => {
    const random = randomTensors(4000 + i);
    const a = random(shape, -1, 2);
    const b = random(shape, -2, 1.5);
    return { what: `codes [${shape}]`, a, b, gy: random([]) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ what, a, b, gy }) => {
          const leaves = [leaf(a), leaf(b)];
          const y = latentStatistics(leaves[0], leaves[1], statistics);
          const [ga, gb] = gradientsOf(y, gy, leaves);
          return { [`${what} y`]: y, [`${what} ga`]: ga, [`${what} gb`]: gb };
        }),
      ),
    );
  });

  it.each(drawn)("$what", ({ what, a, b, gy }) => {
    const { value, ga, gb } = tolerances(a, b, statistics, gy.data[0]);
    expectNear(`${what} y`, values[`${what} y`], oracle.forward(a, b, statistics), value);
    const reference = oracle.backward(a, b, statistics, gy);
    expectNear(`${what} ga`, values[`${what} ga`], reference.ga, ga);
    expectNear(`${what} gb`, values[`${what} gb`], reference.gb, gb);
  });

  it("refuses a batch of 1 and two shapes", () => {
    const loss = (a: number[], b: number[]) => () => latentStatistics(leaf(zeros(a)), leaf(zeros(b)), statistics);
    expect(loss([1, 3, 3, 8], [1, 3, 3, 8])).toThrow(ShapeError);
    expect(loss([1, 64], [1, 64])).toThrow("at least 2 pictures an identity");
    expect(loss([2, 3, 3, 8], [2, 3, 3, 9])).toThrow("both must have one shape");
    expect(loss([2, 8], [4, 8])).toThrow(ShapeError);
  });
});

it("compares each element by default", async () => {
  const a = tensor([2, 1, 2, 1], [1, 5, 3, 7]);
  const b = tensor([2, 1, 2, 1], [5, 1, 7, 3]);
  const built = () => ({
    element: latentStatistics(leaf(a), leaf(b)),
    channel: latentStatistics(leaf(a), leaf(b), "channel"),
  });
  const { element, channel } = await evaluate(built);
  // Elements: means 2, 6 against 6, 2, so 16; equal variances. The channel holds the same four numbers on both sides.
  // Their sums may be added in another order, and a square of the difference is left.
  expect(element.data[0]).toBe(16);
  expect(channel.data[0]).toBeLessThan(1e-12);
});

it("falls to zero for codes with equal statistics, and so do the gradients", async () => {
  const a = randomTensors(4100)([2, 3, 3, 4]);
  const swapped = map(a, (_, i) => a.data[(i + a.data.length / 2) % a.data.length]);
  const values = await evaluate(() => {
    const leaves = [leaf(a), leaf(swapped)];
    const y = latentStatistics(leaves[0], leaves[1]);
    const [ga, gb] = gradientsOf(y, tensor([], [1]), leaves);
    return { y, ga, gb };
  });
  for (const { data } of Object.values(values)) expect([...data].every((value) => value === 0)).toBe(true);
});
