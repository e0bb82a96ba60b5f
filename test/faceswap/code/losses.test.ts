import { beforeAll, describe, expect, it } from "vitest";
import { normal } from "../../../src/engine/ops/random.js";
import { codeConsistency } from "../../../src/faceswap/code/consistency.js";
import { coral } from "../../../src/faceswap/code/coral.js";
import { latentLoss } from "../../../src/faceswap/code/latent.js";
import { mmd } from "../../../src/faceswap/code/mmd.js";
import { sampleCode, vibKl } from "../../../src/faceswap/code/vib.js";
import { type Node, ShapeError } from "../../../src/index.js";
import { evaluate, gradientsOf, leaf, sabotage, type Value } from "../../gpu.js";
import * as oracle from "../../reference/code.js";
import { add, exact, exp, gradients, mul, scale } from "../../reference/rounded.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";
import { expectLoss, expectRounded, type Loss, lossNodes } from "./rounding.js";

const paired: Record<string, Loss> = {
  "latent per element": {
    build: (codes) => latentLoss(codes, "element"),
    oracle: (codes) => oracle.latent(codes, "element"),
  },
  "latent per channel": {
    build: (codes) => latentLoss(codes, "channel"),
    oracle: (codes) => oracle.latent(codes, "channel"),
  },
  coral: { build: coral, oracle: oracle.coral },
  mmd: { build: mmd, oracle: (codes) => oracle.mmd(codes) },
};

describe.each(Object.entries(paired))("%s", (name, loss) => {
  const cases: [number, number[]][] = [
    [2, [2, 5]],
    [2, [5, 3, 3, 3]],
    [2, [3, 257]],
    [3, [4, 2, 2, 6]],
    [4, [2, 9]],
  ];
  const drawn = cases.map(([identities, shape], i) => {
    const random = randomTensors(6000 + i);
    const codes = Array.from({ length: identities }, (_, k) => random(shape, -1 - k / 4, 1 + k / 8));
    return { what: `${name}, ${identities} codes [${shape}]`, codes, gy: random([], 0.5, 2) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign({}, ...drawn.map(({ what, codes, gy }) => lossNodes(what, loss, codes, gy))),
    );
  });

  it.each(drawn)("$what", ({ what, codes, gy }) => {
    expectLoss(what, values, loss, codes, gy);
  });

  it("refuses one identity, a batch of 1, and two shapes", () => {
    const build =
      (...shapes: number[][]) =>
      () =>
        loss.build(shapes.map((shape) => leaf(zeros(shape))));
    expect(build([2, 3])).toThrow(ShapeError);
    expect(build([2, 3])).toThrow("([2, 3]): needs the codes of at least 2 identities");
    expect(build([2, 3], [2, 4])).toThrow("([2, 3], [2, 4]): all codes must have one shape");
    expect(build([1, 3], [1, 3])).toThrow("at least 2 pictures an identity");
    expect(build([3], [3])).toThrow("codes must be [N, …]");
  });

  it("fails with a planted fault of 1 in 2000", async () => {
    const { what, codes, gy } = drawn[1];
    const faulty = (inputs: Node[]) => {
      const y = loss.build(inputs);
      const [text, by] =
        y.op.name === "add"
          ? ["in0 + in1", "(in0 + in1) * 1.0005"]
          : ["select(in0 * p.k0, in0", "select(in0 * p.k0, in0 * 1.0005"];
      return sabotage(y, text, by);
    };
    const planted = await evaluate(() => ({ [`${what} y`]: faulty(codes.map(leaf)) }));
    expect(() => expectLoss(what, planted, loss, codes, gy)).toThrow(/fraction/);
  });
});

describe("codes that agree", () => {
  const code = randomTensors(6100)([4, 3, 3, 5]);
  const results = async (loss: Loss, codes: Tensor[]) => {
    const values = await evaluate(() => lossNodes("same", loss, codes, tensor([], [1])));
    return [...values["same y"].data, ...values["same g0"].data];
  };

  it("have a coral and an mmd of 0 up to rounding, never below", async () => {
    for (const loss of [paired.coral, paired.mmd]) {
      const codes = [code, code];
      const bound = loss.oracle(codes.map(exact)).error[0];
      const [value] = await results(loss, codes);
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(bound);
    }
  });

  it("stay finite where they are all one number", async () => {
    const constant = map(code, () => 0.3);
    for (const [name, loss] of Object.entries(paired)) {
      const found = await results(loss, [constant, constant]);
      expect(
        found.every((v) => Math.abs(v) < 1e-6),
        name,
      ).toBe(true);
    }
  });

  it("are all that coral sees of a shift, and mmd sees it", async () => {
    const shifted = map(code, (v) => Math.fround(v + 2));
    const values = await evaluate(() => {
      const codes = [leaf(code), leaf(shifted)];
      return { coral: coral(codes), mmd: mmd(codes) };
    });
    expect(values.coral.data[0]).toBeLessThan(1e-6);
    expect(values.mmd.data[0]).toBeGreaterThan(0.5);
  });
});

