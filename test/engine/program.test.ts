import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { GpuError, UserError } from "../../src/engine/errors.js";
import { makeNode, type Node, type Op, topological } from "../../src/engine/graph.js";
import { constantOp } from "../../src/engine/ops/leaf.js";
import type { Program } from "../../src/engine/program.js";
import {
  adam,
  add,
  type CompileOptions,
  compile,
  constant,
  gradientNorm,
  gradients,
  input,
  learningRate,
  mul,
  Parameters,
  random,
  reshape,
  scale,
  sigmoid,
  square,
  sub,
  sum,
} from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";
import { autoencoder, pictures } from "./autoencoder.js";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");
const gpu = await openGpu();
afterEach(async () => {
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.check();
});

/** A training step that has everything that could carry over from a step to the next: noise, moments and a schedule. */
async function training(options: CompileOptions = {}, on = gpu) {
  const { parameters, step } = autoencoder();
  const program = await compile(
    on,
    () => {
      const { loss, gradients: grads } = step();
      const noise = sum(random([5, 3]));
      const decay = { shape: "cosine", steps: 12 } as const;
      const rate = learningRate({ rate: 0.01, warmup: 3, decay });
      return { loss, noise, rate, update: adam(parameters, grads, { rate, maxNorm: 0.05 }) };
    },
    { seed: 42, ...options },
  );
  program.write("source", pictures(0));
  program.write("target", pictures(1));
  return { parameters, program };
}

async function runSteps(program: Program, count: number) {
  for (let i = 0; i < count; i++) await program.run();
  return program.history();
}

const STATES = ["values", "m", "v"];
const state = async (parameters: Parameters, on = gpu) =>
  Promise.all(STATES.map(async (name) => [name, await parameters.read(on, name)] as const));

describe("replay", () => {
  it("equals a fresh run to the bit, on the same device and on another", async () => {
    const first = await training();
    const history = await runSteps(first.program, 5);
    const second = await training();
    expect(await runSteps(second.program, 5)).toEqual(history);
    expect(await state(second.parameters)).toEqual(await state(first.parameters));

    const fresh = await openGpu();
    const third = await training({}, fresh);
    expect(await runSteps(third.program, 5)).toEqual(history);
    expect(await state(third.parameters, fresh)).toEqual(await state(first.parameters));
    fresh.destroy();

    // The run is not trivially the same: it learns, draws new noise each step, and another seed draws another.
    expect(history.values.loss[4]).toBeLessThan(history.values.loss[0]);
    expect(new Set(history.values.noise).size).toBe(5);
    expect(new Set(history.values.rate).size).toBeGreaterThan(3);
    const other = await training({ seed: 43 });
    const { values } = await runSteps(other.program, 1);
    expect(values.loss[0]).toBe(history.values.loss[0]);
    expect(values.noise[0]).not.toBe(history.values.noise[0]);
  });

  it("resumes to the bit: parameters, moments and step number are all that a run is", async () => {
    const whole = await training();
    await runSteps(whole.program, 3);
    const checkpoint = await state(whole.parameters);
    const rest = await runSteps(whole.program, 4);

    const resumed = await training();
    for (const [name, tensors] of checkpoint) {
      for (const [parameter, values] of tensors) resumed.parameters.write(gpu, parameter, values, name);
    }
    resumed.program.setStep(3);
    expect(resumed.program.steps).toBe(3);
    expect(await runSteps(resumed.program, 4)).toEqual(rest);
    expect(rest.first).toBe(4);
    expect(await state(resumed.parameters)).toEqual(await state(whole.parameters));

    // Without the step number it is another run.
    const forgetful = await training();
    for (const [name, tensors] of checkpoint) {
      for (const [parameter, values] of tensors) forgetful.parameters.write(gpu, parameter, values, name);
    }
    expect((await runSteps(forgetful.program, 4)).values).not.toEqual(rest.values);
  });
});

