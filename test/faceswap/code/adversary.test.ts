import { beforeAll, describe, expect, it } from "vitest";
import { adversary, type Classified, identityClassifier, ramp } from "../../../src/faceswap/code/adversary.js";
import {
  adam,
  add,
  constant,
  dense,
  gradients,
  type Node,
  Parameters,
  ShapeError,
  UserError,
} from "../../../src/index.js";
import { expError, ULP } from "../../engine/ops/accuracy.js";
import { compileDirty, evaluate, expectNear, gpu, leaf, readAll, sabotage, step, type Value } from "../../gpu.js";
import * as oracle from "../../reference/code.js";
import { map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";
import { expectLoss, type Loss, lossNodes } from "./rounding.js";

/** A network whose code has so many numbers. */
const network = (inputs: number, identities: number): Classified => ({
  parameters: new Parameters(),
  architecture: { size: 7, stages: [], mid: 1, code: 1, dense: inputs },
  decode: Object.fromEntries(Array.from({ length: identities }, (_, i) => [`${i}`, (x: Node) => x])),
});

describe("identityClassifier", () => {
  it("adds two layers to the parameters it is given, with He weights", async () => {
    const own = network(50, 3);
    own.parameters.create("encoder.weight", [2], [1, 2]);
    const { inputs, identities } = identityClassifier(own, 1);
    expect([inputs, identities]).toEqual([50, 3]);
    const { nodes } = own.parameters;
    expect(nodes.slice(1).map(({ attrs: { name, shape } }) => [name, shape])).toEqual([
      ["classifier.0.weight", [50, 64]],
      ["classifier.0.bias", [64]],
      ["classifier.1.weight", [64, 3]],
      ["classifier.1.bias", [3]],
    ]);
    const values = await own.parameters.read(gpu);
    const w = values.get("classifier.0.weight") as Float32Array;
    const variance = w.reduce((total, v) => total + v * v, 0) / w.length;
    // 2 / (1.01 · 50), within five deviations of 3200 squares.
    expect(Math.abs(variance / (2 / 50.5) - 1)).toBeLessThan(5 * Math.sqrt(2 / 3200));
    expect(() => identityClassifier(own, 1)).toThrow(UserError);
  });
});

/** With the classifier's weights as inputs, so that their gradients are there. */
const lossOf = (identities: number, inputs: number, factor: number, asNode: boolean): Loss => ({
  build(all) {
    const [w0, b0, w1, b1] = all.slice(identities);
    const hidden = (x: Node) => dense(x, w0, { bias: b0, activation: { leakyRelu: 0.1 } });
    const classifier = { inputs, identities, logits: (x: Node) => dense(hidden(x), w1, { bias: b1 }) };
    return adversary(all.slice(0, identities), classifier, asNode ? constant([factor], []) : factor);
  },
  oracle(all) {
    const [w0, b0, w1, b1] = all.slice(identities);
    return oracle.adversary(all.slice(0, identities), { w0, b0, w1, b1 }, factor);
  },
});

describe("adversary", () => {
  const cases: { shape: number[]; identities: number; asNode: boolean }[] = [
    { shape: [2, 5], identities: 2, asNode: false },
    { shape: [3, 2, 2, 3], identities: 3, asNode: true },
    { shape: [1, 33], identities: 5, asNode: true },
  ];
  const drawn = cases.map(({ shape, identities, asNode }, i) => {
    const random = randomTensors(6500 + i);
    const inputs = shape.slice(1).reduce((a, b) => a * b, 1);
    const weights = [[inputs, 64], [64], [64, identities], [identities]].map((extents) => random(extents, -0.4, 0.4));
    const tensors: Tensor[] = [...Array.from({ length: identities }, () => random(shape)), ...weights];
    const loss = lossOf(identities, inputs, 0.75, asNode);
    return { what: `${identities} codes [${shape}]`, loss, tensors, gy: random([], 0.5, 2) };
  });
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign({}, ...drawn.map(({ what, loss, tensors, gy }) => lossNodes(what, loss, tensors, gy))),
    );
  });

  it.each(drawn)("$what", ({ what, loss, tensors, gy }) => {
    expectLoss(what, values, loss, tensors, gy);
  });

  it("fails with a planted fault of 1 in 2000", async () => {
    const { what, loss, tensors, gy } = drawn[1];
    const planted = await evaluate(() => ({
      [`${what} y`]: sabotage(loss.build(tensors.map(leaf)), "in0 * p.k0", "in0 * p.k0 * 1.0005"),
    }));
    expect(() => expectLoss(what, planted, loss, tensors, gy)).toThrow(/fraction/);
  });

  it("teaches the classifier, and takes identity out of the codes", async () => {
    // The codes' own place is trained: that of identity 0 begins beside that of 1.
    const random = randomTensors(6600);
    const codes = [random([8, 4]), map(random([8, 4]), (v) => Math.fround(v + 1.5))];
    const after = async (factor: number) => {
      const own = network(4, 2);
      const shift = own.parameters.create("shift", [1, 4], zeros([1, 4]).data);
      const classifier = identityClassifier(own, 2);
      const program = await compileDirty(() => {
        const loss = adversary([add(leaf(codes[0]), shift), leaf(codes[1])], classifier, factor);
        return { loss, update: adam(own.parameters, gradients(loss, own.parameters), { rate: 0.03 }) };
      });
      for (let i = 0; i < 50; i++) await program.run();
      await step(program);
      const loss = (await readAll(program)).loss.data[0];
      program.destroy();
      const moved = (await own.parameters.read(gpu)).get("shift") as Float32Array;
      return { loss, moved: moved.reduce((a, b) => a + b, 0) / 4 };
    };
    const [alone, against] = [await after(0), await after(1)];
    expect(alone.loss).toBeLessThan(0.2);
    expect(alone.moved).toBe(0);
    expect(against.loss).toBeGreaterThan(2 * alone.loss);
    expect(against.moved).toBeGreaterThan(0.5);
  });

  it("refuses another number of codes, and codes of another length or of two shapes", () => {
    const classifier = identityClassifier(network(6, 2), 0);
    const build =
      (...shapes: number[][]) =>
      () =>
        adversary(
          shapes.map((shape) => leaf(zeros(shape))),
          classifier,
          1,
        );
    expect(build([2, 6])).toThrow(ShapeError);
    expect(build([2, 6])).toThrow("adversary([2, 6]): needs 2 codes of one shape [N, …] of 6 numbers, one an identity");
    expect(build([2, 6], [2, 6], [2, 6])).toThrow(ShapeError);
    expect(build([2, 5], [2, 5])).toThrow(ShapeError);
    expect(build([2, 6], [3, 6])).toThrow(ShapeError);
    expect(build([2, 2, 3], [2, 2, 3])).not.toThrow();
  });
});

