import { beforeAll, describe, expect, it } from "vitest";
import type { Node } from "../../src/engine/graph.js";
import {
  type AdamOptions,
  adam,
  add,
  constant,
  gradientNorm,
  input,
  learningRate,
  Parameters,
  type Schedule,
  scale,
  UserError,
} from "../../src/index.js";
import { openGpu } from "../../src/platform/node.js";
import { DIVISION, SQRT, ULP } from "../engine/ops/accuracy.js";
import { adamCases } from "../golden/autoencoder.js";
import { compileDirty, evaluate, expectNear, expectWithin, gpu, leaf, readAll, sabotage, step } from "../gpu.js";
import { adamState, adamStep } from "../reference/adam.js";
import { fill, map, randomTensors, type Tensor, tensor, zeros } from "../reference/tensor.js";

const U = 2 ** -24;

// --- what Adam must do, and how far rounding may take it from that ---------------------------------------------------

interface Expected {
  value: Tensor;
  tolerance: Float64Array;
}

/** Relative error of 1 − exp(t · log β) as the kernel computes it: by a polynomial near 0, else by exp. */
function correctionError(t: number, beta: number): number {
  const x = t * Math.log(beta);
  // Ten operations and the cut-off x⁵/720 ≤ 0.3 U of the polynomial; the argument is rounded twice.
  if (x >= -0.1) return 13 * U;
  const e = Math.exp(x);
  return (e * ((3 - 2 * x) * ULP - 2 * U * x) + ULP) / (1 - e);
}

interface Replay extends Pick<AdamOptions, "beta1" | "beta2" | "epsilon" | "weightDecay"> {
  /** The learning rate of step t, from 1, and its relative error. */
  rate: (t: number) => number;
  rateError?: number;
  /** What gradients are multiplied by, and its relative error. */
  factor?: (t: number) => number;
  factorError?: number;
}

/** Adam in float64 over all steps, with a bound on the error of each number. */
function replay(start: Tensor, gradients: Tensor[], options: Replay): Record<"values" | "m" | "v", Expected> {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, factor = () => 1 } = options;
  const { rate, rateError = U, factorError = 0 } = options;
  const value = map(start, (v) => v);
  const state = adamState(value);
  const size = zeros(start.shape).data; // the first moment of |g|
  const tolerance = zeros(start.shape).data;
  gradients.forEach((gradient, i) => {
    const t = i + 1;
    const g = map(gradient, (v) => v * factor(t));
    const learningRate = rate(t);
    adamStep(value, g, state, { learningRate, betas: [beta1, beta2], epsilon, weightDecay, decoupled: true });
    const correction1 = 1 - beta1 ** t;
    const correction2 = 1 - beta2 ** t;
    // Each step rounds m four times and v five times. v enters by its root.
    const second = 5 * t * U + 2 * factorError + correctionError(t, beta2) + DIVISION;
    const relative =
      4 * t * U + factorError + correctionError(t, beta1) + 2 * DIVISION + second / 2 + SQRT + 3 * ULP + rateError;
    for (let e = 0; e < tolerance.length; e++) {
      size[e] = beta1 * size[e] + (1 - beta1) * Math.abs(g.data[e]);
      const below = Math.sqrt(state.second.data[e] / correction2) + epsilon;
      tolerance[e] += ((learningRate * size[e]) / correction1 / below) * relative + 4 * U * Math.abs(value.data[e]);
    }
  });
  const t = gradients.length;
  return {
    values: { value, tolerance },
    m: { value: state.first, tolerance: size.map((s) => s * (4 * t * U + factorError)) },
    v: { value: state.second, tolerance: state.second.data.map((v) => v * (5 * t * U + 2 * factorError)) },
  };
}

// --- a small model whose gradients the test writes -------------------------------------------------------------------

