import { describe, expect, it } from "vitest";
import { copy } from "../../../src/engine/ops/reshape.js";
import { exp, reshape, ShapeError, scale } from "../../../src/index.js";
import { compileDirty, evaluate, expectExact, gradientsOf, leaf, sabotage } from "../../gpu.js";
import { reshape as oracle } from "../../reference/shape.js";
import { randomTensors, zeros } from "../../reference/tensor.js";

describe("reshape", () => {
  it.each([
    { from: [2, 3, 4, 5], to: [6, 4, 5], what: "free: the last axis stays" },
    { from: [2, 8], to: [4, 4], what: "free: no padding on either side" },
    { from: [2, 3, 3, 8], to: [2, 72], what: "free: the flatten of a code" },
    { from: [2, 3, 3, 5], to: [2, 45], what: "a copy out of padded rows" },
    { from: [2, 45], to: [2, 3, 3, 5], what: "a copy into padded rows" },
    { from: [6], to: [2, 3], what: "a copy" },
    { from: [1, 1, 7], to: [7, 1], what: "a copy to one channel" },
    { from: [1, 33], to: [33], what: "free: an axis of 1 dropped" },
    { from: [1], to: [], what: "a scalar" },
    { from: [], to: [1, 1, 1, 1], what: "from a scalar" },
    { from: [4, 16], to: [64, 1], what: "a copy that widens the storage" },
  ])("$from → $to, $what", async ({ from, to, what }) => {
    const random = randomTensors(1600);
    const x = random(from);
    const gy = random(to);
    let dispatches = 0;
    const build = () => {
      const xs = scale(leaf(x), 1);
      const y = reshape(xs, to);
      dispatches = y.op.kind === "alias" ? 0 : 1;
      // A second op reads the result, so an alias is bound in its new shape.
      return { y, twice: scale(y, 2), gx: gradientsOf(y, gy, [xs])[0] };
    };
    const values = await evaluate(build);
    expect(dispatches).toBe(what.startsWith("free") || from.length * to.length === 0 ? 0 : 1);
    const y = oracle.forward(x, to);
    expectExact("y", values.y, y);
    expectExact("read by another op", values.twice, { shape: to, data: y.data.map((v) => 2 * v) });
    expectExact("gx", values.gx, oracle.backward(x, to, gy));
  });

  it("keeps the memory of its input alive while the alias is read", async () => {
    const x = randomTensors(1700)([4, 8]);
    // Between the two uses of the alias other values come and go.
    const { y } = await evaluate(() => {
      const flat = reshape(scale(leaf(x), 1), [8, 4]);
      let busy = exp(leaf(x));
      for (let i = 0; i < 5; i++) busy = scale(busy, 0.5);
      return { busy, y: scale(flat, 1) };
    });
    expectExact("y", y, oracle.forward(x, [8, 4]));
  });

  it("is the same node for the same shape", () => {
    const x = leaf(zeros([2, 3]));
    expect(reshape(x, [2, 3])).toBe(x);
  });

  it("fails with a planted fault: rows of the wrong length", async () => {
    const x = randomTensors(1800)([2, 45]);
    const wrong = () => ({
      y: sabotage(reshape(leaf(x), [2, 3, 3, 5]), "e / p.xLast * p.xRow", "e / p.xLast * p.xLast"),
    });
    const { y } = await evaluate(wrong);
    expect(() => expectExact("planted", y, oracle.forward(x, [2, 3, 3, 5]))).toThrow("not");
  });

  it("refuses another count of values", () => {
    const wrong = () => reshape(leaf(zeros([2, 3])), [4]);
    expect(wrong).toThrow(ShapeError);
    expect(wrong).toThrow("reshape([2, 3]): 6 values do not fill [4]");
  });
});

describe("copy", () => {
  it("has the shape and the numbers of what it copies, in memory of its own", async () => {
    const x = randomTensors(1900)([2, 8]);
    const program = await compileDirty(() => {
      const flat = reshape(scale(leaf(x), 1), [4, 4]);
      return { flat, y: copy(flat), scalar: copy(reshape(leaf(zeros([1])), [])) };
    });
    expect(program.outputs.get("y")?.shape).toEqual([4, 4]);
    expect(program.outputs.get("scalar")?.shape).toEqual([]);
    await program.run();
    expect([...(await program.read("y"))]).toEqual([...x.data]);
  });
});
