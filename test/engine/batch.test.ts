import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { fitBatches } from "../../src/engine/batch.js";
import { UserError } from "../../src/engine/errors.js";
import type { Gpu } from "../../src/engine/gpu.js";
import { makeNode, type Node, type Target, topological } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import { pack, sumSquares } from "../../src/engine/ops/pack.js";
import type { Program } from "../../src/engine/program.js";
import { bytes, elements } from "../../src/engine/shape.js";
import {
  abs,
  adam,
  add,
  compile,
  concat,
  constant,
  conv2d,
  convTranspose2d,
  gradientNorm,
  gradients,
  input,
  l1,
  mean,
  Parameters,
  random,
  reshape,
  scale,
  slice,
  split,
  square,
  sum,
  variance,
} from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";
import { autoencoder, HALF, pictures } from "./autoencoder.js";
import { play } from "./memory.js";

const target: Target = { subgroupSize: 8, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };
const isTensor = ({ op }: Node) => op.kind !== "pack" && op.kind !== "effect";
const largest = (outputs: readonly Node[]) =>
  Math.max(
    ...topological(outputs)
      .filter(isTensor)
      .map((node) => bytes(node.shape)),
  );

describe("fitBatches", () => {
  it("leaves a graph alone that fits", () => {
    const outputs = Object.values(autoencoder().train());
    const parts = fitBatches(outputs, 2 ** 20);
    expect(parts).toHaveLength(outputs.length);
    parts.forEach((part, i) => {
      expect(part).toHaveLength(1);
      expect(part[0]).toBe(outputs[i]);
    });
  });

  const networks = fc.record({
    steps: fc.array(fc.tuple(fc.nat(10), fc.nat()), { minLength: 1, maxLength: 12 }),
    items: fc.integer({ min: 1, max: 4 }),
  });

  /** A network on a batch of 6, widening and narrowing, with halves that part and meet again, and its gradients. */
  function build(steps: [number, number][]): Node[] {
    let leaves = 0;
    const leaf = (...shape: number[]) => input(`leaf ${leaves++}`, shape);
    let x = scale(leaf(6, 2, 2, 4), 2);
    const outputs: Node[] = [];
    for (const [kind, pick] of steps) {
      const [n, h, width, c] = x.shape;
      const channels = [3, 4, 9, 16][pick % 4];
      if (kind <= 1) x = conv2d(x, leaf(1, 1, c, channels), { bias: leaf(channels) });
      else if (kind === 2) x = convTranspose2d(x, leaf(1, 1, channels, c));
      else if (kind === 3) x = square(x);
      else if (kind === 4) x = add(x, mean(x, { axes: [0], keepDims: true }));
      else if (kind === 5 && n % 2 === 0) x = concat(split(x).reverse());
      else if (kind === 6 && n < 12) x = concat([x, scale(x, 3)]);
      else if (kind === 7) x = slice(x, [0, 0, 0, pick % c], [n, h, width, c - (pick % c)]);
      else if (kind === 8 && n > 2) outputs.push(slice(x, [1, 0, 0, 0], [n - 2, h, width, 1]));
      else if (kind === 9) outputs.push(variance(x, { axes: [0, 1, 2] }), reshape(x, [n, h * width * c]));
      else if (n % 2 === 0) x = split(x)[pick % 2];
    }
    const wanted = topological([x]).filter((node) => node.op.kind === "leaf");
    return [...outputs, x, ...gradients(add(sum(square(x)), sum(x)), wanted)];
  }

  it("afterwards every tensor fits, the ranges of an output make it up, and its memory plan is sound", () => {
    let cut = 0;
    fc.assert(
      fc.property(networks, ({ steps, items }) => {
        const outputs = build(steps);
        // Inputs are not cut, and one item of the widest tensor must fit.
        const smallest = topological(outputs).map(({ op, shape }) =>
          bytes(op.kind === "leaf" || shape.length < 2 ? shape : [items, ...shape.slice(1)]),
        );
        const limit = Math.max(...smallest);
        const parts = fitBatches(outputs, limit);
        expect(largest(parts.flat())).toBeLessThanOrEqual(limit);
        parts.forEach((own, i) => {
          const { shape } = outputs[i];
          if (own.length > 1) cut++;
          for (const part of own) expect(part.shape.slice(1)).toEqual(shape.slice(1));
          if (shape.length) expect(own.reduce((n, part) => n + part.shape[0], 0)).toBe(shape[0]);
        });
        play(layOut(parts.flat(), target), parts.flat());
      }),
      { numRuns: 150 },
    );
    expect(cut).toBeGreaterThan(30);
  });

  const refusal = (build: () => Node[], limit: number) => {
    let message = "";
    try {
      fitBatches(build(), limit);
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      message = (error as Error).message;
    }
    return message;
  };

  it("refuses a parameter beyond the limit by its name", () => {
    const parameters = new Parameters();
    const w = parameters.create("encoder.dense.w", [16, 16], new Float32Array(256));
    const build = () => gradients(sum(square(w)), [w]);
    expect(refusal(build, 1024)).toBe("");
    expect(refusal(build, 1023)).toBe(
      'parameter "encoder.dense.w" of shape [16, 16] needs 1024 bytes, but this adapter binds at most 1023',
    );
  });

  it("refuses an input beyond the limit, with the largest batch that fits", () => {
    expect(refusal(() => [scale(input("faces", [8, 4, 4, 3]), 2)], 1000)).toBe(
      'input "faces" of shape [8, 4, 4, 3] needs 2048 bytes, but this adapter binds at most 1000 ' +
        "(it comes from the caller in one piece); the largest batch that fits is 3",
    );
  });

  it("refuses one item that is too large alone", () => {
    const wide = conv2d(input("x", [2, 4, 4, 3]), input("w", [1, 1, 3, 32]));
    expect(refusal(() => [sum(wide)], 2047)).toBe(
      "conv2d of shape [2, 4, 4, 32] needs 4096 bytes, but this adapter binds at most 2047 " +
        "(one item alone is too large)",
    );
  });

  it("refuses what cannot be cut, and says which tensor", () => {
    const noise = () => conv2d(scaleBy(random([4, 8, 8, 4], 0)), input("w", [1, 1, 4, 4]));
    const scaleBy = (x: Node) => scale(x, 2);
    expect(refusal(() => [noise()], 2048)).toBe(
      "random of shape [4, 8, 8, 4] needs 4096 bytes, but this adapter binds at most 2048 " +
        "(this op cannot be cut along the batch); the largest batch that fits is 2",
    );
    const folded = () => reshape(conv2d(input("x", [4, 4, 4, 4]), input("w", [1, 1, 4, 8])), [4 * 4 * 4, 8]);
    expect(refusal(() => [sum(folded())], 1024)).toBe(
      "reshape([4, 4, 4, 8]): a tensor beyond the binding limit keeps its first axis",
    );
  });
});