/** Shapes with padding, whole vec4s, one number; more than 256 bytes and less. */
const shapes: Record<string, number[]> = { w: [3, 3, 3, 5], b: [5], scale: [], wide: [1, 1, 8, 20] };
const STEPS = 12;
const random = randomTensors(4000);
const starts = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, random(shape)]));
/** Step t's gradients; sizes differ by 10⁴ between parameters, and some are zero. */
const gradientsAt = Array.from({ length: STEPS }, () =>
  Object.fromEntries(
    Object.entries(shapes).map(([name, shape], i) => {
      const unit = 10 ** (i - 2);
      return [name, map(random(shape), (v, e) => (e === 3 ? 0 : Math.fround(v * unit)))];
    }),
  ),
);
const inputs = () => Object.entries(shapes).map(([name, shape]) => input(name, shape));
const normAt = (t: number) =>
  Math.sqrt(Object.values(gradientsAt[t - 1]).reduce((sum, { data }) => data.reduce((s, g) => s + g * g, sum), 0));
const numbers = Object.values(starts).reduce((sum, { data }) => sum + data.length, 0);
/** Of the norm: the sum's roundings halved by the root. */
const NORM_ERROR = (numbers * U) / 2 + SQRT;

async function train(
  options: AdamOptions | (() => AdamOptions),
  device = gpu,
  edit: (update: Node) => Node = (update) => update,
) {
  const parameters = new Parameters();
  for (const [name, { shape, data }] of Object.entries(starts)) parameters.create(name, shape, data);
  const build = () => {
    const update = adam(parameters, inputs(), typeof options === "function" ? options() : options);
    return { update: edit(update), ...Object.fromEntries(parameters.nodes.map((p) => [p.attrs.name, p])) };
  };
  const program = await compileDirty(build, {}, device);
  for (const gradients of gradientsAt) {
    for (const [name, { data }] of Object.entries(gradients)) program.write(name, data);
    await step(program);
  }
  // Reading the parameters as outputs checks their padding.
  await readAll(program);
  program.destroy();
  const read = async (state: string) => parameters.read(device, state);
  return { values: await read("values"), m: await read("m"), v: await read("v") };
}

function expectTrained(what: string, actual: Awaited<ReturnType<typeof train>>, options: Replay): void {
  for (const [name, start] of Object.entries(starts)) {
    const series = gradientsAt.map((gradients) => gradients[name]);
    const expected = replay(start, series, options);
    for (const state of ["values", "m", "v"] as const) {
      const { value, tolerance } = expected[state];
      const data = actual[state].get(name)!;
      expectNear(`${what}: ${state} of ${name}`, { shape: start.shape, data }, value, tolerance);
    }
  }
}

// --- tests ----------------------------------------------------------------------------------------------------------

