import { beforeAll, describe, expect, it } from "vitest";
import { type SimilarityAttrs, similarity } from "../../../src/engine/ops/similarity.js";
import { concat, type Node, ShapeError } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import {
  compileDirty,
  evaluate,
  expectNear,
  gradientsOf,
  leaf,
  readAll,
  sabotage,
  step,
  type Value,
} from "../../gpu.js";
import * as rounded from "../../reference/rounded.js";
import * as oracle from "../../reference/ssim.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";

const GROUPS = ["x", "y", "xx", "yy", "xy"] as const;
const attrs = (channels: number, whole: boolean): SimilarityAttrs => ({ channels, whole, c1: 1e-4, c2: 9e-4 });

/** Means that pictures could have: variances of 0 to 0.08, a covariance within their geometric mean. */
function draw(seed: number, shape: number[]) {
  const random = randomTensors(seed);
  const [x, y, vx, vy, r] = [
    random(shape, 0),
    random(shape, 0),
    random(shape, 0, 0.08),
    random(shape, 0, 0.08),
    random(shape),
  ];
  const f32 = (t: Tensor) => map(t, Math.fround);
  const xx = f32(map(x, (v, i) => v * v + vx.data[i]));
  const yy = f32(map(y, (v, i) => v * v + vy.data[i]));
  const xy = f32(map(x, (v, i) => v * y.data[i] + r.data[i] * Math.sqrt(vx.data[i] * vy.data[i])));
  return { means: [x, y, xx, yy, xy], gy: random(shape) };
}

/** The five groups in one tensor, each padded to a multiple of four channels. */
function packed(means: Tensor[]): Tensor {
  const channels = means[0].shape[3];
  const group = 4 * Math.ceil(channels / 4);
  const m = zeros([...means[0].shape.slice(0, 3), 5 * group]);
  means.forEach(({ data }, k) => {
    data.forEach((v, i) => {
      m.data[Math.floor(i / channels) * 5 * group + k * group + (i % channels)] = v;
    });
  });
  return m;
}

function expected({ means, gy }: ReturnType<typeof draw>, whole: boolean) {
  const leaves = means.map(rounded.exact);
  const named = Object.fromEntries(GROUPS.map((name, i) => [name, leaves[i]])) as unknown as oracle.Means;
  const y = oracle.similarity(named, { ...oracle.WANG, whole });
  const gradients = rounded.gradients(rounded.sum(rounded.mul(y, rounded.exact(gy))), leaves);
  const value = packed(gradients.map((g) => g.value));
  const { data: error } = packed(gradients.map(({ value: { shape }, error }) => ({ shape, data: error })));
  return { y, gm: { value, error, inputs: [] } as rounded.Rounded };
}

const expectRounded = (what: string, actual: Value, { value, error }: rounded.Rounded) =>
  expectNear(what, actual, value, error);

const cases = [
  [1, 1, 1, 1],
  [2, 5, 7, 3],
  [1, 3, 11, 5],
  [2, 4, 3, 4],
  [1, 2, 3, 10],
].flatMap((shape, i) =>
  [true, false].map((whole) => ({
    name: `[${shape}]${whole ? "" : " without luminance"}`,
    shape,
    whole,
    seed: 2700 + i,
  })),
);

describe("similarity", () => {
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...cases.map(({ name, shape, whole, seed }) => {
          const { means, gy } = draw(seed, shape);
          const m = leaf(packed(means));
          const y = similarity(m, attrs(shape[3], whole));
          return { [`${name} y`]: y, [`${name} gm`]: gradientsOf(y, gy, [m])[0] };
        }),
      ),
    );
  });

  it.each(cases)("$name", ({ name, shape, whole, seed }) => {
    const { y, gm } = expected(draw(seed, shape), whole);
    expectRounded(`${name} y`, values[`${name} y`], y);
    expectRounded(`${name} gm`, values[`${name} gm`], gm);
  });
});

it("is cut along the batch where a tensor exceeds the largest binding", async () => {
  const small = await openGpu({ maxBindingBytes: 1024 });
  const own = draw(2790, [2, 3, 4, 3]);
  const half = ({ shape: [, ...row], data }: Tensor, i: number) =>
    leaf(tensor([1, ...row], data.slice((i * data.length) / 2, ((i + 1) * data.length) / 2)));
  const program = await compileDirty(
    () => {
      const m = concat([half(packed(own.means), 0), half(packed(own.means), 1)]);
      const y = similarity(m, attrs(3, true));
      return { y, gm: gradientsOf(y, own.gy, [m])[0] };
    },
    {},
    small,
  );
  await step(program);
  const { y, gm } = await readAll(program);
  expect(program.outputs.get("gm")?.nodes.length).toBe(2);
  expectRounded("y", y, expected(own, true).y);
  expectRounded("gm", gm, expected(own, true).gm);
});

describe("fails with a planted fault:", () => {
  const own = draw(2701, [2, 5, 7, 3]);
  const faulty = (change: (y: Node, m: Node) => Node) => {
    const m = leaf(packed(own.means));
    return evaluate(() => ({ value: change(similarity(m, attrs(3, true)), m) }));
  };
  it("the luminance's constant left out", async () => {
    const { value } = await faulty((y) => sabotage(y, "ey * ey + p.c1", "ey * ey"));
    expect(() => expectRounded("planted", value, expected(own, true).y)).toThrow(/fraction/);
  });
  it("one mean's gradient for the other's", async () => {
    const { value } = await faulty((y, m) => sabotage(gradientsOf(y, own.gy, [m])[0], "cs * ey - ex", "cs * ex - ey"));
    expect(() => expectRounded("planted", value, expected(own, true).gm)).toThrow(/fraction/);
  });
});

it("refuses means of another count of channels", () => {
  const wrong = () => similarity(leaf(zeros([1, 2, 2, 20])), attrs(5, true));
  expect(wrong).toThrow(ShapeError);
  expect(wrong).toThrow("similarity([1, 2, 2, 20]): the means of 5 channels have shape [N, H, W, 40]");
});
