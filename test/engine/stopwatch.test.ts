import { describe, expect, it, vi } from "vitest";
import type { Dispatch } from "../../src/engine/graph.js";
import { Launches } from "../../src/engine/launch.js";
import { Stopwatch } from "../../src/engine/stopwatch.js";
import { Workbench } from "../../src/engine/workbench.js";
import { input } from "../../src/index.js";
import { gpu } from "../gpu.js";

const SOURCE = `
struct P { times: u32 }
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  var v = y[id.x];
  for (var i = 0u; i < p.times; i++) { v = v * 0.999 + 0.001; }
  y[id.x] = v;
}
`;

/** Kernels of so many turns of a loop. */
async function kernels(...turns: number[]) {
  const y = input("y", [256, 4]);
  const ways = turns.map((times): Dispatch[] => [
    { kernel: { name: "turns", source: SOURCE }, bind: { y }, uniform: { times }, groups: [4, 1, 1] },
  ]);
  const workbench = new Workbench(gpu, [ways]);
  const locate = workbench.place(ways);
  return Promise.all(ways.map((way) => Launches.prepare(gpu, way, locate)));
}

describe.each([
  ["the device's clock", gpu.device.features.has("timestamp-query")],
  ["the host's clock", false],
])("by %s", (_, deviceClock) => {
  it("a reading is of one repetition, whatever is expected", async () => {
    const [short, long] = await kernels(500, 10_000);
    const watch = new Stopwatch(gpu, 2, deviceClock);
    await watch.time([short, long].map((launches) => ({ launches, repeats: 1, expected: 0 }))); // compiles
    const least = async (...all: { repeats: number; expected: number }[]) => {
      const fastest = all.map(() => Number.POSITIVE_INFINITY);
      for (let round = 0; round < 10; round++) {
        const read = await watch.time(all.map((each, i) => ({ launches: [short, long][i], ...each })));
        read.forEach((ms, i) => {
          fastest[i] = Math.min(fastest[i], ms);
        });
      }
      return fastest;
    };
    const [once, twenty] = await least({ repeats: 1, expected: 8 }, { repeats: 1, expected: 8 });
    expect(once).toBeGreaterThan(0);
    expect(twenty).toBeGreaterThan(once);
    const [many] = await least({ repeats: 20, expected: 0 });
    // The long one has the turns of twenty short ones. (What else a machine does may slow either.)
    expect(20 * many).toBeGreaterThan(twenty / 10);
    expect(many).toBeLessThan(twenty / 2);
    watch.destroy();
  }, 30_000);
});

it("a clock that stands still is not believed", async () => {
  const [short] = await kernels(500);
  const watch = new Stopwatch(gpu, 1, gpu.device.features.has("timestamp-query"));
  const read = vi.spyOn(gpu, "read").mockResolvedValue(new ArrayBuffer(16));
  try {
    const [ms] = await watch.time([{ launches: short, repeats: 1, expected: 0 }]);
    expect(ms).toBeGreaterThan(0);
    await watch.time([{ launches: short, repeats: 1, expected: 0 }]);
    expect(read.mock.calls.length).toBeLessThanOrEqual(1);
  } finally {
    read.mockRestore();
    watch.destroy();
  }
});
