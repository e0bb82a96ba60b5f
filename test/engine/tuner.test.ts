import { afterEach, describe, expect, it, vi } from "vitest";
import { signatureOf } from "../../src/engine/candidates.js";
import { GpuError } from "../../src/engine/errors.js";
import { type Candidate, makeNode, type Node, type Op, Scratch } from "../../src/engine/graph.js";
import { linear } from "../../src/engine/lower.js";
import { targetOf } from "../../src/engine/program.js";
import { blocks, type Shape } from "../../src/engine/shape.js";
import { adam, compile, constant, type Timing, type TuneCache, Tuner } from "../../src/index.js";
import { gpu } from "../gpu.js";
import { autoencoder, pictures } from "./autoencoder.js";

const WORK = `
struct P { count: u32, times: u32, zero: f32, mark: f32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.count) { return; }
  var v = x[id.x];
  for (var i = 0u; i < p.times; i++) { v = v * 0.999 + 0.001; }
  y[id.x] = v * p.zero + p.mark;
}
`;

interface Variant {
  readonly name: string;
  /** How much it computes. */
  readonly times?: number;
  readonly source?: string;
  readonly groups?: [number, number, number];
  readonly scratch?: number;
  readonly adapters?: Candidate["adapters"];
}

/** An op of made-up candidates. Its result is the candidate's index everywhere, so that one sees which one ran. */
function made(variants: readonly Variant[], shape: Shape = [256, 4]): Node {
  const op: Op<{ size: Shape }> = {
    name: "work",
    shape: (_, attrs) => attrs.size,
    lower: (node, target) => {
      const named = target.kernels[signatureOf(node)] ?? target.kernels.work ?? variants[0].name;
      return op.candidates!(node, target)
        .find(({ name }) => name === named)!
        .dispatches();
    },
    candidates: (node) =>
      variants.map(({ name, times = 500, source = WORK, groups, scratch, adapters = "any" }, mark) => ({
        name,
        adapters,
        dispatches: () => {
          const count = blocks(node.shape);
          return [
            {
              kernel: { name: `work_${name}`, source },
              bind: { x: scratch ? new Scratch(scratch) : node.inputs[0], y: node },
              uniform: { count, times, zero: 0, mark },
              groups: groups ?? linear(count),
            },
          ];
        },
      })),
  };
  return makeNode(op, [constant(new Float32Array(4 * shape[0]).fill(1), shape)], { size: shape });
}

class MapCache implements TuneCache {
  readonly known = new Map<string, Timing>();
  sets = 0;
  get(signature: string): Timing | undefined {
    return this.known.get(signature);
  }
  set(timings: ReadonlyMap<string, Timing>): void {
    this.sets++;
    for (const [signature, timing] of timings) this.known.set(signature, timing);
  }
}

/** Compiles and runs a step. @returns the index of the candidate that ran */
async function ran(node: Node, tuner: Tuner): Promise<number> {
  const program = await compile(gpu, () => ({ y: node }), { tuner });
  await program.run();
  const values = await program.read("y");
  program.destroy();
  expect(new Set(values).size).toBe(1);
  return values[0];
}

const SLOW_FIRST: Variant[] = [{ name: "slow", times: 20_000 }, { name: "fast" }];

describe("the tuner", () => {
  it("takes the faster candidate, and the program runs it", async () => {
    const tuner = new Tuner(new MapCache());
    const node = made(SLOW_FIRST);
    expect(await ran(node, tuner)).toBe(1);
    const [decision] = tuner.decisions;
    expect(decision).toMatchObject({ signature: signatureOf(node), choice: "fast", standard: "slow", measured: true });
    expect(decision.ms.slow).toBeGreaterThan(decision.ms.fast);
    expect(tuner.notes).toEqual([]);
    expect(tuner.seconds).toBeGreaterThan(0);
    expect(tuner.seconds).toBeLessThan(10);
    // Without it, the first one stays.
    const program = await compile(gpu, () => ({ y: made(SLOW_FIRST) }));
    expect(program.choices).toEqual({ [signatureOf(node)]: "slow" });
    program.destroy();
  });

  it("keeps the first where it is the faster one", async () => {
    expect(await ran(made([{ name: "fast" }, { name: "slow", times: 20_000 }]), new Tuner(new MapCache()))).toBe(0);
  });

  it("times each signature once, leaves alone what has a name or only one candidate that suits", async () => {
    const cache = new MapCache();
    const tuner = new Tuner(cache, { onStart: (count) => expect(count).toBe(1) });
    const other = gpu.kind === "hardware" ? "cpu" : "gpu";
    const nodes = [
      made(SLOW_FIRST),
      made(SLOW_FIRST),
      made([{ name: "only" }, { name: "elsewhere", adapters: other }], [32, 4]),
      made(SLOW_FIRST, [64, 4]),
      made(SLOW_FIRST, [128, 4]),
    ];
    const named = { [signatureOf(nodes[3])]: "slow", [signatureOf(nodes[4])]: "fast" };
    const choices = await tuner.choose(gpu, nodes, targetOf(gpu, named));
    expect(choices).toEqual({ [signatureOf(nodes[0])]: "fast" });
    for (const all of ["work", "*"]) {
      expect(await tuner.choose(gpu, nodes, targetOf(gpu, { [all]: "slow" }))).toEqual({});
    }
    expect(cache.sets).toBe(1);
  });

  it("compiled with a tuner, a caller's own choice counts", async () => {
    const program = await compile(gpu, () => ({ y: made(SLOW_FIRST) }), {
      tuner: new Tuner(new MapCache()),
      kernels: { work: "slow" },
    });
    expect(Object.values(program.choices)).toEqual(["slow"]);
    program.destroy();
  });
});

