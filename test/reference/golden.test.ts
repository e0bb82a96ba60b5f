import { beforeAll, describe, expect, it } from "vitest";
import { adamCases, golden, type Identity, images, initialParameters } from "../golden/autoencoder.js";
import type { Activation } from "./activation.js";
import { type AdamState, adamState, adamStep } from "./adam.js";
import * as conv2d from "./conv2d.js";
import * as convTranspose2d from "./convTranspose2d.js";
import * as latent from "./latent.js";
import { l1 } from "./losses.js";
import { concat, split } from "./shape.js";
import { map, type Tensor, tensor } from "./tensor.js";

const { config } = golden;

/** The goldens have 9 significant digits; two float64 programs differ by far less than this. */
const RELATIVE = 1e-6;

describe("the oracles train like PyTorch in float64", () => {
  let run: ReturnType<typeof train>;
  beforeAll(() => {
    run = train();
  });

  it("has the losses of all ten steps, each part", () => {
    expect(run.losses.length).toBe(config.steps);
    expect(golden.losses.length).toBe(config.steps);
    run.losses.forEach((losses, i) => {
      for (const part of ["total", "src", "dst", "latent"] as const) {
        expectClose(`${part} of step ${i + 1}`, [losses[part]], [golden.losses[i][part]]);
      }
    });
  });

  it.each(["src", "dst"] as const)("has the code and the reconstruction of %s at step 1", (identity) => {
    expectSame("latent", run.first.z[identity], golden.step1.latent[identity]);
    expectSame("reconstruction", run.first.y[identity], golden.step1.reconstruction[identity]);
  });

  it.each(Object.keys(golden.step1.gradients))("has the gradient of %s at step 1", (name) => {
    expectSame(name, run.first.gradients.get(name)!, golden.step1.gradients[name]);
  });

  it.each(Object.keys(golden.parameters))("has the final %s", (name) => {
    expectSame(name, run.parameters.get(name)!, golden.parameters[name]);
  });
});

it.each(adamCases)("adam: $optimiser with decay takes PyTorch's path", (path) => {
  const parameter = tensor([path.start.length], path.start);
  const state = adamState(parameter);
  const options = {
    learningRate: path.lr,
    betas: path.betas,
    epsilon: path.eps,
    weightDecay: path.weight_decay,
    decoupled: path.optimiser === "adamw",
  };
  expect(path.gradients.length).toBe(5);
  path.gradients.forEach((gradient, i) => {
    adamStep(parameter, tensor([gradient.length], gradient), state, options);
    expectClose(`step ${i + 1}`, parameter.data, path.parameters[i]);
  });
});

it("the comparison itself refuses a difference of 2e-6, a missing value and NaN", () => {
  expect(() => expectClose("planted", [1, 1 + 2e-6], [1, 1])).toThrow();
  expect(() => expectClose("planted", [1], [1, 1])).toThrow();
  expect(() => expectClose("planted", [Number.NaN], [1])).toThrow();
});

/** The golden run, assembled by hand from forward and backward of each op. */
function train() {
  const parameters = new Map(Array.from(initialParameters(), ([name, p]) => [name, tensor(p.shape, p.data)]));
  const states = new Map<string, AdamState>(Array.from(parameters, ([name, p]) => [name, adamState(p)]));
  const losses: Record<"total" | Identity | "latent", number>[] = [];
  let first: ReturnType<typeof forwardAndBackward> | undefined;
  for (let step = 1; step <= config.steps; step++) {
    const result = forwardAndBackward(parameters, step);
    losses.push(result.losses);
    first ??= result;
    for (const [name, parameter] of parameters) {
      adamStep(parameter, result.gradients.get(name)!, states.get(name)!, config.adam);
    }
  }
  return { losses, first: first!, parameters };
}

function forwardAndBackward(parameters: Map<string, Tensor>, step: number) {
  const { batch, size } = config;
  const x = { src: image("src"), dst: image("dst") };
  const encoder = network("encoder", parameters, concat.forward([x.src, x.dst], 0));
  const [zSrc, zDst] = split.forward(encoder.y, 0, [batch, batch]);
  const decoders = { src: network("src", parameters, zSrc), dst: network("dst", parameters, zDst) };
  const y = { src: decoders.src.y, dst: decoders.dst.y };

  const src = l1.forward(y.src, x.src).data[0];
  const dst = l1.forward(y.dst, x.dst).data[0];
  const distance = latent.forward(zSrc, zDst, config.latentPooling).data[0];

  const gradients = new Map<string, Tensor>();
  const one = tensor([], [1]);
  const gLatent = latent.backward(zSrc, zDst, config.latentPooling, tensor([], [config.latentWeight]));
  const gSrc = decoders.src.backward(l1.backward(y.src, x.src, one).ga, gradients);
  const gDst = decoders.dst.backward(l1.backward(y.dst, x.dst, one).ga, gradients);
  encoder.backward(concat.forward([sum(gSrc, gLatent.ga), sum(gDst, gLatent.gb)], 0), gradients);

  const total = src + dst + config.latentWeight * distance;
  return { losses: { total, src, dst, latent: distance }, z: { src: zSrc, dst: zDst }, y, gradients };

  function image(identity: Identity): Tensor {
    return tensor([batch, size, size, 3], images(identity, step));
  }
}

/** Runs the layers. `backward` takes the gradient of y, notes the parameters' gradients and returns the input's. */
function network(name: "encoder" | Identity, parameters: Map<string, Tensor>, x: Tensor) {
  const layers = config.networks[name].map((layer, i) => {
    const input = x;
    const w = parameters.get(`${name}.${i}.weight`)!;
    const b = parameters.get(`${name}.${i}.bias`)!;
    const { stride, padding: p, outputPadding } = layer;
    const activation: Activation = layer.activation === "leakyRelu" ? { leakyRelu: config.alpha } : layer.activation;
    const options = { stride, padding: { top: p, bottom: p, left: p, right: p }, outputPadding, activation };
    const op = layer.op === "conv2d" ? conv2d : convTranspose2d;
    x = op.forward(input, w, b, options);
    return (gy: Tensor, gradients: Map<string, Tensor>) => {
      const { gx, gw, gb } = op.backward(input, w, b, options, gy);
      gradients.set(`${name}.${i}.weight`, gw);
      gradients.set(`${name}.${i}.bias`, gb!);
      return gx;
    };
  });
  return {
    y: x,
    backward: (gy: Tensor, gradients: Map<string, Tensor>) => layers.reduceRight((g, layer) => layer(g, gradients), gy),
  };
}

function sum(a: Tensor, b: Tensor): Tensor {
  return map(a, (value, i) => value + b.data[i]);
}

function expectSame(what: string, actual: Tensor, expected: { shape: number[]; data: number[] }): void {
  expect(actual.shape, what).toEqual(expected.shape);
  expectClose(what, actual.data, expected.data);
}

function expectClose(what: string, actual: ArrayLike<number>, expected: number[]): void {
  expect(actual.length, what).toBe(expected.length);
  expected.forEach((value, i) => {
    expect(Math.abs(actual[i] - value), `${what}[${i}]: ${actual[i]}, golden ${value}`).toBeLessThanOrEqual(
      RELATIVE * Math.abs(value),
    );
  });
}
