import { expect, it } from "vitest";
import { flatLayout, type PackAttrs, pack, sumSquares, windows } from "../../../src/engine/ops/pack.js";
import { add, exp, input, type Node, reshape, scale } from "../../../src/index.js";
import { openGpu } from "../../../src/platform/node.js";
import { compileDirty, evaluate, expectExact, expectWithin, leaf, readAll, sabotage, step } from "../../gpu.js";
import { fill, randomTensors, tensor } from "../../reference/tensor.js";

const shapes = [[3, 3, 3, 5], [5], [], [1, 1, 5, 40], [40], [17, 3], [16]];
const random = randomTensors(2000);
const xs = shapes.map((shape) => random(shape));
const squares = xs.reduce((total, { data }) => data.reduce((sum, v) => sum + v * v, total), 0);
const count = xs.reduce((total, { data }) => total + data.length, 0);
const bound = { magnitude: fill([], squares), count: fill([], count) };
const nodes = () => xs.map((x) => scale(leaf(x), 1));

it("lays entries out at multiples of 256 bytes, with zeros between them", async () => {
  const program = await compileDirty(() => ({ flat: pack(nodes()) }));
  await step(program);
  const [flat] = program.outputs.get("flat")!.nodes as Node<PackAttrs>[];
  const storage = await program.readStorage(flat);
  expect(storage.length * 4).toBe(flat.attrs.bytes);
  let at = 0;
  xs.forEach(({ shape, data }, i) => {
    expect(flat.attrs.offsets[i]).toBe(at);
    const last = shape.at(-1) ?? 1;
    const row = Math.ceil(last / 4) * 4;
    const rows = data.length / last;
    const size = Math.ceil((rows * row * 4) / 256) * 64;
    const packed = new Float32Array(size);
    data.forEach((v, e) => {
      packed[Math.floor(e / last) * row + (e % last)] = v;
    });
    expect(storage.slice(at / 4, at / 4 + size)).toEqual(packed);
    at += size * 4;
  });
  expect(flat.attrs.bytes).toBe(at);
  program.destroy();
});

it("leaves its inputs readable inside it, and adds no dispatch for them", async () => {
  const program = await compileDirty(() => {
    const inside = nodes();
    return {
      flat: pack(inside),
      ...Object.fromEntries(inside.map((x, i) => [`${i}`, x])),
      more: add(inside[1], inside[1]),
    };
  });
  // One dispatch for each of the nodes, one for `more`, one for the clock.
  expect(program.dispatches).toBe(shapes.length + 2);
  await step(program);
  const values = await readAll(program);
  xs.forEach((x, i) => {
    expectExact(`input ${i}`, values[i], x);
  });
  program.destroy();
});

it("copies what cannot lie inside: leaves, aliases, nodes packed before or read by another of the list", async () => {
  const x = randomTensors(2100)([2, 8]);
  const values = await evaluate(() => {
    const constant = leaf(x);
    const own = input("own", [3]);
    const computed = scale(constant, 1);
    const list = [constant, own, reshape(scale(constant, 3), [4, 4]), computed, exp(computed), scale(constant, 2)];
    const flat = pack(list);
    expect(pack(list)).toBe(flat);
    const again = pack([list[5]]);
    return { flat, again, sum: sumSquares(flat), other: sumSquares(again) };
  });
  const parts = [x.data, x.data.map((v) => 3 * v), x.data, x.data.map(Math.exp), x.data.map((v) => 2 * v)];
  const total = parts.reduce((sum, data) => data.reduce((t, v) => t + v * v, sum), 0);
  // exp errs by less than 6 ULP here, its square by 12.
  const c = { magnitude: fill([], total), count: fill([], 80 + 24) };
  expectWithin("sum of squares with copies", values.sum, tensor([], [total]), c);
  const twice = x.data.reduce((t, v) => t + 4 * v * v, 0);
  expectWithin("packed again", values.other, tensor([], [twice]), { magnitude: fill([], twice), count: fill([], 16) });
});

it.each(["baseline", "tree"])("sums squares, not counting gaps and padding: %s", async (way) => {
  const { y } = await evaluate(() => ({ y: sumSquares(pack(nodes())) }), { kernels: { "*": way } });
  expectWithin(`sum of squares, ${way}`, y, tensor([], [squares]), bound);
});

it("sums squares in windows where one binding is too small for the whole", async () => {
  const small = await openGpu({ maxBindingBytes: 1024 });
  // 1024 bytes hold each tensor, and the partial sums of the windows do not count: they are bound in one piece.
  expect(small.maxBindingBytes).toBe(1024);
  const program = await compileDirty(() => ({ y: sumSquares(pack(nodes())) }), {}, small);
  await step(program);
  expectWithin("sum of squares in windows", (await readAll(program)).y, tensor([], [squares]), bound);
  small.check();
  small.destroy();
});

it("cuts windows at multiples of 256 bytes", () => {
  expect(windows(2048, 1000)).toEqual([
    { offset: 0, bytes: 768 },
    { offset: 768, bytes: 768 },
    { offset: 1536, bytes: 512 },
  ]);
  expect(windows(256, 1024)).toEqual([{ offset: 0, bytes: 256 }]);
  expect(flatLayout([1, 256, 257])).toEqual({ offsets: [0, 256, 512], bytes: 1024 });
});

it("fails with a planted fault: the last partial sum left out", async () => {
  const { y } = await evaluate(() => ({ y: sabotage(sumSquares(pack(nodes())), "s < p.splits", "s + 1u < p.splits") }));
  expect(() => expectWithin("planted", y, tensor([], [squares]), bound)).toThrow(/fraction/);
});