describe("adam", () => {
  it("is Adam over twelve steps, moments included", async () => {
    expectTrained("adam", await train({ rate: 0.01 }), { rate: () => 0.01 });
  });

  it("takes other betas and epsilon, and a decoupled decay: AdamW", async () => {
    const options = { beta1: 0.5, beta2: 0.95, epsilon: 1e-3, weightDecay: 0.2 };
    expectTrained("adamw", await train({ rate: 0.03, ...options }), { rate: () => 0.03, ...options });
  });

  it("follows a schedule", async () => {
    const rate: Schedule = { rate: 0.02, warmup: 4, decay: { shape: "linear", steps: 12, from: 0.5, floor: 0.25 } };
    const at = (t: number) => scheduled(rate, t);
    // Warm-up is a quotient, decay the difference of 1 and one, at least 0.25: see RATE_ERROR.
    expectTrained("schedule", await train({ rate }), { rate: at, rateError: RATE_ERROR / 0.25 });
  });

  it("takes its rate from a node", async () => {
    expectTrained("rate node", await train(() => ({ rate: scale(constant([0.02], []), 0.5) })), { rate: () => 0.01 });
  });

  it("scales gradients down to a norm, and only down", async () => {
    const norms = gradientsAt.map((_, i) => normAt(i + 1)).sort((a, b) => a - b);
    // Half of the steps are clipped. A large epsilon lets the size of gradients matter.
    const maxNorm = (norms[5] + norms[6]) / 2;
    const factor = (t: number) => Math.min(1, maxNorm / (normAt(t) + 1e-6));
    const factorError = NORM_ERROR + DIVISION + 3 * ULP;
    const actual = await train({ rate: 0.01, epsilon: 0.1, maxNorm });
    expectTrained("clipping", actual, { rate: () => 0.01, epsilon: 0.1, factor, factorError });
  });

  it("gives the same bits in windows, where one binding is too small for all parameters", async () => {
    const small = await openGpu({ maxBindingBytes: 1024 });
    const windowed = await train({ rate: 0.01, weightDecay: 0.1 }, small);
    const whole = await train({ rate: 0.01, weightDecay: 0.1 });
    expect(windowed).toEqual(whole);
    small.check();
    small.destroy();
  });

  it.each([
    ["epsilon under the root", "(sqrt(vi * r.y) + p.epsilon)", "sqrt(vi * r.y + p.epsilon)"],
    ["the step counted from 2", "f32(clock.step)", "f32(clock.step + 1u)"],
  ])("fails with a planted fault: %s", async (_, text, by) => {
    const options = { epsilon: 1e-3, weightDecay: 0.2 };
    const actual = await train({ rate: 0.03, ...options }, gpu, (update) => sabotage(update, text, by));
    expect(() => expectTrained("planted", actual, { rate: () => 0.03, ...options })).toThrow(/fraction/);
  });

  it.each(adamCases)("takes PyTorch's path: $optimiser with decay", async (path) => {
    const { start, lr, betas, eps: epsilon, weight_decay: weightDecay, optimiser } = path;
    const parameters = new Parameters();
    const w = parameters.create("w", [start.length], start);
    const coupled = optimiser === "adam";
    const program = await compileDirty(() => {
      const g = input("g", [start.length]);
      // Adam's decay is a part of the gradient.
      const gradient = coupled ? add(g, scale(w, weightDecay)) : g;
      const options = { rate: lr, beta1: betas[0], beta2: betas[1], epsilon, weightDecay: coupled ? 0 : weightDecay };
      return { update: adam(parameters, [gradient], options) };
    });
    const gradients = path.gradients.map((g) => tensor([g.length], g));
    for (let t = 1; t <= gradients.length; t++) {
      program.write("g", gradients[t - 1].data);
      await step(program);
      const options = {
        rate: () => lr,
        beta1: betas[0],
        beta2: betas[1],
        epsilon,
        weightDecay: coupled ? 0 : weightDecay,
      };
      const series = gradients.slice(0, t).map((g, i) => {
        const before = i === 0 ? start : path.parameters[i - 1];
        return coupled ? map(g, (v, e) => v + weightDecay * before[e]) : g;
      });
      const { tolerance } = replay(tensor([start.length], start), series, options).values;
      const actual = { shape: [start.length], data: (await parameters.read(gpu)).get("w")! };
      // The golden numbers have 9 digits. Where the decay is a part of the gradient, two more roundings of it, and the
      // parameter's own error comes back through it, by less than itself.
      const slack = tolerance.map((e, i) => (coupled ? 2 : 1) * e + 1e-9 * Math.abs(path.parameters[t - 1][i]));
      expectNear(`${optimiser} of PyTorch, step ${t}`, actual, tensor([start.length], path.parameters[t - 1]), slack);
    }
    program.destroy();
  });

  it.each<[string, (p: Parameters, g: Node) => Node, string]>([
    ["too few gradients", (p) => adam(p, [], { rate: 1 }), "adam: 0 gradients for 1 parameters"],
    ["beta2 = 1", (p, g) => adam(p, [g], { rate: 1, beta2: 1 }), "adam: beta2 1 must lie between 0 and 1"],
    ["maxNorm 0", (p, g) => adam(p, [g], { rate: 1, maxNorm: 0 }), "adam: maxNorm 0 must be positive"],
    [
      "rate −1 in a schedule",
      (p, g) => adam(p, [g], { rate: { rate: -1 } }),
      "learning rate -1 must be a positive number",
    ],
  ])("refuses %s", (_, build, message) => {
    const parameters = new Parameters();
    parameters.create("w", [2], [1, 2]);
    expect(() => build(parameters, leaf(zeros([2])))).toThrow(UserError);
    expect(() => build(parameters, leaf(zeros([2])))).toThrow(message);
  });
});

it("gradientNorm is the root of the sum of all squares", async () => {
  const { norm } = await evaluate(() => ({ norm: gradientNorm(Object.values(gradientsAt[0]).map(leaf)) }));
  const expected = tensor([], [normAt(1)]);
  expectWithin("gradientNorm", norm, expected, { magnitude: expected, count: fill([], NORM_ERROR / U) }, 1);
});