it("a tuner out of patience times the first candidates, and what the device has run already", async () => {
  const strange = { name: "fast", source: WORK.replace("0.001", "0.002") };
  const tuner = new Tuner(new MapCache(), { patience: 0 });
  // Of one text with the first; of another.
  const [alike, unlike] = [made(SLOW_FIRST), made([SLOW_FIRST[0], strange], [64, 4])];
  const choices = await tuner.choose(gpu, [alike, unlike], targetOf(gpu));
  expect(choices).toEqual({ [signatureOf(alike)]: "fast", [signatureOf(unlike)]: "slow" });
  expect(tuner.leftOut).toBe(1);
  expect(Object.keys(tuner.decisions[1].ms)).toEqual(["slow"]);
  // Where the first does not run, another must.
  const broken = { name: "bad", source: WORK.replace("v * p.zero", "v *") };
  const saved = made([broken, { ...strange, source: WORK.replace("0.001", "0.003") }], [32, 4]);
  expect(await tuner.choose(gpu, [saved], targetOf(gpu))).toEqual({ [signatureOf(saved)]: "fast" });
});

describe("what is known", () => {
  afterEach(() => vi.restoreAllMocks());

  it("is not timed again, unless by force", async () => {
    const cache = new MapCache();
    const node = made(SLOW_FIRST);
    await new Tuner(cache).choose(gpu, [node], targetOf(gpu));
    const timed = cache.get(signatureOf(node))!;
    // Times that cannot be read here, to see where they come from.
    cache.known.set(signatureOf(node), { ...timed, choice: "slow", ms: { slow: 1, fast: 2 } });
    const submit = vi.spyOn(gpu.device.queue, "submit");
    const again = new Tuner(cache, { onStart: () => expect.unreachable() });
    expect(await again.choose(gpu, [node], targetOf(gpu))).toEqual({ [signatureOf(node)]: "slow" });
    expect(submit).not.toHaveBeenCalled();
    expect(again.decisions).toMatchObject([{ choice: "slow", ms: { slow: 1, fast: 2 }, measured: false }]);
    expect(again.seconds).toBe(0);
    expect(cache.sets).toBe(1);

    const forced = new Tuner(cache, { force: true });
    expect(await forced.choose(gpu, [node], targetOf(gpu))).toEqual({ [signatureOf(node)]: "fast" });
    expect(submit).toHaveBeenCalled();
    expect(cache.get(signatureOf(node))).toMatchObject({ choice: "fast", kernels: timed.kernels });
    expect(cache.sets).toBe(2);
  });

  it("is mixed with what is not", async () => {
    const cache = new MapCache();
    const nodes = [made(SLOW_FIRST), made(SLOW_FIRST, [64, 4])];
    await new Tuner(cache).choose(gpu, nodes.slice(1), targetOf(gpu));
    const tuner = new Tuner(cache, { onStart: (count) => expect(count).toBe(1) });
    await tuner.choose(gpu, nodes, targetOf(gpu));
    expect(tuner.decisions.map(({ measured }) => measured)).toEqual([true, false]);
    expect(cache.known.size).toBe(2);
  });

  it("is of no use once a kernel, its numbers, its grid or the list has changed", async () => {
    const cache = new MapCache();
    const changes: Variant[][] = [
      SLOW_FIRST,
      [SLOW_FIRST[0], { name: "fast", source: WORK.replace("0.999", "0.998") }],
      [SLOW_FIRST[0], { name: "fast", times: 501 }],
      [SLOW_FIRST[0], { name: "fast", groups: [5, 1, 1] }],
      [...SLOW_FIRST, { name: "third", times: 20_000 }],
    ];
    const signature = signatureOf(made(SLOW_FIRST));
    for (const variants of changes) {
      const tuner = new Tuner(cache);
      await tuner.choose(gpu, [made(variants)], targetOf(gpu));
      expect(tuner.decisions).toMatchObject([{ signature, measured: true }]);
    }
    // A choice that there is not: somebody wrote into the file.
    cache.known.set(signature, { ...cache.get(signature)!, choice: "gone" });
    const tuner = new Tuner(cache);
    expect(await tuner.choose(gpu, [made(changes[4])], targetOf(gpu))).toEqual({ [signature]: "fast" });
  });
});

