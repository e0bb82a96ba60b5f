import { describe, expect, it } from "vitest";
import { type BoundTo, type Dispatch, type Node, Scratch, type Window } from "../../src/engine/graph.js";
import { largestNeed, Workbench } from "../../src/engine/workbench.js";
import { constant, input, reshape } from "../../src/index.js";
import { gpu } from "../gpu.js";

const dispatch = (...bound: BoundTo[]): Dispatch => ({
  kernel: { name: "none", source: "" },
  bind: Object.fromEntries(bound.map((each, i) => [`v${i}`, each])),
  uniform: {},
  groups: [1, 1, 1],
});

const floats = async ({ buffer, offset, bytes }: ReturnType<ReturnType<Workbench["place"]>>) =>
  new Float32Array(await gpu.read(buffer, offset, bytes));

describe("a workbench", () => {
  const x = input("x", [64, 8]); // 2048 bytes
  const y = input("y", [16, 4]); // 256 bytes
  const range = (node: Node, offset: number, bytes: number) => ({ node, offset, bytes });

  it("gives every value a place of its size, which all ways share, and every way's scratch one", () => {
    const [a, b, c] = [new Scratch(512), new Scratch(4096), new Scratch(128)];
    const ways = [[dispatch(x, a, y), dispatch(a, c, y)], [dispatch(x, b, y)]];
    const bench = new Workbench(gpu, [ways]);
    const locate = bench.place(ways);
    for (const [bound, bytes] of [
      [x, 2048],
      [y, 256],
      [a, 512],
      [b, 4096],
      [c, 128],
      ["clock", 16],
    ] as const) {
      expect(locate(bound)).toMatchObject({ offset: 0, bytes });
      expect(locate(bound).buffer.size).toBeGreaterThanOrEqual(bytes);
    }
    expect(new Set([x, y, a, c, "clock" as const].map((bound) => locate(bound).buffer)).size).toBe(5);
    expect(locate(b).buffer).toBe(locate(a).buffer); // of another way: never in use together
    expect(largestNeed(ways[0])).toBe(2048);
    expect(largestNeed(ways[1])).toBe(4096);
    bench.destroy();
  });

  it("knows ranges, aliases, and windows of a state", () => {
    const flat = reshape(x, [512]);
    const window: Window = { state: {}, label: "m", stateBytes: 2 ** 40, offset: 256, bytes: 1024 };
    const ways = [[dispatch(flat, range(x, 256, 512), window)]];
    const bench = new Workbench(gpu, [ways]);
    const locate = bench.place(ways);
    const whole = locate(flat);
    expect(whole).toMatchObject({ offset: 0, bytes: 2048 });
    expect(locate(range(x, 256, 512))).toEqual({ buffer: whole.buffer, offset: 256, bytes: 512 });
    expect(locate(window)).toMatchObject({ offset: 0, bytes: 1024 }); // not the whole state
    expect(locate(window).buffer.size).toBe(1024);
    bench.destroy();
  });

  it("holds ordinary numbers, but for constants, which are what they are, and the clock, which is zero", async () => {
    const big = input("big", [2 ** 19, 4]); // 8 MiB: more than the noise buffer
    const fixed = constant([1, 2, 3, 4], [4]);
    const ways = [[dispatch(big, x, fixed, "clock")]];
    const bench = new Workbench(gpu, [ways, [[dispatch(y)]]]);
    const locate = bench.place(ways);
    for (const bound of [big, x]) {
      const values = await floats(locate(bound));
      expect(values.every((v) => Math.abs(v) <= 1 && (v === 0 || Math.abs(v) > 1e-30))).toBe(true);
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      const square = values.reduce((sum, v) => sum + v * v, 0) / values.length;
      expect(Math.abs(mean)).toBeLessThan(0.2);
      expect(square).toBeCloseTo(1 / 3, 1);
    }
    expect([...(await floats(locate(fixed)))]).toEqual([1, 2, 3, 4]);
    expect([...(await floats(locate("clock")))]).toEqual([0, 0, 0, 0]);
    // The next node's ways use the same memory, with new numbers in it.
    const other = [[dispatch(y)]];
    const { buffer } = locate(big);
    gpu.write(buffer, new Float32Array(64).fill(Number.NaN));
    const place = bench.place(other)(y);
    expect(place.buffer).toBe(buffer);
    expect((await floats(place)).every(Number.isFinite)).toBe(true);
    bench.destroy();
  });
});
