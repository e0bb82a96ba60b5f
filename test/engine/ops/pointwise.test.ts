import { beforeAll, describe, expect, it } from "vitest";
import * as op from "../../../src/index.js";
import { type Node, ShapeError } from "../../../src/index.js";
import {
  evaluate,
  expectExact,
  expectNear,
  expectWithin,
  gradientsOf,
  leaf,
  sabotage,
  toleranceBound,
  type Value,
} from "../../gpu.js";
import * as oracle from "../../reference/pointwise.js";
import { fill, map, randomTensors, type Tensor, tensor, zeros } from "../../reference/tensor.js";
import {
  DIVISION,
  expError,
  logError,
  SQRT,
  sigmoidError,
  sigmoidGradError,
  tanhError,
  tanhGradError,
  ULP,
} from "./accuracy.js";

interface Unary {
  op: (x: Node) => Node;
  oracle: oracle.Unary;
  low: number;
  high: number;
  /** Numbers at which the function bends or saturates. */
  special?: number[];
  /** Error of y at x and of gx at x with upstream gradient gy; exact where absent. */
  y?: (x: number) => number;
  gx?: (x: number, gy: number) => number;
}

const rounded =
  (f: (x: number) => number, ulps = ULP) =>
  (x: number) =>
    Math.abs(f(x)) * ulps;
const product =
  (derivative: (x: number) => number, ulps = ULP) =>
  (x: number, gy: number) =>
    Math.abs(gy * derivative(x)) * ulps;

const unaries: Record<string, Unary> = {
  neg: { op: op.neg, oracle: oracle.neg, low: -3, high: 3, special: [0] },
  abs: { op: op.abs, oracle: oracle.abs, low: -3, high: 3, special: [0] },
  square: {
    op: op.square,
    oracle: oracle.square,
    low: -3,
    high: 3,
    special: [0],
    y: rounded((x) => x * x),
    gx: product((x) => 2 * x),
  },
  sqrt: {
    op: op.sqrt,
    oracle: oracle.sqrt,
    low: 1e-3,
    high: 1e3,
    y: rounded(Math.sqrt, SQRT),
    gx: product((x) => 0.5 / Math.sqrt(x), SQRT + DIVISION),
  },
  exp: {
    op: op.exp,
    oracle: oracle.exp,
    low: -30,
    high: 30,
    special: [0, -80, 80],
    y: expError,
    gx: (x, gy) => Math.abs(gy) * (expError(x) + ULP * Math.exp(x)),
  },
  log: {
    op: op.log,
    oracle: oracle.log,
    low: 1e-3,
    high: 8,
    special: [1, 0.5, 2, 1e-30, 1e30],
    y: logError,
    gx: product((x) => 1 / x, DIVISION),
  },
  sigmoid: {
    op: op.sigmoid,
    oracle: oracle.sigmoid,
    low: -10,
    high: 10,
    special: [0, -80, 80, -1e4, 1e4],
    y: sigmoidError,
    gx: sigmoidGradError,
  },
  tanh: {
    op: op.tanh,
    oracle: oracle.tanh,
    low: -4,
    high: 4,
    special: [0, -10, 10, -50, 50, -1e4, 1e4],
    y: tanhError,
    gx: tanhGradError,
  },
  relu: { op: op.relu, oracle: oracle.relu, low: -3, high: 3, special: [0] },
  "leakyRelu 0.1": {
    op: (x) => op.leakyRelu(x, 0.1),
    // The kernel's slope is a float32.
    oracle: oracle.leakyRelu(Math.fround(0.1)),
    low: -3,
    high: 3,
    special: [0],
    y: (x) => (x > 0 ? 0 : Math.abs(0.1 * x) * ULP),
    gx: (x, gy) => (x > 0 ? 0 : Math.abs(0.1 * gy) * ULP),
  },
  "clamp to −0.5 … 2": {
    op: (x) => op.clamp(x, -0.5, 2),
    oracle: oracle.clamp(-0.5, 2),
    low: -3,
    high: 3,
    special: [-0.5, 2],
  },
  "scale by 0.3": {
    op: (x) => op.scale(x, 0.3),
    oracle: oracle.scale(Math.fround(0.3)),
    low: -3,
    high: 3,
    special: [0],
    y: rounded((x) => 0.3 * x),
    gx: product(() => 0.3),
  },
};

