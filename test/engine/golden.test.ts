import { beforeAll, describe, expect, it } from "vitest";
import { latentStatistics } from "../../src/faceswap/losses.js";
import {
  type Activation,
  adam,
  concat,
  conv2d,
  convTranspose2d,
  gradients,
  input,
  l1,
  type Node,
  Parameters,
  split,
  sum,
} from "../../src/index.js";
import { golden, type Identity, images, initialParameters, type Values } from "../golden/autoencoder.js";
import { compileDirty, expectNear, gpu, readAll, STYLES, step, type Value } from "../gpu.js";
import { tensor } from "../reference/tensor.js";

const { config, float32Deviation } = golden;

/** Rounding differs between programs, but not its size: ten times what PyTorch's own float32 run is off by. */
const FACTOR = 10;

const NAMES = ["src", "dst"] as const;

function network(name: "encoder" | Identity, parameters: Map<string, Node>, x: Node): Node {
  return config.networks[name].reduce((y, layer, i) => {
    const { stride, padding, outputPadding } = layer;
    const activation: Activation = layer.activation === "leakyRelu" ? { leakyRelu: config.alpha } : layer.activation;
    const w = parameters.get(`${name}.${i}.weight`)!;
    const bias = parameters.get(`${name}.${i}.bias`)!;
    return layer.op === "conv2d"
      ? conv2d(y, w, { bias, stride, padding, activation })
      : convTranspose2d(y, w, { bias, stride, padding, outputPadding, activation });
  }, x);
}

/** The golden run as a program: its losses at each step, step 1 in full, the parameters at the end. */
async function train(style: string) {
  const parameters = new Parameters();
  for (const [name, { shape, data }] of initialParameters()) parameters.create(name, shape, data);
  const byName = new Map<string, Node>(parameters.nodes.map((p) => [p.attrs.name, p]));
  const { batch, size, latentWeight, latentPooling } = config;
  const { learningRate: rate, betas, epsilon } = config.adam;
  expect(latentWeight).toBe(1);
  const build = () => {
    const x = NAMES.map((name) => input(name, [batch, size, size, 3]));
    const z = split(network("encoder", byName, concat(x)));
    const y = NAMES.map((name, i) => network(name, byName, z[i]));
    const [src, dst] = NAMES.map((_, i) => l1(y[i], x[i]));
    const latent = latentStatistics(z[0], z[1], latentPooling);
    const total = sum([src, dst, latent]);
    const gs = gradients(total, parameters);
    const found: Record<string, Node> = { total, "loss src": src, "loss dst": dst, latent };
    NAMES.forEach((name, i) => {
      Object.assign(found, { [`z ${name}`]: z[i], [`y ${name}`]: y[i] });
    });
    parameters.nodes.forEach((p, i) => {
      found[`gradient ${p.attrs.name}`] = gs[i];
    });
    return { ...found, update: adam(parameters, gs, { rate, beta1: betas[0], beta2: betas[1], epsilon }) };
  };
  const program = await compileDirty(build, { kernels: { "*": style } });
  let first: Record<string, Value> = {};
  for (let t = 1; t <= config.steps; t++) {
    for (const name of NAMES) program.write(name, images(name, t));
    await step(program);
    if (t === 1) first = await readAll(program);
  }
  const losses = (await program.history()).values;
  program.destroy();
  return { first, losses, parameters: await parameters.read(gpu) };
}

/** Within FACTOR times a deviation, which is the greatest difference over the greatest value. */
function expectGolden(what: string, actual: Value, { shape, data }: Values, deviation: number): void {
  const allowed = FACTOR * deviation * Math.max(...data.map(Math.abs));
  expectNear(what, actual, tensor(shape, data), Array<number>(data.length).fill(allowed));
}

describe.each(STYLES)("a tiny autoencoder trains like PyTorch's, %s kernels", (style) => {
  let run: Awaited<ReturnType<typeof train>>;
  beforeAll(async () => {
    run = await train(style);
  });

  it("has the losses of all ten steps, each part", () => {
    const relative = FACTOR * Math.max(...float32Deviation.losses);
    expect(golden.losses.length).toBe(config.steps);
    const parts = { total: "total", src: "loss src", dst: "loss dst", latent: "latent" };
    for (const [part, name] of Object.entries(parts) as [keyof typeof parts, string][]) {
      const expected = golden.losses.map((losses) => losses[part]);
      const shape = [config.steps];
      const tolerance = expected.map((loss) => relative * loss);
      expectNear(`${name}, ${style}`, { shape, data: run.losses[name] }, tensor(shape, expected), tolerance);
    }
  });

  it.each(NAMES)("has the code and the reconstruction of %s at step 1", (name) => {
    expectGolden(`code, ${style}`, run.first[`z ${name}`], golden.step1.latent[name], float32Deviation.latent);
    expectGolden(
      `reconstruction, ${style}`,
      run.first[`y ${name}`],
      golden.step1.reconstruction[name],
      float32Deviation.reconstruction,
    );
  });

  it.each(Object.keys(golden.step1.gradients))("has the gradient of %s at step 1", (name) => {
    expectGolden(
      `gradient of ${name}, ${style}`,
      run.first[`gradient ${name}`],
      golden.step1.gradients[name],
      float32Deviation.gradients,
    );
  });

  it.each(Object.keys(golden.parameters))("has the final %s", (name) => {
    const { shape } = golden.parameters[name];
    expectGolden(
      `final ${name}, ${style}`,
      { shape, data: run.parameters.get(name)! },
      golden.parameters[name],
      float32Deviation.parameters,
    );
  });

  it("has a comparison that refuses eleven times the deviation", () => {
    const expected = golden.parameters["encoder.0.weight"];
    const off = 11 * float32Deviation.parameters * Math.max(...expected.data.map(Math.abs));
    const data = Float32Array.from(expected.data);
    data[7] += off;
    expect(() =>
      expectGolden("planted", { shape: expected.shape, data }, expected, float32Deviation.parameters),
    ).toThrow(/fraction/);
  });
});