const others: Record<string, Loss & { wanted: number[]; low: number }> = {
  vibKl: { build: ([m, v]) => vibKl(m, v), oracle: ([m, v]) => oracle.vibKl(m, v), wanted: [0, 1], low: -4 },
  codeConsistency: {
    build: ([codes, again]) => codeConsistency(codes, again),
    oracle: ([codes, again]) => oracle.consistency(codes, again),
    wanted: [1],
    low: -1,
  },
};

describe.each(Object.entries(others))("%s", (name, loss) => {
  const drawn = [
    [2, 5],
    [5, 3, 3, 3],
    [3, 257],
  ].map((shape, i) => {
    const random = randomTensors(6200 + i);
    return {
      what: `${name} of [${shape}]`,
      inputs: [random(shape), random(shape, loss.low, 1)],
      gy: random([], 0.5, 2),
    };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign({}, ...drawn.map(({ what, inputs, gy }) => lossNodes(what, loss, inputs, gy, loss.wanted))),
    );
  });

  it.each(drawn)("$what", ({ what, inputs, gy }) => {
    expectLoss(what, values, loss, inputs, gy);
  });

  it("refuses two shapes", () => {
    const wrong = () => loss.build([leaf(zeros([2, 3])), leaf(zeros([1, 3]))]);
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow(/^\w+\(\[2, 3\], \[1, 3\]\): .* one shape/);
  });

  it("fails with a planted fault of 1 in 2000", async () => {
    const { what, inputs, gy } = drawn[0];
    const [text, by] = name === "vibKl" ? ["in0 * p.k0", "in0 * p.k0 * 1.0005"] : ["in0 / in1", "in0 / in1 * 1.0005"];
    const planted = await evaluate(() => ({ [`${what} y`]: sabotage(loss.build(inputs.map(leaf)), text, by) }));
    expect(() => expectLoss(what, planted, loss, inputs, gy)).toThrow(/fraction/);
  });
});

describe("codeConsistency", () => {
  it("has no gradient for the codes, and refuses a batch of 1", () => {
    const [codes, again] = [leaf(zeros([2, 3])), leaf(zeros([2, 3]))];
    expect(() => gradientsOf(codeConsistency(codes, again), tensor([], [1]), [codes])).toThrow("does not depend on");
    expect(() => codeConsistency(leaf(zeros([1, 3])), leaf(zeros([1, 3])))).toThrow("at least 2 pictures");
  });

  it("gains nothing by smaller codes", async () => {
    const random = randomTensors(6300);
    const [codes, again] = [random([8, 20], -2, 2), random([8, 20], -2, 2)];
    const shrunk = [codes, again].map((t) => map(t, (v) => v / 4));
    const values = await evaluate(() => ({
      whole: codeConsistency(leaf(codes), leaf(again)),
      quarter: codeConsistency(leaf(shrunk[0]), leaf(shrunk[1])),
    }));
    expect(values.quarter.data[0] / values.whole.data[0]).toBeGreaterThan(0.99);
  });
});

describe("sampleCode", () => {
  const random = randomTensors(6400);
  const shape = [5, 3, 3, 3];
  const [centre, logVariance, gy] = [random(shape), random(shape, -3, 1), random(shape)];

  it("is mean + deviation · normal, with gradients of both", async () => {
    const values = await evaluate(() => {
      const leaves = [leaf(centre), leaf(logVariance)];
      const y = sampleCode(leaves[0], leaves[1], 3);
      const [gm, gv] = gradientsOf(y, gy, leaves);
      return { y, gm, gv, noise: normal(shape, 3) };
    });
    const [m, v, noise] = [centre, logVariance, tensor(shape, values.noise.data)].map(exact);
    const y = add(m, mul(exp(scale(v, 0.5)), noise));
    expectRounded("y", values.y, y);
    // As gradientsOf: the upstream gradient of a sum of products.
    const weighed = mul(y, exact(gy));
    const total = {
      value: tensor([], [0]),
      error: new Float64Array(1),
      inputs: [weighed],
      back: () => [exact(map(gy, () => 1))],
    };
    const [gm, gv] = gradients(total, [m, v]);
    expectRounded("gm", values.gm, gm);
    expectRounded("gv", values.gv, gv);
  });

  it("refuses two shapes", () => {
    const wrong = () => sampleCode(leaf(zeros([2, 3])), leaf(zeros([2, 4])), 0);
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow("sampleCode([2, 3], [2, 4]): mean and logarithm of the variance must have one shape");
  });
});