// --- on the GPU -----------------------------------------------------------------------------------------------------

const whole = await openGpu();
/** Two images a range where a half has four: even ranges. Three: ranges that end inside of a half. */
const sliced = await Promise.all([20_480, 30_000].map((maxBindingBytes) => openGpu({ maxBindingBytes })));
const SLICED = sliced.map((gpu): [string, Gpu] => [`${Math.floor(gpu.maxBindingBytes / 9216)} images a range`, gpu]);
afterEach(async () => {
  for (const gpu of [whole, ...sliced]) {
    await gpu.device.queue.onSubmittedWorkDone();
    gpu.check();
  }
});

const feed = (program: Program) => {
  program.write("source", pictures(0));
  program.write("target", pictures(1));
};
const stepOnce = async (gpu: Gpu, build: () => Record<string, Node>) => {
  const program = await compile(gpu, build);
  feed(program);
  await program.run();
  await program.settle();
  return program;
};
const worst = (a: Float32Array, b: Float32Array, scaleOf: (i: number) => number) => {
  expect(a.length).toBe(b.length);
  return Math.max(0, ...a.map((value, i) => (value === b[i] ? 0 : Math.abs(value - b[i]) / scaleOf(i))));
};

describe.each(SLICED)("a training step sliced to %s, against the unsliced one", (_, small) => {
  it("binds no more than the limit, and dump() shows it", async () => {
    const bound: number[] = [];
    const { device } = small;
    const createBindGroup = device.createBindGroup;
    device.createBindGroup = (descriptor) => {
      for (const { resource } of descriptor.entries) bound.push((resource as GPUBufferBinding).size as number);
      return createBindGroup.call(device, descriptor);
    };
    const program = await compile(small, autoencoder().train);
    device.createBindGroup = createBindGroup;
    expect(bound.length).toBeGreaterThan(200);
    expect(Math.max(...bound)).toBeLessThanOrEqual(small.maxBindingBytes);
    const tensors = [...program.dump().matchAll(/slot \d+\S*, (\d+) bytes/g)].map((match) => Number(match[1]));
    expect(tensors.length).toBeGreaterThan(60);
    expect(Math.max(...tensors)).toBeLessThanOrEqual(small.maxBindingBytes);
    // Without slicing it would have been more.
    expect(largest(Object.values(autoencoder().train()))).toBeGreaterThan(small.maxBindingBytes);
    program.destroy();
  });

  it("gives the same bits where no sum is cut", async () => {
    // All reductions of this step are over the code or over images, which fit: only the weights' sums are cut.
    const build = () => {
      const { wide, code, outputs, loss } = autoencoder().step();
      return { wide, code, source: outputs[0], target: outputs[1], loss };
    };
    const a = await stepOnce(whole, build);
    const b = await stepOnce(small, build);
    expect(b.outputs.get("wide")?.nodes.length).toBeGreaterThan(1);
    for (const name of ["wide", "code", "source", "target", "loss"]) {
      expect(await b.read(name), name).toEqual(await a.read(name));
    }
    expect((await a.read("wide")).some((v) => v !== 0)).toBe(true);
  });

  it("gives the gradients within what the order of a sum explains", async () => {
    // The terms of both sums are equal to the bit. Two orders of K terms, each with a rounding for its product, differ
    // by at most 2·K·2⁻²⁴·Σ|terms|. The same ops on absolute values give Σ|terms|.
    const net = autoencoder();
    const { loss, gradients: grads } = net.step();
    const magnitudes = grads.map((g) => makeNode(g.op, g.inputs.map(abs), g.attrs));
    const counts = grads.map((g) => elements(g.inputs[g.inputs.length - 1].shape.slice(0, 3)));
    const read = async (gpu: Gpu, nodes: Node[]) => {
      const program = await stepOnce(gpu, () => ({ loss, ...Object.fromEntries(nodes.map((node, i) => [i, node])) }));
      return Promise.all(nodes.map((_, i) => program.read(String(i))));
    };
    const expected = await read(whole, grads);
    const actual = await read(small, grads);
    const bounds = await read(whole, magnitudes);
    grads.forEach((g, i) => {
      expect(["conv2dWeightGrad", "sum"]).toContain(g.op.name);
      const error = worst(actual[i], expected[i], (j) => 2 * counts[i] * 2 ** -24 * bounds[i][j]);
      expect(error, net.parameters.names()[i]).toBeLessThanOrEqual(1);
      expect(Math.max(...expected[i].map(Math.abs))).toBeGreaterThan(0);
    });
  });

  it("gives mean, variance and l1 of a tensor that is cut", async () => {
    const build = () => {
      const { wide } = autoencoder().step();
      const other = scale(wide, 0.5);
      const axes = [0, 1, 2];
      return { mean: mean(abs(wide), { axes }), variance: variance(wide, { axes }), l1: l1(wide, other) };
    };
    const a = await stepOnce(whole, build);
    const b = await stepOnce(small, build);
    // Sums of K terms that are all positive: the bound is relative. The centre of the variance moves them only to
    // second order; K is counted twice for its rounding in every term.
    const K = 2 * HALF * 12 * 12;
    for (const [name, terms] of [
      ["mean", K],
      ["variance", 2 * K],
      ["l1", 16 * K],
    ] as const) {
      const expected = await a.read(name);
      expect(
        worst(await b.read(name), expected, (i) => 2 * terms * 2 ** -24 * expected[i]),
        name,
      ).toBeLessThan(1);
      expect(Math.min(...expected)).toBeGreaterThan(0);
    }
  });

  it("trains alike: three steps with Adam and clipping", async () => {
    const train = async (gpu: Gpu) => {
      const { parameters, train } = autoencoder();
      const initial = await parameters.read(gpu);
      const program = await compile(gpu, train);
      feed(program);
      for (let i = 0; i < 3; i++) await program.run();
      const { values } = await program.history();
      return { losses: values.loss, initial, after: await parameters.read(gpu), m: await parameters.read(gpu, "m") };
    };
    const a = await train(whole);
    const b = await train(small);
    // Gradients differ by about 1e-6 of themselves, so weights by about that part of how far they moved. A range lost
    // or counted twice would change gradients by a tenth and more; the bound lies between, at 1e-4.
    expect(worst(b.losses, a.losses, (i) => 1e-4 * Math.abs(a.losses[i]))).toBeLessThan(1);
    expect(a.losses[2]).toBeLessThan(a.losses[0]);
    for (const [name, values] of a.after) {
      const before = a.initial.get(name) as Float32Array;
      const moved = Math.max(...values.map((v, i) => Math.abs(v - before[i])));
      expect(moved, name).toBeGreaterThan(0);
      expect(
        worst(b.after.get(name) as Float32Array, values, () => 1e-4 * moved + 2 ** -23),
        name,
      ).toBeLessThan(1);
    }
    for (const [name, values] of a.m) {
      const size = Math.max(...values.map(Math.abs));
      expect(
        worst(b.m.get(name) as Float32Array, values, () => 1e-4 * size),
        name,
      ).toBeLessThan(1);
    }
  });
});