describe("ramp", () => {
  const formula = (options: { steps: number; from?: number }, number: number) => {
    const from = Math.fround((options.from ?? 0) * options.steps);
    const q = Math.min(Math.max((number - from) / (options.steps - from), 0), 1);
    // Of 1 − e and 1 + e; q's own error is a rounding and a division, times the slope of exp(−10 q).
    const e = Math.exp(-10 * q);
    const error = expError(-10 * q) + e * 10 * q * 6 * ULP;
    return { value: 2 / (1 + e) - 1, tolerance: 2 * error + 5 * ULP };
  };

  it.each([{ steps: 1000 }, { steps: 400, from: 0.25 }, { steps: 7, from: 0.3 }, { steps: 1 }])(
    "follows the formula, %j",
    async (options) => {
      const program = await compileDirty(() => ({ y: ramp(options) }));
      for (const number of [1, 2, 5, 100, 101, 250, 400, 999, 1000, 5000]) {
        program.setStep(number - 1);
        await step(program);
        const { value, tolerance } = formula(options, number);
        expectNear(`step ${number}`, (await readAll(program)).y, tensor([], [value]), [tolerance]);
      }
      program.destroy();
    },
  );

  it("is 0 before it begins, never falls, and stays below 1 at its end", async () => {
    const program = await compileDirty(() => ({ y: ramp({ steps: 40, from: 0.5 }) }));
    const seen: number[] = [];
    for (let i = 0; i < 50; i++) {
      await step(program);
      seen.push((await readAll(program)).y.data[0]);
    }
    program.destroy();
    expect(seen.slice(0, 20)).toEqual(Array(20).fill(0));
    expect(seen.every((v, i) => i === 0 || v >= seen[i - 1])).toBe(true);
    expect(seen[49]).toBeCloseTo(0.9999, 4);
  });

  it("fails with a planted fault: a slope of 5", async () => {
    const { y } = await evaluate(() => ({ y: sabotage(ramp({ steps: 10 }), "-10.0 * q", "-5.0 * q") }));
    const { value, tolerance } = formula({ steps: 10 }, 1);
    expect(() => expectNear("planted", y, tensor([], [value]), [tolerance])).toThrow(/fraction/);
  });

  it("refuses no steps, and a beginning that is no fraction", () => {
    expect(() => ramp({ steps: 0 })).toThrow(UserError);
    expect(() => ramp({ steps: 0 })).toThrow("ramp over 0 steps must be at least 1");
    for (const from of [-0.1, 1, Number.NaN]) {
      expect(() => ramp({ steps: 5, from })).toThrow(`ramp from ${from} must be a fraction from 0 to below 1`);
    }
  });
});