describe("what a step costs", () => {
  /** Calls of the device, its queue and its encoders during `work`. */
  async function calls(work: () => Promise<unknown>) {
    const counts: Record<string, number> = {};
    const { device } = gpu;
    const restore: (() => void)[] = [];
    const watch = (object: object, name: string) => {
      const original = (object as Record<string, (...args: unknown[]) => unknown>)[name];
      Object.assign(object, {
        [name](...args: unknown[]) {
          counts[name] = (counts[name] ?? 0) + 1;
          return original.apply(object, args);
        },
      });
      restore.push(() => Reflect.deleteProperty(object, name));
    };
    const prototype = Object.getOwnPropertyNames(Object.getPrototypeOf(device));
    for (const name of prototype.filter((each) => /^create/.test(each))) watch(device, name);
    for (const name of ["submit", "writeBuffer", "onSubmittedWorkDone"]) watch(device.queue, name);
    try {
      await work();
    } finally {
      for (const undo of restore) undo();
    }
    return counts;
  }

  it("one encoder and one submission, and nothing created", async () => {
    const { program } = await training();
    const counts = await calls(async () => {
      for (let i = 0; i < 10; i++) await program.run();
      await program.settle();
    });
    expect(counts).toEqual({ createCommandEncoder: 10, submit: 10, onSubmittedWorkDone: 10 });
  });

  it("history() adds one staging buffer and one copy, whatever the number of steps and scalars", async () => {
    const { program } = await training();
    await runSteps(program, 2);
    const counts = await calls(async () => {
      await program.run();
      await program.history();
    });
    expect(counts).toEqual({ createCommandEncoder: 2, submit: 2, createBuffer: 1, onSubmittedWorkDone: 1 });
  });

  it("compile() compiles each kernel once, also for a second program", async () => {
    const { program, parameters } = await training();
    const kernels = new Set(program.layout.stages.flatMap((stage) => stage.dispatches.map((d) => d.kernel.source)));
    expect(kernels.size).toBeLessThan(program.dispatches);
    const counts = await calls(() => compile(gpu, () => ({ y: sum(square(parameters.nodes[0])) })));
    const again = await calls(() => compile(gpu, () => ({ y: sum(square(parameters.nodes[0])) })));
    expect(counts.createBindGroup).toBe(again.createBindGroup);
    expect(again.createShaderModule).toBeUndefined();
    expect(again.createComputePipelineAsync).toBeUndefined();
    expect(again.createBindGroupLayout).toBeUndefined();
  });
});

describe("history", () => {
  /** Outputs that say which step they are from. */
  const counting = (history?: number) => {
    const steps = new Parameters();
    // The rate of step s is s / 1000 during the warm-up.
    const build = () => {
      const step = scale(learningRate({ rate: 1, warmup: 1000 }), 1000);
      return { step, twice: scale(step, 2), vector: mul(step, constant([1, 2, 3], [3])) };
    };
    return { steps, program: compile(gpu, build, { history }) };
  };
  const rounded = (values: Float32Array) => [...values].map(Math.round);

  it("gives each step once, scalars only", async () => {
    const program = await counting().program;
    expect(await program.history()).toEqual({
      first: 1,
      values: { step: new Float32Array(), twice: new Float32Array() },
    });
    const { first, values } = await runSteps(program, 3);
    expect(first).toBe(1);
    expect(rounded(values.step)).toEqual([1, 2, 3]);
    expect(rounded(values.twice)).toEqual([2, 4, 6]);
    expect(Object.keys(values)).toEqual(["step", "twice"]);
    const next = await runSteps(program, 2);
    expect([next.first, rounded(next.values.step)]).toEqual([4, [4, 5]]);
  });

  it("wraps around the ring, and after an overrun gives the latest steps, rightly numbered", async () => {
    const program = await counting(4).program;
    const seen: number[][] = [];
    for (const steps of [3, 3, 4, 11, 1]) {
      const { first, values } = await runSteps(program, steps);
      seen.push([first, ...rounded(values.step)]);
    }
    expect(seen).toEqual([
      [1, 1, 2, 3],
      [4, 4, 5, 6],
      [7, 7, 8, 9, 10],
      [18, 18, 19, 20, 21],
      [22, 22],
    ]);
  });

  it("is not disturbed by steps submitted while it is read", async () => {
    const program = await counting(4).program;
    for (let i = 0; i < 4; i++) await program.run();
    const early = program.history();
    for (let i = 0; i < 4; i++) await program.run();
    expect(rounded((await early).values.step)).toEqual([1, 2, 3, 4]);
    const late = await program.history();
    expect([late.first, ...rounded(late.values.step)]).toEqual([5, 5, 6, 7, 8]);
  });

  it("goes on from a step that was set, forward or back", async () => {
    const program = await counting(4).program;
    await runSteps(program, 2);
    await program.run();
    program.setStep(100);
    const { first, values } = await runSteps(program, 2);
    expect([first, ...rounded(values.step)]).toEqual([101, 101, 102]);
    program.setStep(0);
    expect(rounded((await runSteps(program, 1)).values.step)).toEqual([1]);
  });

  it("copies scalars that are leaves or lie behind aliases", async () => {
    const parameters = new Parameters();
    const p = parameters.create("p", [], [3]);
    const program = await compile(gpu, () => {
      const loss = square(p);
      const update = adam(parameters, gradients(loss, parameters), { rate: 1 });
      return { constant: constant([7], []), p, alias: reshape(scale(p, 2), []), loss, update };
    });
    await program.run();
    const { values } = await program.history();
    // A parameter is read after the update, everything computed from it before.
    expect(values.loss).toEqual(Float32Array.of(9));
    expect(values.constant).toEqual(Float32Array.of(7));
    expect(values.alias).toEqual(Float32Array.of(6));
    expect(values.p[0]).toBeCloseTo(2, 5);
  });

  it.each([0, -1, 2.5, Number.NaN])("refuses a ring of %d steps", async (history) => {
    await expect(counting(history).program).rejects.toThrow(UserError);
    await expect(counting(history).program).rejects.toThrow(
      `history of ${history} steps must be a whole number from 1`,
    );
  });
});

