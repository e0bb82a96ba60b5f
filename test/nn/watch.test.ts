import { describe, expect, it } from "vitest";
import { makeNode, type Node } from "../../src/engine/graph.js";
import { adam, input, Parameters, sum } from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";
import { compileDirty, gpu, sabotage, step } from "../gpu.js";

// An update whose loss or gradients are not finite must leave parameters and moments as they are, to the bit, and so
// must every later one.

/** Padding lanes, several workgroups, and more than one window where bindings are small. */
const SHAPES: Record<string, number[]> = { w: [3, 3, 3, 5], b: [5], wide: [12, 20] };
const MAX = 3.4028234663852886e38; // of float32

async function model(device = gpu, edit: (update: Node) => Node = (update) => update) {
  const parameters = new Parameters();
  for (const [name, shape] of Object.entries(SHAPES)) {
    const count = shape.reduce((a, b) => a * b);
    parameters.create(
      name,
      shape,
      Float32Array.from({ length: count }, (_, i) => Math.sin(i)),
    );
  }
  const build = () => {
    const gradients = Object.entries(SHAPES).map(([name, shape]) => input(name, shape));
    const loss = input("loss", []);
    const update = adam(parameters, gradients, { rate: 0.01, loss });
    return { update: edit(update), seen: sum([loss]) };
  };
  const program = await compileDirty(build, {}, device);
  const write = (name: keyof typeof SHAPES, change: Record<number, number> = {}) => {
    const values = Array.from({ length: SHAPES[name].reduce((a, b) => a * b) }, (_, i) => Math.cos(i));
    program.write(name, Object.assign(values, change));
  };
  const state = async () => {
    const read = async (name: string) => [...(await parameters.read(device, name)).values()].map((v) => [...v]);
    return [await read("values"), await read("m"), await read("v")];
  };
  for (const name of Object.keys(SHAPES)) write(name);
  program.write("loss", [1]);
  await step(program);
  await step(program);
  return { program, write, state };
}

describe("the watch", () => {
  const gradient: [string, keyof typeof SHAPES, number, number][] = [
    ["NaN in the first lane", "w", 0, Number.NaN],
    ["infinity in the last lane before padding", "w", 134, Number.POSITIVE_INFINITY],
    ["minus infinity in a bias", "b", 4, Number.NEGATIVE_INFINITY],
    ["NaN in the last workgroup", "wide", 239, Number.NaN],
  ];
  it.each(gradient)("%s: nothing is changed from that step on", async (_, name, at, value) => {
    const { program, write, state } = await model();
    const before = await state();
    expect((await program.history()).fault).toBeUndefined();
    write(name, { [at]: value });
    await step(program);
    expect(await state()).toEqual(before);
    expect((await program.history()).fault).toBe(3);
    expect((await program.history()).fault).toBe(3);
    // The next steps are sound, and come too late.
    write(name);
    await step(program);
    await step(program);
    expect(await state()).toEqual(before);
    expect((await program.history()).fault).toBe(3);
    // Until the run is set back.
    program.setStep(2);
    await step(program);
    expect(await state()).not.toEqual(before);
    expect((await program.history()).fault).toBeUndefined();
    program.destroy();
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("a loss of %s with finite gradients", async (loss) => {
    const { program, state } = await model();
    const before = await state();
    program.write("loss", [loss]);
    await step(program);
    expect(await state()).toEqual(before);
    expect((await program.history()).fault).toBe(3);
    program.destroy();
  });

  it("a gradient whose square overflows, which would freeze its weight for ever", async () => {
    const { program, write, state } = await model();
    const before = await state();
    write("b", { 2: -(2 ** 63) });
    await step(program);
    expect(await state()).toEqual(before);
    expect((await program.history()).fault).toBe(3);
    program.destroy();
  });

  it("lets the largest and the smallest numbers pass", async () => {
    const { program, write, state } = await model();
    const before = await state();
    const LARGEST = 2 ** 63 - 2 ** 39;
    write("w", { 0: LARGEST, 1: -LARGEST, 2: 1e-45, 3: -0 });
    program.write("loss", [MAX]);
    await step(program);
    expect((await program.history()).fault).toBeUndefined();
    const after = await state();
    expect(after).not.toEqual(before);
    expect(after.flat(2).every(Number.isFinite)).toBe(true);
    program.destroy();
  });

  it("gates every update of a program, whichever's gradients are at fault", async () => {
    for (const bad of ["ga", "gb"]) {
      const [a, b] = ["a", "b"].map((name) => {
        const parameters = new Parameters();
        parameters.create(name, [5], [1, 2, 3, 4, 5]);
        return parameters;
      });
      const program = await compileDirty(() => ({
        first: adam(a, [input("ga", [5])], { rate: 0.1 }),
        second: adam(b, [input("gb", [5])], { rate: 0.1 }),
      }));
      for (const name of ["ga", "gb"]) program.write(name, [1, 1, 1, 1, name === bad ? Number.NaN : 1]);
      await step(program);
      for (const parameters of [a, b]) {
        const [values] = (await parameters.read(gpu)).values();
        expect([...values], bad).toEqual([1, 2, 3, 4, 5]);
      }
      program.destroy();
    }
  });

  it("watches the learning rate and the clipping factor", async () => {
    for (const bad of ["rate", "g"]) {
      const parameters = new Parameters();
      parameters.create("w", [2], [1, 2]);
      const program = await compileDirty(() => ({
        // The norm of gradients beyond 2⁶⁴ is infinite.
        update: adam(parameters, [input("g", [2])], { rate: sum(input("rate", [1])), maxNorm: 1 }),
      }));
      program.write("g", [1, bad === "g" ? 3e38 : 1]);
      program.write("rate", [bad === "rate" ? Number.POSITIVE_INFINITY : 0.1]);
      await step(program);
      expect([...(await parameters.read(gpu)).values()].map((values) => [...values])).toEqual([[1, 2]]);
      expect((await program.history()).fault).toBe(1);
      program.destroy();
    }
  });

  it("sees every window, where one binding is too small for all parameters", async () => {
    const small = await openGpu({ maxBindingBytes: 1024 });
    for (const [name, at] of [
      ["w", 3],
      ["wide", 0],
      ["wide", 239],
    ] as const) {
      const { program, write, state } = await model(small);
      const before = await state();
      write(name, { [at]: Number.NaN });
      await step(program);
      // Windows that lie before the one at fault are gated too.
      expect(await state()).toEqual(before);
      expect((await program.history()).fault).toBe(3);
      program.destroy();
    }
    small.destroy();
  });

  it.each([
    ["a watch that sees no exponent", "watch", "0x5f000000u", "0x7fffffffu"],
    ["an update that is not gated", "adam", "|| clock.fault != 0u", ""],
  ])("a planted fault shows: %s", async (_, where, text, by) => {
    const { program, write, state } = await model(gpu, (update) => {
      if (where === "adam") return sabotage(update, text, by);
      const watch = update.inputs.map((x) => (x.op.name === where ? sabotage(x, text, by) : x));
      return makeNode(update.op, watch, update.attrs);
    });
    const before = await state();
    write("w", { 0: Number.POSITIVE_INFINITY });
    await step(program);
    expect(await state()).not.toEqual(before);
    program.destroy();
  });

  it("refuses a loss that is no scalar", () => {
    const parameters = new Parameters();
    parameters.create("w", [1], [1]);
    expect(() => adam(parameters, [input("g", [1])], { rate: 1, loss: input("l", [2]) })).toThrow(
      "adam([2]): the loss to watch must be a scalar",
    );
  });
});
