import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { accessesOf, bytesOf, repeatable } from "../../src/bench/traffic.js";
import type { Dispatch, Node, Target } from "../../src/engine/graph.js";
import { traced } from "../../src/engine/graph.js";
import { layOut } from "../../src/engine/layout.js";
import { input } from "../../src/engine/ops/leaf.js";
import { passes } from "../../src/engine/passes.js";
import {
  adam,
  add,
  broadcastTo,
  concat,
  conv2d,
  gradients,
  leakyRelu,
  mul,
  Parameters,
  slice,
  sum,
} from "../../src/index.js";

const SHADERS = new URL("../../shaders/", import.meta.url);
const source = (name: string) => readFileSync(new URL(`${name}.wgsl`, SHADERS), "utf8");

const TARGET: Target = { subgroupSize: 0, cpu: true, kernels: {}, maxBindingBytes: 2 ** 27 };

/** The dispatches of a program, without a GPU. */
function dispatchesOf(build: () => Node): Dispatch[] {
  const outputs = traced(build);
  return layOut(passes([outputs], TARGET.maxBindingBytes).flat(), TARGET).stages.flatMap((stage) => stage.dispatches);
}

describe("what a kernel does with its variables", () => {
  const accesses = (text: string) => Object.fromEntries(accessesOf({ name: "test", source: text }));
  const kernel = (body: string) => `struct P { y: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;
@compute @workgroup_size(1)
fn main() {
  ${body}
}
`;

  it.each([
    ["y[0] = x[0];", false],
    ["y[p.y * (2u + u32(x[0].x))].w = 1.0;", false],
    ["if (y[0].x == 1.0) { y[1] = vec4f(); }", true],
    ["y[0] += x[0];", true],
    ["let a = y[0]; y[1] = a;", true],
    ["y[u32(y[0].x)] = x[0];", true],
    ["// y[0] is read\n  y[0] = x[0]; // so is y", false],
    ["y[0] = x[0];\n}\n\nfn other(y: f32) -> f32 {\n  return y;", false],
    ["y[0] = x[0];\n}\n\nfn other() -> f32 {\n  return y[0].x;", true],
  ])("%s", (body, reads) => {
    expect(accesses(kernel(body))).toEqual({
      x: { reads: true, writes: false },
      y: { reads, writes: true },
    });
  });

  it("is found for every kernel: only updates, the clock and the watch read what they write", () => {
    const names = readdirSync(SHADERS)
      .filter((name) => name.endsWith(".wgsl"))
      .map((name) => name.replace(".wgsl", ""));
    expect(names.length).toBeGreaterThan(30);
    const both = names.filter((name) =>
      [...accessesOf({ name, source: source(name) }).values()].some(({ reads, writes }) => reads && writes),
    );
    expect(both).toEqual(["adam", "advance", "watch"]);
    for (const name of names) {
      expect(
        [...accessesOf({ name, source: source(name) }).values()].some(({ writes }) => writes),
        name,
      ).toBe(true);
    }
  });
});

describe("the bytes of a dispatch", () => {
  it("of a convolution are x, w, b and y once each, padding lanes included", () => {
    const [dispatch] = dispatchesOf(() => {
      const [x, w, bias] = [input("x", [2, 8, 8, 3]), input("w", [3, 3, 3, 5]), input("b", [5])];
      return conv2d(x, w, { bias, padding: 1 });
    });
    expect(bytesOf(dispatch)).toBe(16 * (2 * 64 + 27 * 2 + 2 + 2 * 64 * 2));
  });

  it("count what is bound twice once", () => {
    // Without a bias the weights stand in its place.
    const [conv] = dispatchesOf(() => conv2d(input("x", [1, 4, 4, 4]), input("w", [1, 1, 4, 4])));
    expect(Object.values(conv.bind)).toHaveLength(4);
    expect(bytesOf(conv)).toBe(16 * (16 + 4 + 16));
    const [square] = dispatchesOf(() => {
      const x = input("x", [4, 4]);
      return mul(x, x);
    });
    expect(bytesOf(square)).toBe(16 * (4 + 4));
  });

  it("of pointwise and broadcast operands are those of their own shapes", () => {
    const [dispatch] = dispatchesOf(() =>
      leakyRelu(add(input("x", [2, 4, 4, 8]), broadcastTo(input("b", [8]), [2, 4, 4, 8]))),
    );
    expect(bytesOf(dispatch)).toBe(16 * (64 + 2 + 64));
  });

  it("of a sum count its partial sums, written by one pass and read by the next", () => {
    const [first, second] = dispatchesOf(() => sum(input("x", [64, 64])));
    const partial = first.uniform.splits * 16;
    expect(bytesOf(first)).toBe(64 * 64 * 4 + partial);
    expect(bytesOf(second)).toBe(partial + 16);
  });

  it("of a part are the part's", () => {
    const [cut] = dispatchesOf(() => slice(input("x", [8, 4, 4, 4]), [2, 0, 0, 0], [2, 4, 4, 4]));
    expect(bytesOf(cut)).toBe(2 * (2 * 16 * 16));
    const parts = dispatchesOf(() => concat([input("a", [2, 4, 4, 4]), input("b", [6, 4, 4, 4])]));
    expect(parts.map(bytesOf)).toEqual([2 * 2 * 256, 2 * 6 * 256]);
  });

  it("of Adam are four reads and three writes a number, and three scalars", () => {
    const parameters = new Parameters();
    const w = parameters.create("w", [256, 4], new Float32Array(1024));
    const all = dispatchesOf(() => adam(parameters, gradients(sum(mul(w, w)), parameters), { rate: 1e-3 }));
    const update = all.find(({ kernel }) => kernel.name === "adam") as Dispatch;
    expect(bytesOf(update)).toBe(7 * 4096 + 3 * 16);
    expect(repeatable(update)).toBe(false);
    expect(all.filter((one) => !repeatable(one)).map(({ kernel }) => kernel.name)).toEqual(["watch", "adam"]);
  });
});