describe("reading and writing", () => {
  const build = () => {
    const x = input("x", [2, 3]);
    const w = input("w", [3]);
    return { y: mul(x, w), x };
  };

  it("inputs are zero until written, then stay", async () => {
    const program = await compile(gpu, build);
    await program.run();
    expect(await program.read("y")).toEqual(new Float32Array(6));
    program.write("x", [1, 2, 3, 4, 5, 6]);
    program.write("w", new Float64Array([1, 10, 100]));
    await program.run();
    expect(await program.read("y")).toEqual(Float32Array.of(1, 20, 300, 4, 50, 600));
    program.write("w", [2, 2, 2]);
    await program.run();
    expect(await program.read("y")).toEqual(Float32Array.of(2, 4, 6, 8, 10, 12));
    expect(await program.read("x")).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  it("a write belongs to the steps after it", async () => {
    const program = await compile(gpu, () => ({ y: scale(input("x", []), 2) }));
    for (let i = 0; i < 20; i++) {
      program.write("x", [i]);
      program.run();
    }
    expect((await program.history()).values.y).toEqual(Float32Array.from({ length: 20 }, (_, i) => 2 * i));
  });

  it("errors name what is wrong and what there is", async () => {
    const program = await compile(gpu, build);
    expect(() => program.write("z", [1])).toThrow(
      new UserError('input "z" is not part of the program; there are: w, x'.replace("w, x", "x, w")),
    );
    expect(() => program.write("w", [1, 2])).toThrow(new UserError('input "w": 2 values, but shape [3] holds 3'));
    await expect(program.read("z")).rejects.toThrow(
      new UserError('output "z" is not part of the program; there are: y, x'),
    );
    await expect(program.readNode(input("x", [2, 3]))).rejects.toThrow(/this node is not part of the program/);
    const without = await compile(gpu, () => ({ y: random([4]) }));
    expect(() => without.write("x", [1])).toThrow(/there are: none$/);
  });

  it("two inputs of one name are refused: a write would reach one of them only", async () => {
    const twice = () => ({ y: add(input("x", [3]), input("x", [3])) });
    await expect(compile(gpu, twice)).rejects.toThrow(
      new UserError('input "x" is made twice: use one node, or two names'),
    );
  });

  it("an effect has no value", async () => {
    const { program } = await training();
    await program.run();
    await expect(program.read("update")).rejects.toThrow(new UserError("adam changes state and has no value to read"));
  });

  it("outputs may be aliases, leaves, packed, repeated, and inputs of each other", async () => {
    const x = constant([1, 2, 3, 4, 5, 6, 7, 8], [2, 4]);
    const y = scale(x, 2);
    const program = await compile(gpu, () => {
      const norm = gradientNorm([y, square(y)]);
      return { x, y, again: y, flat: reshape(y, [8]), flatter: reshape(reshape(y, [8]), [4, 2]), z: scale(y, 3), norm };
    });
    await program.run();
    const twos = Float32Array.of(2, 4, 6, 8, 10, 12, 14, 16);
    for (const name of ["y", "again", "flat", "flatter"]) expect(await program.read(name), name).toEqual(twos);
    expect(await program.read("x")).toEqual(twos.map((v) => v / 2));
    expect(await program.read("z")).toEqual(twos.map((v) => v * 3));
    const squares = twos.reduce((s, v) => s + v * v + v ** 4, 0);
    expect((await program.read("norm"))[0]).toBeCloseTo(Math.sqrt(squares), 2);
  });

  it("constants of whole words reach the GPU as they are", async () => {
    const words = Uint32Array.of(0x3f800000, 0x40000000, 0x40400000, 0x7fffffff);
    const node = makeNode(constantOp, [], { shape: [4], values: words });
    const program = await compile(gpu, () => ({ y: scale(node, 1), node }));
    await program.run();
    expect(new Uint32Array((await program.read("node")).buffer)).toEqual(words);
    expect((await program.read("y")).slice(0, 3)).toEqual(Float32Array.of(1, 2, 3));
  });
});

describe("inner nodes", () => {
  const graph = () => {
    const x = constant([1, 2, 3], [3]);
    const chain = [scale(x, 2)];
    for (let i = 1; i < 6; i++) chain.push(scale(chain[i - 1], 2));
    return { x, chain };
  };

  it("are readable with keepAll, packed ones and aliases too", async () => {
    const { parameters, step } = autoencoder();
    let nodes: Node[] = [];
    const program = await compile(
      gpu,
      () => {
        const { loss, gradients: grads } = step();
        const update = adam(parameters, grads, { rate: 0.01, maxNorm: 1 });
        nodes = topological([loss, update]);
        return { loss, update };
      },
      { keepAll: true },
    );
    program.write("source", pictures(0));
    program.write("target", pictures(1));
    await program.run();
    const of = (name: string) => nodes.filter((node) => node.op.name === name);
    for (const node of nodes.filter(({ op }) => op.kind !== "effect")) {
      const values = await program.readNode(node);
      expect(values.some(Number.isNaN), node.op.name).toBe(false);
    }
    // Read one after the other, they still fit together: y = 2·a·b for squareGrad, y = |a| for abs.
    const [squared] = of("square");
    const x = await program.readNode(squared.inputs[0]);
    expect(await program.readNode(squared)).toEqual(x.map((v) => Math.fround(v * v)));
    const [difference] = of("sub");
    const [a, b] = await Promise.all(difference.inputs.map((node) => program.readNode(node)));
    expect(await program.readNode(difference)).toEqual(a.map((v, i) => Math.fround(v - b[i])));
    expect(of("conv2dWeightGrad").length).toBeGreaterThan(4);
  });

  it("are refused without it, since their memory is used again", async () => {
    const { chain } = graph();
    const program = await compile(gpu, () => ({ y: chain[5] }));
    await program.run();
    expect(await program.readNode(chain[5])).toEqual(Float32Array.of(64, 128, 192));
    await expect(program.readNode(chain[2])).rejects.toThrow(
      new UserError("scale [3] is no output: it is fused with others or its memory is used again; set keepAll"),
    );
    const kept = await compile(gpu, () => ({ y: chain[5] }), { keepAll: true });
    await kept.run();
    for (const [i, node] of chain.entries()) expect((await kept.readNode(node))[0]).toBe(2 ** (i + 1));
  });
});

describe("dump", () => {
  it("has a line per dispatch with op, kernel, shapes, slot and bytes, then the memory", async () => {
    const program = await compile(gpu, () => {
      const x = input("x", [2, 5]);
      return { y: sigmoid(x), total: sum(x) };
    });
    const [first, second, third, ...memory] = program.dump().split("\n");
    expect(first).toMatch(/^ +1 {2}sigmoid +sigmoid +1×1×1 +\[2, 5\] → \[2, 5\] {2}slot \d, 64 bytes$/);
    expect(second).toMatch(/^ +2 {2}sum +reduce +\d+×1×1 +\[2, 5\] → \[\] {2}slot \d, 16 bytes, 0\.00 MFLOP$/);
    expect(third).toMatch(/^ +3 {2}sum +sum_lanes +1×1×1 +\(same node\)$/);
    expect(memory[0]).toMatch(/^3 slots, \d+ bytes \(at least \d+\); 0\.0000 GFLOP a step$/);
    expect(memory).toHaveLength(4);
    expect(memory.slice(1).every((line) => /^ {2}slot \d: \d+ bytes$/.test(line))).toBe(true);
  });

  it("shows where packed gradients lie and that an optimiser writes state", async () => {
    const { program, parameters } = await training();
    const text = program.dump();
    const { offsets } = parameters.layout();
    for (const offset of offsets) expect(text).toMatch(new RegExp(`slot \\d+\\+${offset}, `));
    expect(text).toMatch(
      / watch +watch .* state, .*\n.* adam +adam_rates .* state, .*\n.* adam +adam .* \(same node\)/,
    );
    // All but the clock's own dispatch.
    expect(text.match(/^ +\d+ {2}\w/gm)).toHaveLength(program.dispatches - 1);
  });

  it("counts the floating-point operations of a convolution as 2 a multiply-add", async () => {
    const { program } = await training();
    // conv2d 12×12×16 of 3×3×3 on 8 images, and so on: forward, both gradients but for the images'.
    const forward = [8 * 12 * 12 * 16 * 27, 8 * 6 * 6 * 8 * 144, 8 * 6 * 6 * 8 * 9 * 16, 8 * 12 * 12 * 3 * 144];
    const macs = forward.reduce((a, b) => a + b) * 3 - forward[0];
    const sums = program.flops - 2 * macs;
    expect(sums).toBeGreaterThan(0);
    expect(sums).toBeLessThan(0.03 * program.flops);
  });
});

describe("compile", () => {
  it.each([-1, 1.5, Number.NaN, 2 ** 53])("refuses seed %d", async (seed) => {
    await expect(compile(gpu, () => ({ y: random([4]) }), { seed })).rejects.toThrow(
      new UserError(`seed ${seed} must be a whole number from 0`),
    );
  });

  it("uses all 53 bits of a seed", async () => {
    const draw = async (seed: number) => {
      const program = await compile(gpu, () => ({ y: random([4]) }), { seed });
      await program.run();
      return (await program.read("y")).join();
    };
    const seeds = [0, 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER];
    expect(new Set(await Promise.all(seeds.map(draw))).size).toBe(seeds.length);
    expect(await draw(5)).toBe(await draw(5));
  });

  it.each([-1, 0.5, 2 ** 32])("setStep refuses %d", async (step) => {
    const { program } = await training();
    expect(() => program.setStep(step)).toThrow(
      new UserError(`step ${step} must be a whole number from 0 to below 2^32`),
    );
  });

  it("names a kernel's fault with its line", async () => {
    const broken: Op<object> = {
      name: "broken",
      shape: () => [4],
      lower: (y) => [
        {
          kernel: {
            name: "broken",
            source:
              "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n" +
              "@compute @workgroup_size(1)\nfn main() {\n  y[0] = nothing;\n}\n",
          },
          bind: { y },
          uniform: {},
          groups: [1, 1, 1],
        },
      ],
    };
    await expect(compile(gpu, () => ({ y: makeNode(broken, [], {}) }))).rejects.toThrow(
      new GpuError("kernel broken, line 4: unresolved value 'nothing'\n  y[0] = nothing;"),
    );
  });

  it("names the bindings that a dispatch forgot", async () => {
    const forgetful: Op<object> = {
      name: "forgetful",
      shape: () => [4],
      lower: () => [
        {
          kernel: {
            name: "forgetful",
            source:
              "@group(0) @binding(0) var<storage, read_write> y: array<f32>;\n" +
              "@compute @workgroup_size(1)\nfn main() {\n  y[0] = 1.0;\n}\n",
          },
          bind: {},
          uniform: {},
          groups: [1, 1, 1],
        },
      ],
    };
    await expect(compile(gpu, () => ({ y: makeNode(forgetful, [], {}) }))).rejects.toThrow(
      new GpuError("kernel forgetful binds [y], but was given []"),
    );
  });
});

describe("several programs", () => {
  it("share parameters: one trains, another looks, in the order of submission", async () => {
    const parameters = new Parameters();
    const p = parameters.create("p", [3], [1, 2, 3]);
    const loss = sum(square(sub(p, constant([5, 5, 5], [3]))));
    const train = await compile(gpu, () => ({
      loss,
      update: adam(parameters, gradients(loss, parameters), { rate: 0.5 }),
    }));
    const look = await compile(gpu, () => ({ loss: sum(square(sub(p, constant([5, 5, 5], [3])))) }));
    const seen: number[] = [];
    for (let i = 0; i < 4; i++) {
      look.run();
      train.run();
      seen.push((await look.read("loss"))[0]);
    }
    expect(seen).toEqual([...(await train.history()).values.loss]);
    expect(seen[3]).toBeLessThan(seen[0]);
  });

  it("may be two optimisers on two sets of parameters in one program: both see the values before", async () => {
    const [a, b] = [new Parameters(), new Parameters()];
    const p = a.create("p", [], [2]);
    const q = b.create("q", [], [3]);
    const program = await compile(gpu, () => {
      const loss = square(mul(p, q));
      const [gp, gq] = gradients(loss, [p, q]);
      return { first: adam(a, [gp], { rate: 0.1 }), second: adam(b, [gq], { rate: 0.1 }), gp, gq };
    });
    await program.run();
    expect([(await program.read("gp"))[0], (await program.read("gq"))[0]]).toEqual([36, 24]);
    expect((await a.read(gpu)).get("p")?.[0]).toBeCloseTo(1.9, 5);
    expect((await b.read(gpu)).get("q")?.[0]).toBeCloseTo(2.9, 5);
  });

  it("one gradient of two parameters reaches both", async () => {
    const parameters = new Parameters();
    const [p, q] = ["p", "q"].map((name, i) => parameters.create(name, [2], [i, i + 1]));
    const program = await compile(gpu, () => {
      const loss = sum(square(add(p, q)));
      const grads = gradients(loss, parameters);
      expect(grads[0]).toBe(grads[1]);
      return {
        loss,
        g: grads[0],
        norm: gradientNorm(grads),
        update: adam(parameters, grads, { rate: 0.1, maxNorm: 100 }),
      };
    });
    await program.run();
    const g = await program.read("g");
    expect(g).toEqual(Float32Array.of(2, 6));
    expect((await program.read("norm"))[0]).toBeCloseTo(Math.sqrt(2 * (4 + 36)), 5);
    for (const m of (await parameters.read(gpu, "m")).values()) {
      for (const [i, value] of m.entries()) expect(value).toBeCloseTo(0.1 * g[i], 6);
    }
  });

  it("destroy() frees one program and leaves parameters, constants and the other program", async () => {
    const parameters = new Parameters();
    const p = parameters.create("p", [2], [1, 2]);
    const c = constant([3, 4], [2]);
    const [first, second] = await Promise.all(
      [1, 2].map((k) => compile(gpu, () => ({ y: scale(mul(p, c), k), x: input("x", [2]) }))),
    );
    await first.run();
    first.destroy();
    await second.run();
    expect(await second.read("y")).toEqual(Float32Array.of(6, 16));
  });
});

describe("steps that nobody awaits", () => {
  it("200 of them all run, and give what awaited ones give", async () => {
    const small = async () => {
      const parameters = new Parameters();
      const p = parameters.create("p", [5, 7], new Float32Array(35).fill(0.5));
      return compile(gpu, () => {
        const loss = sum(square(sub(p, random([5, 7]))));
        return { loss, update: adam(parameters, gradients(loss, parameters), { rate: 0.01 }) };
      });
    };
    const program = await small();
    for (let i = 0; i < 200; i++) program.run();
    expect(program.steps).toBe(200);
    await program.settle();
    const history = await program.history();
    expect([history.first, history.values.loss.length]).toEqual([1, 200]);
    const awaited = await small();
    for (let i = 0; i < 200; i++) await awaited.run();
    expect(await awaited.history()).toEqual(history);
  });

  it("settle() covers steps that were submitted while it waited", async () => {
    const { program } = await training();
    program.run();
    const early = program.settle();
    for (let i = 0; i < 10; i++) program.run();
    let done = false;
    const last = gpu.device.queue.onSubmittedWorkDone().then(() => {
      done = true;
    });
    await program.settle();
    // Dawn resolves in the order of submission, and this promise was made before settle() could wait.
    expect(done).toBe(true);
    await Promise.all([early, last]);
  });
});

// --- faults: in processes of their own, which show what a user sees, native output included ------------------------

describe("a fault of the device", () => {
  let house: string;
  beforeAll(async () => {
    house = mkdtempSync(join(tmpdir(), "shibori-program-"));
    symlinkSync(join(ROOT, "node_modules"), join(house, "node_modules"));
    await build({
      stdin: {
        contents: `
export * from "./src/index.js";
export { openGpu } from "./src/platform/node.js";`,
        resolveDir: ROOT,
      },
      outfile: join(house, "shibori.mjs"),
      bundle: true,
      format: "esm",
      platform: "node",
      external: ["webgpu", "@sparticuz/chromium"],
      loader: { ".wgsl": "text" },
      logLevel: "error",
    });
    return () => rmSync(house, { recursive: true });
  });

  /** Runs a script after a first good step; what it printed to stdout, by lines, and all that came to stderr. */
  function child(script: string): Promise<{ out: string[]; err: string }> {
    const [file, out] = ["script.mjs", "stdout"].map((name) => join(mkdtempSync(join(house, "run-")), name));
    writeFileSync(
      file,
      `import { openGpu, compile, random, scale, sum } from ${JSON.stringify(join(house, "shibori.mjs"))};
const gpu = await openGpu();
const program = await compile(gpu, () => ({ y: sum(scale(random([4]), 2)) }));
await program.run();
await program.settle();
const attempt = async (name, work) => {
  const outcome = await work().then(() => "fine", (error) => error.name + ": " + error.message.split("\\n")[0]);
  console.log(name + ": " + outcome);
};
const pause = () => new Promise((resolve) => setTimeout(resolve, 50));
${script}`,
    );
    // stderr is a pipe made by the shell: on the sockets that node makes, the native warnings of Dawn's search for an
    // adapter cannot be held back (see src/platform/quiet.ts).
    const command = ["-c", 'timeout 60 "$1" "$2" 2>&1 >"$3" | cat', "sh", process.execPath, file, out];
    return new Promise((resolve, reject) => {
      execFile("sh", command, (error, err) => {
        if (error) reject(error);
        else resolve({ out: readFileSync(out, "utf8").trim().split("\n"), err });
      });
    });
  }

  it("a validation error surfaces as one GpuError, again at every later call, and prints nothing", async () => {
    const { out, err } = await child(`
gpu.device.createBuffer({ size: 4, usage: 0 });
await attempt("run", async () => { await program.run(); await program.settle(); });
await attempt("again", async () => program.run());
await attempt("read", () => program.read("y"));
await attempt("history", () => program.history());
await attempt("compile", () => compile(gpu, () => ({ y: random([4]) })));
`);
    const message = "GpuError: the GPU reported an error: Buffer usages must not be 0.";
    expect(out).toEqual(["run", "again", "read", "history", "compile"].map((name) => `${name}: ${message}`));
    expect(err).toBe("");
  });

  it("a lost device surfaces as one GpuError", async () => {
    const { out, err } = await child(`
gpu.device.destroy();
await pause();
await attempt("run", async () => program.run());
await attempt("settle", () => program.settle());
await attempt("read", () => program.read("y"));
await attempt("compile", () => compile(gpu, () => ({ y: random([4]) })));
`);
    expect(out).toEqual(
      ["run", "settle", "read", "compile"].map((name) => `${name}: GpuError: the GPU device was closed`),
    );
    expect(err).toBe("");
  });

  it("gpu.destroy() counts at once, also in the middle of a read and of a compilation", async () => {
    const { out, err } = await child(`
program.run();
const reading = attempt("reading", () => program.read("y"));
const compiling = attempt("compiling", () => compile(gpu, () => ({ y: sum(scale(random([8, 8]), 3)) })));
gpu.destroy();
await attempt("run", async () => program.run());
await Promise.all([reading, compiling]);
`);
    const message = "GpuError: the GPU device was closed";
    expect(out.sort()).toEqual([`compiling: ${message}`, `reading: ${message}`, `run: ${message}`]);
    expect(err).toBe("");
  });

  it("behind steps that nobody awaits does not end the process; the next call throws it", async () => {
    const { out, err } = await child(`
for (let i = 0; i < 6; i++) program.run();
gpu.device.createBuffer({ size: 4, usage: 0 });
await pause();
await attempt("run", async () => program.run());
console.log("end");
`);
    expect(out).toEqual(["run: GpuError: the GPU reported an error: Buffer usages must not be 0.", "end"]);
    expect(err).toBe("");
  });
});
