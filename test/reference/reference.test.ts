import { describe, expect, it } from "vitest";
import type { Activation } from "./activation.js";
import { type Bound, sumBounds, worstError } from "./bounds.js";
import * as conv2d from "./conv2d.js";
import * as convTranspose2d from "./convTranspose2d.js";
import * as dense from "./dense.js";
import * as latent from "./latent.js";
import { l1, mse } from "./losses.js";
import * as pointwise from "./pointwise.js";
import { mean, sum, variance } from "./reduce.js";
import { concat, reshape, slice, split } from "./shape.js";
import {
  abs,
  at,
  dot,
  fill,
  indices,
  map,
  offset,
  randomTensors,
  sizeOf,
  type Tensor,
  tensor,
  zeros,
} from "./tensor.js";

const ACTIVATIONS: Activation[] = ["none", "relu", { leakyRelu: 0.1 }, "sigmoid", "tanh"];

const pad = (top: number, bottom: number, left: number, right: number) => ({ top, bottom, left, right });

describe("tensor", () => {
  it("is row-major with the last axis fastest", () => {
    const t = tensor([2, 1, 3], [0, 1, 2, 3, 4, 5]);
    expect(at(t, 1, 0, 2)).toBe(5);
    expect(indices(t.shape).map((index) => offset(t.shape, index))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(indices([])).toEqual([[]]);
    expect(at(tensor([], [7]))).toBe(7);
    expect(() => tensor([2, 2], [1, 2, 3])).toThrow("[2,2]");
  });

  it("draws tensors that differ, are repeatable, in range and float32", () => {
    const random = randomTensors(1);
    const [a, b] = [random([100]), random([100], 2, 3)];
    expect(randomTensors(1)([100])).toEqual(a);
    expect(map(b, (value) => 2 * value - 5)).not.toEqual(a);
    expect(b.data.every((value) => value >= 2 && value <= 3 && value === Math.fround(value))).toBe(true);
  });

  it("has the inner product", () => {
    expect(dot(tensor([2, 2], [1, 2, 3, 4]), tensor([2, 2], [5, 6, 7, 8]))).toBe(70);
    expect(() => dot(zeros([2, 3]), zeros([3, 2]))).toThrow();
  });
});

describe("values by hand", () => {
  it("conv2d: one pixel of x spreads the kernel, flipped, around it", () => {
    // Only x[1, 2] is set, so y[i, j] = w[1 + top - i, 2 + left - j].
    const x = zeros([1, 3, 4, 1]);
    x.data[offset(x.shape, [0, 1, 2, 0])] = 1;
    const w = tensor([2, 3, 1, 1], [1, 2, 3, 4, 5, 6]);
    const y = conv2d.forward(x, w, tensor([1], [10]), { stride: 1, padding: pad(1, 0, 0, 2) });
    expect(y.shape).toEqual([1, 3, 4, 1]);
    expect(Array.from(y.data, (value) => value - 10)).toEqual([0, 0, 0, 0, 6, 5, 4, 0, 3, 2, 1, 0]);
  });

  it("conv2d: stride 2, two channels in and out", () => {
    const x = tensor([1, 1, 3, 2], [1, 2, 3, 4, 5, 6]);
    const w = tensor([1, 1, 2, 2], [1, 10, 100, 1000]);
    const y = conv2d.forward(x, w, null, { stride: 2, padding: pad(0, 0, 0, 0) });
    expect(y).toEqual(tensor([1, 1, 2, 2], [201, 2010, 605, 6050]));
  });

  it("convTranspose2d: each pixel of x lays the kernel down, stride apart", () => {
    const x = tensor([1, 1, 2, 1], [1, 10]);
    const w = tensor([2, 3, 1, 1], [1, 2, 3, 4, 5, 6]);
    const options = { stride: 2, padding: pad(0, 0, 1, 0), outputPadding: 1 };
    const y = convTranspose2d.forward(x, w, tensor([1], [0.5]), options);
    // Uncut rows: 1 2 13 20 30 and 4 5 46 50 60. One column is cut at the left, one row and column are added.
    expect(y).toEqual(
      tensor(
        [1, 3, 5, 1],
        [2, 13, 20, 30, 0, 5, 46, 50, 60, 0, 0, 0, 0, 0, 0].map((v) => v + 0.5),
      ),
    );
  });

  it("dense, reductions, losses and latent statistics", () => {
    const x = tensor([2, 2], [1, 2, 3, 6]);
    expect(dense.forward(x, tensor([2, 1], [1, 10]), tensor([1], [100]))).toEqual(tensor([2, 1], [121, 163]));
    expect(sum.forward(x)).toEqual(tensor([], [12]));
    expect(mean.forward(x, { axes: [1], keepDims: true })).toEqual(tensor([2, 1], [1.5, 4.5]));
    expect(variance.forward(x, { axes: [0] })).toEqual(tensor([2], [2, 8]));
    const y = tensor([2, 2], [2, 2, 1, 5]);
    expect(l1.forward(x, y)).toEqual(tensor([], [1]));
    expect(mse.forward(x, y)).toEqual(tensor([], [1.5]));
    // Means 2, 4 and 1.5, 3.5; variances 2, 8 and .5, 4.5.
    expect(latent.forward(x, y, "element").data[0]).toBeCloseTo(0.25 + (1.5 ** 2 + 3.5 ** 2) / 2, 12);
    // Pooled over batch and space: one channel, means 3 and 2.5, variances 14/3 and 3.
    const pool = (t: Tensor) => reshape.forward(t, [2, 1, 2, 1]);
    expect(latent.forward(pool(x), pool(y), "channel").data[0]).toBeCloseTo(0.25 + (14 / 3 - 3) ** 2, 12);
  });
});

describe("conv2d: gradients", () => {
  it.each([
    { x: [2, 5, 3, 3], k: [3, 3], co: 2, stride: 1, padding: pad(1, 1, 1, 1) },
    { x: [1, 7, 6, 2], k: [3, 3], co: 5, stride: 2, padding: pad(1, 1, 1, 1) },
    { x: [1, 8, 9, 1], k: [3, 3], co: 3, stride: 2, padding: pad(0, 0, 0, 0) },
    { x: [3, 3, 5, 3], k: [1, 1], co: 4, stride: 1, padding: pad(0, 0, 0, 0) },
    { x: [1, 5, 7, 2], k: [1, 1], co: 3, stride: 3, padding: pad(0, 1, 2, 0) },
    { x: [1, 6, 7, 2], k: [2, 5], co: 3, stride: 1, padding: pad(0, 1, 3, 2) },
    { x: [2, 9, 7, 1], k: [5, 4], co: 2, stride: 3, padding: pad(4, 0, 1, 2) },
    { x: [1, 9, 8, 2], k: [4, 1], co: 3, stride: 2, padding: pad(1, 2, 0, 0) },
    { x: [1, 3, 3, 2], k: [5, 5], co: 1, stride: 2, padding: pad(2, 3, 1, 3) },
  ])("x $x, kernel $k, stride $stride, $padding", ({ x, k, co, stride, padding }) => {
    const random = randomTensors(11);
    const inputs = [random(x), random([k[0], k[1], x[3], co]), random([co])];
    checkLinear(conv2d, inputs, { stride, padding });
  });
});

describe("convTranspose2d: gradients", () => {
  it.each([
    { x: [1, 3, 3, 3], k: [3, 3], co: 2, stride: 2, padding: pad(0, 0, 0, 0), outputPadding: 0 },
    { x: [2, 3, 2, 2], k: [3, 3], co: 3, stride: 2, padding: pad(0, 0, 0, 0), outputPadding: 1 },
    { x: [1, 4, 3, 3], k: [4, 4], co: 2, stride: 2, padding: pad(1, 1, 1, 1), outputPadding: 0 },
    { x: [3, 4, 3, 2], k: [1, 1], co: 5, stride: 1, padding: pad(0, 0, 0, 0), outputPadding: 0 },
    { x: [1, 5, 3, 1], k: [2, 5], co: 3, stride: 1, padding: pad(1, 0, 2, 1), outputPadding: 0 },
    { x: [1, 3, 4, 2], k: [5, 4], co: 1, stride: 3, padding: pad(0, 2, 1, 3), outputPadding: 2 },
    { x: [1, 4, 3, 2], k: [2, 1], co: 3, stride: 3, padding: pad(0, 1, 0, 0), outputPadding: 1 },
    { x: [1, 1, 5, 2], k: [5, 3], co: 2, stride: 2, padding: pad(2, 1, 0, 2), outputPadding: 1 },
  ])("x $x, kernel $k, stride $stride, $padding, output padding $outputPadding", (c) => {
    const random = randomTensors(12);
    const inputs = [random(c.x), random([c.k[0], c.k[1], c.co, c.x[3]]), random([c.co])];
    checkLinear(convTranspose2d, inputs, { stride: c.stride, padding: c.padding, outputPadding: c.outputPadding });
  });
});

describe("convTranspose2d is the adjoint of conv2d", () => {
  const sides = [pad(0, 0, 0, 0), pad(1, 1, 1, 1), pad(2, 0, 0, 1), pad(0, 1, 2, 0)];
  const cases = [1, 2, 3].flatMap((stride) =>
    [
      [1, 1],
      [3, 3],
      [4, 4],
      [2, 5],
      [5, 3],
    ].flatMap((k) => sides.map((padding) => ({ stride, k, padding }))),
  );
  // Output padding restores what the division by the stride leaves over: one number for rows and columns.
  it.each(cases)("stride $stride, kernel $k, $padding", ({ stride, k, padding }) => {
    for (let remainder = 0; remainder < stride; remainder++) {
      const random = randomTensors(13);
      const height = 3 * stride + remainder + k[0] - padding.top - padding.bottom;
      const width = 2 * stride + remainder + k[1] - padding.left - padding.right;
      const x = random([2, height, width, 3]);
      const w = random([k[0], k[1], 3, 2]);
      const y = random([2, 4, 3, 2]);
      const options = { stride, padding, outputPadding: remainder };
      const forward = conv2d.forward(x, w, null, options);
      const adjoint = convTranspose2d.forward(y, w, null, options);
      expect(forward.shape).toEqual(y.shape);
      expect(adjoint.shape).toEqual(x.shape);
      const scale = dot(conv2d.forward(abs(x), abs(w), null, options), abs(y));
      expect(Math.abs(dot(forward, y) - dot(x, adjoint))).toBeLessThan(1e-14 * scale);
      // Which makes it conv2d's own input gradient.
      const { gx } = conv2d.backward(x, w, null, options, y);
      expect(Math.max(...gx.data.map((value, i) => Math.abs(value - adjoint.data[i])))).toBeLessThan(1e-13);
    }
  });
});

describe("dense: gradients", () => {
  it.each([
    [3, 5, 7],
    [1, 1, 6],
    [2, 9, 3],
  ])("N %d, in %d, out %d", (n, inputs, outputs) => {
    const random = randomTensors(14);
    checkLinear(dense, [random([n, inputs]), random([inputs, outputs]), random([outputs])], {});
  });
});

describe("pointwise: gradients", () => {
  // Where each function is smooth: the step of the differences is 1e-5.
  const awayFrom = (...kinks: number[]) => {
    const x = randomTensors(15)([3, 5, 7], -2, 2);
    return map(x, (v) => (kinks.some((kink) => Math.abs(v - kink) < 1e-3) ? v + 0.01 : v));
  };
  const positive = randomTensors(16)([3, 5, 7], 0.2, 3);
  const { leakyRelu, clamp, scale } = pointwise;
  const cases: [string, pointwise.Unary, Tensor][] = [
    ["neg", pointwise.neg, awayFrom()],
    ["abs", pointwise.abs, awayFrom(0)],
    ["square", pointwise.square, awayFrom()],
    ["sqrt", pointwise.sqrt, positive],
    ["exp", pointwise.exp, awayFrom()],
    ["log", pointwise.log, positive],
    ["relu", pointwise.relu, awayFrom(0)],
    ["leakyRelu(0.2)", leakyRelu(0.2), awayFrom(0)],
    ["sigmoid", pointwise.sigmoid, awayFrom()],
    ["tanh", pointwise.tanh, awayFrom()],
    ["clamp(-0.5, 1)", clamp(-0.5, 1), awayFrom(-0.5, 1)],
    ["scale(-3)", scale(-3), awayFrom()],
  ];
  it.each(cases)("%s", (_, op, x) => {
    checkGradients([x], {
      forward: ([x]) => op.forward(x),
      backward: ([x], gy) => [op.backward(x, gy)],
    });
  });

  it("takes PyTorch's side of each kink", () => {
    const one = tensor([1], [1]);
    const slope = (op: pointwise.Unary, x: number) => op.backward(tensor([1], [x]), one).data[0];
    expect([pointwise.abs, pointwise.relu, leakyRelu(0.2)].map((op) => slope(op, 0))).toEqual([0, 0, 0.2]);
    expect([-0.5, 1, -0.6, 1.1].map((x) => slope(clamp(-0.5, 1), x))).toEqual([1, 1, 0, 0]);
  });

  describe.each([
    ["add", pointwise.add],
    ["sub", pointwise.sub],
    ["mul", pointwise.mul],
    ["div", pointwise.div],
  ])("%s", (_, op) => {
    it.each([
      { a: [2, 3, 5], b: [2, 3, 5], y: [2, 3, 5] },
      { a: [2, 3, 5], b: [5], y: [2, 3, 5] },
      { a: [3, 1], b: [2, 3, 5], y: [2, 3, 5] },
      { a: [2, 1, 5], b: [3, 1], y: [2, 3, 5] },
      { a: [2, 3, 5], b: [], y: [2, 3, 5] },
      { a: [], b: [3], y: [3] },
      { a: [1, 1], b: [1], y: [1, 1] },
      { a: [2, 1, 1, 3], b: [1, 5, 7, 1], y: [2, 5, 7, 3] },
    ])("$a with $b", ({ a, b, y }) => {
      const random = randomTensors(17);
      const inputs = [random(a), random(b, 0.5, 2)];
      expect(op.forward(inputs[0], inputs[1]).shape).toEqual(y);
      checkGradients(inputs, {
        forward: ([a, b]) => op.forward(a, b),
        backward: ([a, b], gy) => {
          const { ga, gb } = op.backward(a, b, gy);
          return [ga, gb];
        },
      });
    });
  });

  it("refuses shapes that do not broadcast", () => {
    expect(() => pointwise.add.forward(zeros([2, 3]), zeros([2]))).toThrow("broadcast");
  });
});

describe.each([
  ["sum", sum],
  ["mean", mean],
  ["variance", variance],
])("reduce: gradients of %s", (_, op) => {
  it.each([
    { axes: undefined, kept: [1, 1, 1, 1], dropped: [] },
    { axes: [0], kept: [1, 5, 2, 3], dropped: [5, 2, 3] },
    { axes: [3], kept: [3, 5, 2, 1], dropped: [3, 5, 2] },
    { axes: [1, 2], kept: [3, 1, 1, 3], dropped: [3, 3] },
    { axes: [0, 1, 2], kept: [1, 1, 1, 3], dropped: [3] },
    { axes: [3, 0], kept: [1, 5, 2, 1], dropped: [5, 2] },
  ])("over $axes", ({ axes, kept, dropped }) => {
    const x = randomTensors(18)([3, 5, 2, 3]);
    for (const keepDims of [false, true]) {
      const options = { axes, keepDims };
      expect(op.forward(x, options).shape).toEqual(keepDims ? kept : dropped);
      checkGradients([x], {
        forward: ([x]) => op.forward(x, options),
        backward: ([x], gy) => [op.backward(x, options, gy)],
      });
    }
  });
});

describe("shape: gradients", () => {
  const random = randomTensors(19);

  it.each([0, 1, 2])("concat along axis %d", (axis) => {
    const inputs = [1, 3, 2].map((extent) => random([2, 3, 5].map((e, a) => (a === axis ? extent : e))));
    const y = concat.forward(inputs, axis);
    expect(y.shape[axis]).toBe(6);
    expect(at(y, ...[1, 0, 0].map((place, a) => (a === axis ? 4 : place)))).toBe(
      at(inputs[2], ...[1, 0, 0].map((place, a) => (a === axis ? 0 : place))),
    );
    checkGradients(inputs, {
      forward: (inputs) => concat.forward(inputs, axis),
      backward: (inputs, gy) => concat.backward(inputs, axis, gy),
    });
  });

  it("slice", () => {
    const starts = [1, 0, 2];
    const sizes = [2, 3, 4];
    const x = random([3, 3, 7]);
    expect(at(slice.forward(x, starts, sizes), 1, 2, 3)).toBe(at(x, 2, 2, 5));
    checkGradients([x], {
      forward: ([x]) => slice.forward(x, starts, sizes),
      backward: ([x], gy) => [slice.backward(x, starts, sizes, gy)],
    });
  });

  it.each([0, 1, 2])("split along axis %d, which concat undoes", (axis) => {
    const sizes = [1, 3, 2];
    const x = random([2, 3, 5].map((e, a) => (a === axis ? 6 : e)));
    const parts = split.forward(x, axis, sizes);
    expect(parts.map((part) => part.shape[axis])).toEqual(sizes);
    expect(concat.forward(parts, axis)).toEqual(x);
    // One tensor of all parts' elements stands for the three results.
    const flat = (tensors: Tensor[]) =>
      concat.forward(
        tensors.map((t) => reshape.forward(t, [t.data.length])),
        0,
      );
    checkGradients([x], {
      forward: ([x]) => flat(split.forward(x, axis, sizes)),
      backward: ([x], gy) => {
        const pieces = split.forward(
          gy,
          0,
          parts.map((part) => part.data.length),
        );
        const gys = pieces.map((piece, i) => reshape.forward(piece, parts[i].shape));
        return [split.backward(x, axis, sizes, gys)];
      },
    });
  });

  it("reshape", () => {
    checkGradients([random([2, 3, 5])], {
      forward: ([x]) => reshape.forward(x, [5, 6]),
      backward: ([x], gy) => [reshape.backward(x, [5, 6], gy)],
    });
    expect(() => reshape.forward(zeros([2, 3]), [7])).toThrow("[7]");
  });
});

describe("losses: gradients", () => {
  it.each([
    ["l1", l1],
    ["mse", mse],
  ])("%s", (_, loss) => {
    const random = randomTensors(20);
    const a = random([2, 5, 3]);
    // L1 has a kink at a = b: keep them apart.
    const b = map(random([2, 5, 3]), (v, i) => (Math.abs(v - a.data[i]) < 1e-3 ? v + 0.01 : v));
    checkGradients([a, b], {
      forward: ([a, b]) => loss.forward(a, b),
      backward: ([a, b], gy) => {
        const { ga, gb } = loss.backward(a, b, gy);
        return [ga, gb];
      },
    });
  });
});

describe("latent: gradients", () => {
  it.each([
    ["element", [3, 2, 3, 5], [3, 2, 3, 5]],
    ["channel", [3, 2, 3, 5], [3, 2, 3, 5]],
    ["element", [2, 7], [5, 7]],
    ["channel", [1, 3, 3, 2], [4, 3, 3, 2]],
  ] as const)("per %s, %j and %j", (pooling, sa, sb) => {
    const random = randomTensors(21);
    checkGradients([random([...sa]), random([...sb], -1, 2)], {
      forward: ([a, b]) => latent.forward(a, b, pooling),
      backward: ([a, b], gy) => {
        const { ga, gb } = latent.backward(a, b, pooling, gy);
        return [ga, gb];
      },
    });
  });
});

describe("bounds", () => {
  it("count terms, borders and absent bias included", () => {
    const x = tensor([1, 3, 3, 2], Array(18).fill(-2));
    const w = fill([3, 3, 2, 4], 0.5);
    const options = { stride: 1, padding: pad(1, 1, 1, 1) };
    const gy = fill([1, 3, 3, 4], -1);
    const withBias = conv2d.bounds(x, w, fill([4], -3), options, gy);
    // A corner sees 2 x 2 taps of 2 channels, the centre 3 x 3.
    expect([at(withBias.y.count, 0, 0, 0, 0), at(withBias.y.count, 0, 1, 1, 0)]).toEqual([9, 19]);
    expect([at(withBias.y.magnitude, 0, 0, 0, 0), at(withBias.y.magnitude, 0, 1, 1, 0)]).toEqual([8 + 3, 18 + 3]);
    expect([at(withBias.gw.count, 1, 1, 0, 0), at(withBias.gw.magnitude, 1, 1, 0, 0)]).toEqual([9, 18]);
    expect(Array.from(withBias.gb.count.data)).toEqual([9, 9, 9, 9]);
    const without = conv2d.bounds(x, w, null, options, gy);
    expect(at(without.y.count, 0, 0, 0, 0)).toBe(8);
    expect(Object.keys(without)).not.toContain("gb");
  });

  it("count the terms of the activated gradient, not of the raw one", () => {
    const one = tensor([1, 1], [1]);
    const gy = tensor([1, 1], [3]);
    const { gw } = dense.bounds(one, tensor([1, 1], [-2]), null, { activation: { leakyRelu: 0.5 } }, gy);
    expect(gw.magnitude.data[0]).toBe(1.5);
  });

  it("agree with sumBounds for sums and means", () => {
    const random = randomTensors(22);
    const x = random([3, 5, 2]);
    const gy = random([5]);
    const options = { axes: [0, 2] };
    const general = sumBounds(
      (x: Tensor, g: Tensor) => ({ y: sum.forward(x, options), gx: sum.backward(x, options, g) }),
      x,
      gy,
    );
    expect(sum.bounds(x, options, gy)).toEqual(general);
    const means = mean.bounds(x, options, gy);
    expect(means.y.count).toEqual(general.y.count);
    for (const name of ["y", "gx"] as const) {
      means[name].magnitude.data.forEach((value, i) => {
        expect(value).toBeCloseTo(general[name].magnitude.data[i] / 6, 14);
      });
    }
  });

  it("hold for float32 sums in three orders, and catch a cancelling variance", () => {
    const n = 1000;
    const x = randomTensors(23)([n], 99, 100);
    const f = Math.fround;
    const add = (a: number, b: number) => f(a + b);
    const sumBound = sum.bounds(x, {}, tensor([], [1])).y;
    const exact = sum.forward(x);
    const values = Array.from(x.data);
    const pairwise = (v: number[]): number =>
      v.length === 1 ? v[0] : add(pairwise(v.slice(0, v.length >> 1)), pairwise(v.slice(v.length >> 1)));
    for (const result of [values.reduce(add), values.reduceRight(add), pairwise(values)]) {
      expect(worstError([result], exact, sumBound)).toBeLessThanOrEqual(1);
    }
    const bound = variance.bounds(x, {}, tensor([], [1])).y;
    const exactVariance = variance.forward(x);
    const average = f(values.reduce(add) / n);
    const twoPass = f(values.map((v) => f(f(v - average) ** 2)).reduce(add) / (n - 1));
    expect(worstError([twoPass], exactVariance, bound)).toBeLessThanOrEqual(1);
    const meanOfSquares = f(values.map((v) => f(v * v)).reduce(add) / n);
    const cancelled = f((f(meanOfSquares - f(average * average)) * n) / (n - 1));
    expect(worstError([cancelled], exactVariance, bound)).toBeGreaterThan(1);
  });

  it("worstError: infinite for NaN and for an inexact empty sum, zero for an exact one", () => {
    const expected = tensor([1], [0]);
    const empty: Bound = { magnitude: zeros([1]), count: zeros([1]) };
    expect(worstError([0], expected, empty)).toBe(0);
    expect(worstError([1e-30], expected, empty)).toBe(Number.POSITIVE_INFINITY);
    const some: Bound = { magnitude: fill([1], 2), count: fill([1], 4) };
    expect(worstError([Number.NaN], expected, some)).toBe(Number.POSITIVE_INFINITY);
    expect(worstError([2 ** -21], expected, some)).toBe(1);
    expect(() => worstError([], expected, some)).toThrow();
  });
});

describe("the gradient check itself", () => {
  const x = randomTensors(24)([3, 5]);
  const check = (backward: (gx: Tensor) => Tensor) =>
    checkGradients([x], {
      forward: ([x]) => pointwise.square.forward(x),
      backward: ([x], gy) => [backward(pointwise.square.backward(x, gy))],
    });

  it("accepts a right gradient and refuses one element off by 1e-5, a missing one, and zeros", () => {
    check((gx) => gx);
    expect(() => check((gx) => map(gx, (value, i) => (i === 7 ? value * (1 + 1e-5) : value)))).toThrow();
    expect(() => check((gx) => tensor([14], gx.data.slice(0, 14)))).toThrow();
    expect(() => check((gx) => map(gx, () => 0))).toThrow();
    expect(() => check((gx) => map(gx, () => Number.NaN))).toThrow();
  });
});

interface Differentiable {
  forward(inputs: Tensor[]): Tensor;
  /** One gradient per input. */
  backward(inputs: Tensor[], gy: Tensor): Tensor[];
}

/**
 * backward with a random upstream gradient against central differences of <gy, forward>, element by element. The bound
 * is 1e-6 of the element's gradient; for elements under a thousandth of the greatest one, of that thousandth: a
 * difference with step 1e-5 carries noise of about 1e-11.
 */
function checkGradients(inputs: Tensor[], op: Differentiable): void {
  const step = 1e-5;
  const gy = randomTensors(99)(op.forward(inputs).shape, 0.25, 1);
  // Signs at random, yet no element near zero.
  gy.data.forEach((value, i) => {
    if (Math.round(value * 2 ** 20) % 2) gy.data[i] = -value;
  });
  const gradients = op.backward(inputs, gy);
  expect(gradients.length).toBe(inputs.length);
  gradients.forEach((gradient, k) => {
    expect(gradient.shape, `gradient of input ${k}`).toEqual(inputs[k].shape);
    const greatest = Math.max(...gradient.data.map(Math.abs));
    expect(greatest, `gradient of input ${k}`).toBeGreaterThan(0);
    for (let i = 0; i < sizeOf(gradient.shape); i++) {
      const [above, below] = [step, -step].map((h) =>
        op.forward(inputs.map((t, j) => (j === k ? map(t, (value, e) => (e === i ? value + h : value)) : t))),
      );
      const change = map(above, (value, e) => value - below.data[e]);
      const difference = dot(gy, change) / (2 * step);
      const bound = 1e-6 * Math.max(Math.abs(gradient.data[i]), 1e-3 * greatest);
      const what = `input ${k}, element ${i}: gradient ${gradient.data[i]}, central difference ${difference}`;
      expect(Math.abs(gradient.data[i] - difference), what).toBeLessThanOrEqual(bound);
    }
  });
}

interface LinearOp<Options> {
  forward(x: Tensor, w: Tensor, b: Tensor | null, options: Options): Tensor;
  backward(
    x: Tensor,
    w: Tensor,
    b: Tensor | null,
    options: Options,
    gy: Tensor,
  ): { gx: Tensor; gw: Tensor; gb: Tensor | null };
}

/** Gradients of x, w and b under every activation, and of x and w without b. */
function checkLinear<Options extends object>(op: LinearOp<Options>, inputs: Tensor[], options: Options): void {
  for (const activation of ACTIVATIONS) {
    const all = { ...options, activation };
    checkGradients(inputs, {
      forward: ([x, w, b]) => op.forward(x, w, b, all),
      backward: ([x, w, b], gy) => {
        const { gx, gw, gb } = op.backward(x, w, b, all, gy);
        return [gx, gw, gb!];
      },
    });
  }
  checkGradients(inputs.slice(0, 2), {
    forward: ([x, w]) => op.forward(x, w, null, options),
    backward: ([x, w], gy) => {
      const { gx, gw, gb } = op.backward(x, w, null, options, gy);
      expect(gb).toBeNull();
      return [gx, gw];
    },
  });
}