it("flat parameter buffers larger than a binding are updated in windows, to the same bits", async () => {
  const [small] = sliced;
  const shapes = [[1000], [3, 700], [5, 5, 9], [4000]];
  const build = () => {
    const parameters = new Parameters();
    shapes.forEach((shape, k) => {
      const values = Array.from({ length: elements(shape) }, (_, i) => Math.cos(i + k));
      parameters.create(`p${k}`, shape, values);
    });
    return parameters;
  };
  const train = async (gpu: Gpu) => {
    const parameters = build();
    const program = await compile(gpu, () => {
      const loss = sum([...parameters].map((p) => sum(square(p))));
      const grads = gradients(loss, parameters);
      const update = adam(parameters, grads, { rate: 0.1, maxNorm: 1 });
      return { loss, norm: gradientNorm(grads), update };
    });
    for (let i = 0; i < 3; i++) await program.run();
    const adams = program.dump().match(/ adam +adam /g)?.length;
    return { adams, values: await parameters.read(gpu), norm: (await program.read("norm"))[0] };
  };
  const a = await train(whole);
  const b = await train(small);
  expect(a.adams).toBe(1);
  expect(b.adams).toBe(Math.ceil(build().layout().bytes / small.maxBindingBytes));
  expect(b.adams).toBeGreaterThan(1);
  // The norm's sum is taken in another order; all its terms are positive.
  expect(Math.abs(b.norm - a.norm)).toBeLessThan(8000 * 2 ** -24 * a.norm);
  for (const [name, values] of a.values) {
    expect(
      worst(b.values.get(name) as Float32Array, values, (i) => 1e-5 + 1e-5 * Math.abs(values[i])),
      name,
    ).toBeLessThan(1);
  }

  // Without clipping nothing is summed across windows.
  const unclipped = async (gpu: Gpu) => {
    const parameters = build();
    const program = await compile(gpu, () => {
      const loss = sum([...parameters].map((p) => sum(square(p))));
      return { loss, update: adam(parameters, gradients(loss, parameters), { rate: 0.1 }) };
    });
    for (let i = 0; i < 3; i++) await program.run();
    return parameters.read(gpu);
  };
  expect(await unclipped(small)).toEqual(await unclipped(whole));
});

it("the norm of gradients sees every window once", async () => {
  const half = Array.from({ length: 4500 }, (_, i) => (i % 2 ? 1 : -1));
  const program = await compile(sliced[0], () => {
    const halves = [half, half].map((values) => scale(constant(values, [4500]), 2));
    return { norm: gradientNorm(halves), squares: sumSquares(pack(halves)) };
  });
  await program.run();
  // Sums of small whole numbers are exact.
  expect(await program.read("squares")).toEqual(Float32Array.of(36_000));
  expect((await program.read("norm"))[0]).toBeCloseTo(Math.sqrt(36_000), 3);
});
