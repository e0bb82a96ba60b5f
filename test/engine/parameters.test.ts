import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { bytes, elements } from "../../src/engine/shape.js";
import { adam, add, compile, gradients, Parameters, scale, square, sum } from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";

const gpu = await openGpu();
afterAll(async () => {
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.check();
});

/** Shapes with last axes on both sides of a multiple of four. */
const SHAPES = { a: [3], b: [5, 7], c: [], d: [2, 3, 4, 8], e: [1, 1, 9, 2], f: [64] };
const values = (shape: readonly number[], from: number) =>
  Float32Array.from({ length: elements(shape) }, (_, i) => from + i);
const make = () => {
  const parameters = new Parameters();
  Object.entries(SHAPES).forEach(([name, shape], k) => {
    parameters.create(name, shape, values(shape, 1000 * k));
  });
  return parameters;
};

describe("layout", () => {
  it("begins every parameter at a multiple of 256 bytes, in order and without overlap", () => {
    fc.assert(
      fc.property(fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }), { minLength: 1 }), (shapes) => {
        const parameters = new Parameters();
        shapes.forEach((shape, i) => {
          parameters.create(`p${i}`, shape, new Float32Array(elements(shape)));
        });
        const { offsets, bytes: total } = parameters.layout();
        shapes.forEach((shape, i) => {
          expect(offsets[i] % 256).toBe(0);
          const end = i + 1 < shapes.length ? offsets[i + 1] : total;
          expect(end - offsets[i]).toBeGreaterThanOrEqual(bytes(shape));
          expect(end - offsets[i] - bytes(shape)).toBeLessThan(256);
        });
        expect(parameters.count).toBe(shapes.reduce((n, shape) => n + elements(shape), 0));
      }),
    );
  });

  it("keeps the order of names, and is iterable as nodes", () => {
    const parameters = make();
    expect(parameters.names()).toEqual(Object.keys(SHAPES));
    expect([...parameters]).toEqual(parameters.nodes);
    expect([...parameters].map((node) => node.shape)).toEqual(Object.values(SHAPES));
  });
});

describe("errors", () => {
  it("a name used twice", () => {
    expect(() => make().create("b", [1], [0])).toThrow(new UserError('parameter "b" exists already'));
  });

  it("a wrong count of values", () => {
    expect(() => make().create("g", [2, 2], [1, 2, 3])).toThrow('parameter "g": 3 values, but shape [2, 2] holds 4');
    expect(() => make().write(gpu, "b", [1])).toThrow('parameter "b": 1 values, but shape [5, 7] holds 35');
  });

  it("an unknown name", () => {
    expect(() => make().write(gpu, "bb", [1])).toThrow('parameter "bb" does not exist; there are a, b, c, d, e, f');
  });

  it("a parameter after the layout was fixed", () => {
    const parameters = make();
    parameters.layout();
    expect(() => parameters.create("g", [1], [0])).toThrow(/parameters must be made before the first program/);
  });

  it("reading a state that nobody made", async () => {
    await expect(make().read(gpu, "mm")).rejects.toThrow('parameters have no state "mm"; there are: none yet');
  });
});

describe("on the GPU", () => {
  it("initial values come back, without a program", async () => {
    const read = await make().read(gpu);
    expect([...read.keys()]).toEqual(Object.keys(SHAPES));
    Object.values(SHAPES).forEach((shape, k) => {
      expect(read.get(Object.keys(SHAPES)[k])).toEqual(values(shape, 1000 * k));
    });
  });

  it("writing one leaves the others, and its padding zero", async () => {
    const parameters = make();
    const before = await parameters.read(gpu);
    parameters.write(gpu, "b", values([5, 7], -50));
    const after = await parameters.read(gpu);
    for (const [name, old] of before) expect(after.get(name)).toEqual(name === "b" ? values([5, 7], -50) : old);
    const node = parameters.nodes[1];
    const program = await compile(gpu, () => ({ y: sum(add(node, scale(node, 0))) }));
    await program.run();
    expect((await program.read("y"))[0]).toBe(values([5, 7], -50).reduce((a, b) => a + b));
    expect((await program.readStorage(node)).filter((_, i) => i % 8 === 7)).toEqual(new Float32Array(5));
  });

  it("states are named once something uses them, begin at zero, and are written like values", async () => {
    const parameters = make();
    expect(parameters.states).toEqual([]);
    const program = await compile(gpu, () => {
      const loss = sum([...parameters].map((p) => sum(square(p))));
      return { loss, update: adam(parameters, gradients(loss, parameters), { rate: 0.1 }) };
    });
    expect([...parameters.states].sort()).toEqual(["m", "v", "values"]);
    const zero = await parameters.read(gpu, "m");
    for (const [name, m] of zero) expect(m).toEqual(new Float32Array(elements(SHAPES[name as keyof typeof SHAPES])));
    parameters.write(gpu, "e", values([1, 1, 9, 2], 3), "m");
    expect((await parameters.read(gpu, "m")).get("e")).toEqual(values([1, 1, 9, 2], 3));
    await program.run();
    // m ← 0.9·m + 0.1·2w, for w = 4000 … 4017
    const m = (await parameters.read(gpu, "m")).get("e") as Float32Array;
    m.forEach((value, i) => {
      const expected = 0.9 * (3 + i) + 0.2 * (4000 + i);
      expect(Math.abs(value - expected)).toBeLessThan(4 * 2 ** -24 * expected);
    });
  });

  it("programs share them, and another device has its own", async () => {
    const parameters = make();
    const other = await openGpu();
    parameters.write(gpu, "a", [7, 8, 9]);
    expect((await parameters.read(gpu)).get("a")).toEqual(Float32Array.of(7, 8, 9));
    expect((await parameters.read(other)).get("a")).toEqual(Float32Array.of(0, 1, 2));
    other.destroy();
  });
});