describe("a candidate that does not run", () => {
  const { maxComputeWorkgroupsPerDimension: most, maxBufferSize } = gpu.device.limits;
  const BROKEN: [string, Variant, RegExp][] = [
    ["whose text is wrong", { name: "bad", source: WORK.replace("v * p.zero", "v *") }, /work_bad, line 11: /],
    [
      "that binds what it has not",
      { name: "bad", source: WORK.replace("var<storage, read> x", "var<storage, read> z").replace("x[id", "z[id") },
      /work_bad binds \[z, y\]/,
    ],
    ["with too large a grid", { name: "bad", groups: [most + 1, 1, 1] }, /its first run failed: .*65536/],
    ["with too much memory", { name: "bad", scratch: maxBufferSize + 16 }, /it needs \d+ bytes in one buffer/],
  ];

  it.each(BROKEN)("%s is dropped with a note, first or last in the list", async (_, bad, reason) => {
    for (const variants of [
      [bad, SLOW_FIRST[0], SLOW_FIRST[1]],
      [...SLOW_FIRST, bad],
    ]) {
      const cache = new MapCache();
      const tuner = new Tuner(cache);
      const node = made(variants);
      expect(await tuner.choose(gpu, [node, made(SLOW_FIRST, [64, 4])], targetOf(gpu))).toMatchObject({
        [signatureOf(node)]: "fast",
      });
      expect(tuner.notes).toHaveLength(1);
      expect(tuner.notes[0]).toMatch(/^kernel "bad" of work\(.* does not run on this adapter: .*$/);
      expect(tuner.notes[0]).toMatch(reason);
      expect(Object.keys(cache.get(signatureOf(node))!.ms).sort()).toEqual(["fast", "slow"]);
      gpu.check();
    }
  });

  it("is an error where no other is left", async () => {
    const [[, a], , [, b]] = BROKEN;
    const cache = new MapCache();
    const choosing = new Tuner(cache).choose(gpu, [made([a, { ...b, name: "worse" }])], targetOf(gpu));
    await expect(choosing).rejects.toThrow(GpuError);
    await expect(choosing).rejects.toThrow(/"bad" of .* does not run .*"worse" of .* does not run/s);
    expect(cache.sets).toBe(0);
    gpu.check();
  });
});

describe("a training step", () => {
  /** The step of a tiny autoencoder, its update included. */
  async function training(options: { tuner?: Tuner; kernels?: Record<string, string> }) {
    const { parameters, step } = autoencoder();
    const build = () => {
      const { loss, gradients: grads } = step();
      return { loss, update: adam(parameters, grads, { rate: 0.01 }) };
    };
    const program = await compile(gpu, build, { seed: 42, ...options });
    program.write("source", pictures(0));
    program.write("target", pictures(1));
    for (let i = 0; i < 3; i++) await program.run();
    const { values } = await program.history();
    program.destroy();
    return { loss: values.loss, choices: program.choices };
  }

  // The embedded adapter compiles for 25 seconds.
  it.skipIf(gpu.kind === "embedded" && !process.env.SHIBORI_FULL)(
    "is tuned as it is laid out, and its choices give the same bits again",
    async () => {
      const tuner = new Tuner(new MapCache());
      const tuned = await training({ tuner });
      expect(tuner.decisions.length).toBeGreaterThan(5);
      expect(tuned.choices).toMatchObject(Object.fromEntries(tuner.decisions.map((d) => [d.signature, d.choice])));
      for (const { ms } of tuner.decisions) {
        for (const each of Object.values(ms)) expect(each).toBeGreaterThan(0);
      }
      const again = await training({ kernels: tuned.choices, tuner: new Tuner(new MapCache(), { force: true }) });
      expect(again).toEqual(tuned);
    },
  );

  it("frees all that it was timed with", async () => {
    const live = new Map<GPUBuffer, string>();
    const original = gpu.device.createBuffer.bind(gpu.device);
    const spy = vi.spyOn(gpu.device, "createBuffer").mockImplementation((descriptor) => {
      const buffer = original(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      live.set(buffer, descriptor.label ?? "");
      buffer.destroy = () => {
        live.delete(buffer);
        return destroy();
      };
      return buffer;
    });
    try {
      await new Tuner(new MapCache()).choose(gpu, [made(SLOW_FIRST), made(SLOW_FIRST, [64, 4])], targetOf(gpu));
    } finally {
      spy.mockRestore();
    }
    // Constants belong to the device.
    expect([...live.values()].filter((label) => label !== "constant")).toEqual([]);
  });
});

it("without a clock on the device, the host's tells a kernel of 20 times the work", async () => {
  const cache = new MapCache();
  const has = vi.spyOn(gpu.device.features, "has").mockReturnValue(false);
  try {
    const tuner = new Tuner(cache);
    await tuner.choose(gpu, [made(SLOW_FIRST)], targetOf(gpu));
    expect(tuner.decisions[0]).toMatchObject({ choice: "fast" });
  } finally {
    has.mockRestore();
  }
});