describe("pointwise ops of one operand", () => {
  // Shapes: 65 vec4s of one channel, so a second workgroup with a single invocation; 5 channels; whole vec4s; a scalar.
  const shapes = [[65, 1], [2, 3, 5], [1, 2, 2, 16], []];
  const drawn = Object.entries(unaries).flatMap(([name, own], i) =>
    [...shapes, [own.special?.length ?? 1]].map((shape, s) => {
      const random = randomTensors(500 + 10 * i + s);
      const special = s === shapes.length && own.special;
      const x = special ? tensor(shape, special) : random(shape, own.low, own.high);
      return { name: `${name} [${shape}]`, own, x, gy: random(shape) };
    }),
  );
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, own, x, gy }) => {
          const xs = leaf(x);
          const y = own.op(xs);
          return { [`${name} y`]: y, [`${name} gx`]: gradientsOf(y, gy, [xs])[0] };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, own, x, gy }) => {
    // Results below the smallest normal number may be flushed to zero.
    const y = own.oracle.forward(x);
    const gx = own.oracle.backward(x, gy);
    const tolerance = (t: Float64Array) => t.map((e) => e + 2 ** -126);
    if (own.y) expectNear(`${name} y`, values[`${name} y`], y, tolerance(x.data.map(own.y)));
    else expectExact(`${name} y`, values[`${name} y`], y);
    const { gx: error } = own;
    if (error)
      expectNear(`${name} gx`, values[`${name} gx`], gx, tolerance(x.data.map((v, i) => error(v, gy.data[i]))));
    else expectExact(`${name} gx`, values[`${name} gx`], gx);
  });
});

interface Binary {
  op: (a: Node, b: Node) => Node;
  oracle: oracle.Binary;
  /** Relative errors of y and of each term of the gradients. */
  y: number;
  ga: number;
  gb: number;
}

const binaries: Record<string, Binary> = {
  add: { op: op.add, oracle: oracle.add, y: ULP, ga: 0, gb: 0 },
  sub: { op: op.sub, oracle: oracle.sub, y: ULP, ga: 0, gb: 0 },
  mul: { op: op.mul, oracle: oracle.mul, y: ULP, ga: ULP, gb: ULP },
  // The gradient of b is −(gy / b) · (a / b).
  div: { op: op.div, oracle: oracle.div, y: DIVISION, ga: DIVISION, gb: 2 * DIVISION + ULP },
};

const pairs: [number[], number[]][] = [
  [
    [2, 3, 5],
    [2, 3, 5],
  ],
  [[2, 3, 5], [5]],
  [
    [2, 3, 5],
    [3, 1],
  ],
  [
    [1, 3, 1, 8],
    [2, 1, 3, 1],
  ],
  [
    [4, 1, 1, 3],
    [1, 5, 2, 3],
  ],
  [[], [3, 7]],
  [[17], [1]],
  [
    [2, 1],
    [2, 6],
  ],
];

describe("pointwise ops of two operands, broadcast", () => {
  const drawn = Object.entries(binaries).flatMap(([name, own], i) =>
    pairs.map(([a, b], k) => {
      const random = randomTensors(700 + 20 * i + k);
      return {
        name: `${name} [${a}] [${b}]`,
        own,
        a: random(a),
        // Away from zero, for the division.
        b: random(b, 0.5, 2),
        gy: random(oracle.broadcastShape(a, b)),
      };
    }),
  );
  let values: Record<string, Value>;
  beforeAll(async () => {
    values = await evaluate(() =>
      Object.assign(
        {},
        ...drawn.map(({ name, own, a, b, gy }) => {
          const [as, bs] = [leaf(a), leaf(b)];
          const y = own.op(as, bs);
          const [ga, gb] = gradientsOf(y, gy, [as, bs]);
          return { [`${name} y`]: y, [`${name} ga`]: ga, [`${name} gb`]: gb };
        }),
      ),
    );
  });

  it.each(drawn)("$name", ({ name, own, a, b, gy }) => {
    const y = own.oracle.forward(a, b);
    const tolerance = y.data.map((v) => Math.abs(v) * own.y);
    // The rounding of a sum or difference is relative to the result.
    expectNear(`${name} y`, values[`${name} y`], y, tolerance);
    const expected = own.oracle.backward(a, b, gy);
    const terms = own.oracle.backward(map(a, Math.abs), b, map(gy, Math.abs));
    for (const which of ["ga", "gb"] as const) {
      // K terms of a relative error each, summed: K − 1 roundings.
      const count = gy.data.length / expected[which].data.length;
      const each = own[which] + (count - 1) * 2 ** -24;
      const error = terms[which].data.map((t) => Math.abs(t) * each * (1 + 2 ** -20));
      expectWithin(
        `${name} ${which}`,
        values[`${name} ${which}`],
        expected[which],
        toleranceBound(expected[which], error),
        1,
      );
    }
  });
});