// --- learning rate --------------------------------------------------------------------------------------------------

/** The rate of a step, counted from 1, as `Schedule` describes it. */
function scheduled({ rate, warmup = 0, decay }: Schedule, t: number): number {
  let factor = warmup ? Math.min(1, t / warmup) : 1;
  if (decay) {
    const { shape, steps, from = 0, floor = 0 } = decay;
    const done = Math.min(Math.max((t - from * steps) / (steps - from * steps), 0), 1);
    const left =
      shape === "linear" ? Math.max(floor, 1 - done) : floor + ((1 - floor) * (1 + Math.cos(Math.PI * done))) / 2;
    factor = Math.min(factor, left);
  }
  return rate * factor;
}

/** Relative to the peak: a quotient of rounded numbers, a difference, the product with the peak. */
const RATE_ERROR = DIVISION + 5 * ULP;

describe("learningRate", () => {
  const schedules: Record<string, Schedule> = {
    constant: { rate: 3e-4 },
    "warm-up": { rate: 0.1, warmup: 7 },
    linear: { rate: 0.1, decay: { shape: "linear", steps: 20 } },
    "linear, from the middle, to a floor": {
      rate: 2e-3,
      warmup: 3,
      decay: { shape: "linear", steps: 20, from: 0.5, floor: 0.3 },
    },
    cosine: { rate: 1e-3, decay: { shape: "cosine", steps: 20 } },
    "cosine, from the middle, to a floor": {
      rate: 1e-3,
      warmup: 5,
      decay: { shape: "cosine", steps: 21, from: 0.25, floor: 0.1 },
    },
  };
  const first = 1_000_000;
  const late: Schedule = { rate: 1e-3, decay: { shape: "linear", steps: 2 * first } };
  let history: Record<string, Float32Array>;
  let continued: Float32Array;
  beforeAll(async () => {
    const program = await compileDirty(() => ({
      ...Object.fromEntries(Object.entries(schedules).map(([name, schedule]) => [name, learningRate(schedule)])),
      late: learningRate(late),
    }));
    for (let t = 1; t <= 25; t++) await step(program);
    history = (await program.history()).values;
    program.setStep(first);
    await step(program);
    continued = await program.read("late");
    program.destroy();
  });

  it.each(Object.entries(schedules))("%s", (name, schedule) => {
    const expected = tensor(
      [25],
      Array.from({ length: 25 }, (_, i) => scheduled(schedule, i + 1)),
    );
    // WGSL's cos has an absolute error of 2⁻¹¹; half of it remains in (1 + cos) / 2.
    const cosine = schedule.decay?.shape === "cosine" ? 2 ** -12 : 0;
    const tolerance = expected.data.map(() => schedule.rate * (RATE_ERROR + cosine));
    expectNear(name, { shape: [25], data: history[name] }, expected, tolerance);
  });

  it("goes on from the step that is set", () => {
    expectNear("late", { shape: [], data: continued }, tensor([], [scheduled(late, first + 1)]), [1e-3 * RATE_ERROR]);
  });

  it.each<[Schedule, string]>([
    [{ rate: 0 }, "learning rate 0 must be a positive number up to 1e30"],
    [{ rate: Number.NaN }, "learning rate NaN must be a positive number up to 1e30"],
    [{ rate: 1.1e30 }, "learning rate 1.1e+30 must be a positive number up to 1e30"],
    [{ rate: 1, warmup: -1 }, "warm-up of -1 steps must be at least 0"],
    [{ rate: 1, decay: { shape: "linear", steps: 0 } }, "decay over 0 steps must be at least 1"],
    [{ rate: 1, decay: { shape: "cosine", steps: 9, from: 1 } }, "decay from 1 must be a fraction from 0 to below 1"],
    [{ rate: 1, decay: { shape: "cosine", steps: 9, floor: -0.5 } }, "decay floor -0.5 must be a fraction"],
  ])("refuses %o", (schedule, message) => {
    expect(() => learningRate(schedule)).toThrow(UserError);
    expect(() => learningRate(schedule)).toThrow(message);
  });
});