describe("broadcastTo", () => {
  const drawn = [
    { from: [3], to: [2, 4, 3] },
    { from: [2, 1, 1], to: [2, 3, 5] },
    { from: [], to: [5, 6] },
    { from: [1, 4, 1, 6], to: [3, 4, 2, 6] },
  ].map(({ from, to }, i) => {
    const random = randomTensors(900 + i);
    return { name: `[${from}] → [${to}]`, x: random(from), gy: random(to), to };
  });
  it.each(drawn)("$name", async ({ name, x, gy, to }) => {
    const values = await evaluate(() => {
      const xs = leaf(x);
      const y = op.broadcastTo(xs, to);
      return { y, gx: gradientsOf(y, gy, [xs])[0] };
    });
    expectExact(name, values.y, oracle.add.forward(x, zeros(to)));
    const expected = oracle.add.backward(x, zeros(to), gy).ga;
    const { data } = oracle.add.backward(x, zeros(to), map(gy, Math.abs)).ga;
    const count = gy.data.length / x.data.length;
    expectWithin(`broadcastTo ${name} gx`, values.gx, expected, {
      magnitude: { shape: x.shape, data },
      count: fill(x.shape, count),
    });
  });
});

it("a node used several times gets the sum of its gradients", async () => {
  const random = randomTensors(950);
  const x = random([3, 5]);
  const gy = random([3, 5]);
  const { gx } = await evaluate(() => {
    const xs = leaf(x);
    // x² + 3x through two uses of x, one of them a square by multiplication.
    const y = op.add(op.mul(xs, xs), op.scale(xs, 3));
    return { gx: gradientsOf(y, gy, [xs])[0] };
  });
  const expected = map(x, (v, i) => gy.data[i] * (2 * v + 3));
  const magnitude = map(x, (v, i) => Math.abs(gy.data[i]) * (2 * Math.abs(v) + 3));
  expectWithin("several uses", gx, expected, { magnitude, count: fill(x.shape, 3) });
});

it("fails with a planted fault: a padding lane that is not zero", async () => {
  const x = randomTensors(960)([2, 3]);
  const wrong = () => ({ y: sabotage(op.exp(leaf(x)), "< vec4u(p.channels)", "< vec4u(p.channels + 1)") });
  await expect(evaluate(wrong)).rejects.toThrow("y: padding lane 3 of exp holds 1");
});

it("fails with a planted fault: an operand read at the wrong place", async () => {
  const random = randomTensors(970);
  const [a, b] = [random([2, 3, 5]), random([3, 1])];
  const { y } = await evaluate(() => ({ y: sabotage(op.add(leaf(a), leaf(b)), "i2 * p.x1s2", "i1 * p.x1s2") }));
  const expected: Tensor = oracle.add.forward(a, b);
  expect(() =>
    expectNear(
      "planted",
      y,
      expected,
      expected.data.map(() => ULP),
    ),
  ).toThrow(/fraction/);
});

describe("pointwise ops refuse", () => {
  const node = (...shape: number[]): Node => leaf(zeros(shape));
  const rule = "shapes broadcast from the last axis: each pair of extents must be equal, or one of them 1";
  it.each<[string, () => Node, string]>([
    ["other extents", () => op.add(node(2, 3), node(2, 4)), `add([2, 3], [2, 4]): ${rule}`],
    ["axes aligned at the front", () => op.mul(node(2, 3), node(2)), `mul([2, 3], [2]): ${rule}`],
    [
      "a broadcast that shrinks",
      () => op.broadcastTo(node(2, 3), [1, 3]),
      "broadcastTo([2, 3]): the inputs do not stretch to [1, 3]",
    ],
    [
      "a broadcast that drops an axis",
      () => op.broadcastTo(node(2, 3), [3]),
      "broadcastTo([2, 3]): the inputs do not stretch to [3]",
    ],
    ["five axes", () => op.neg(node(1, 1, 1, 1, 1)), "a tensor has at most 4 axes"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(ShapeError);
    expect(build).toThrow(message);
  });
});
