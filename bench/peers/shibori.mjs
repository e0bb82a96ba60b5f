// Our side, through the public API only.
import {
  adam,
  compile,
  constant,
  conv2d,
  convTranspose2d,
  gradients,
  l1,
  mul,
  Parameters,
  sum,
} from "../../dist/index.js";
import {
  ADAM,
  ALPHA,
  BATCH,
  CHANNELS,
  CHECKED_STEPS,
  firstParameters,
  LAYERS,
  pictures,
  SIZE,
} from "./autoencoder.mjs";
import { flopsOf, shapesOf } from "./convolutions.mjs";

/** @param {import("../../dist/index.js").Gpu} gpu */
export function shibori(gpu, version) {
  return { name: "shibori", version, convolution: (c, data) => convolution(gpu, c, data), step: () => step(gpu) };
}

/**
 * A program of that one result. The weight gradient has no function of its own: it is asked for as a gradient, so ours
 * also pays for a pass that forms the upstream gradient, which the peers are given ready.
 */
async function convolution(gpu, { map, geometry }, data) {
  const shapes = shapesOf(geometry);
  const [large, small, w] = ["large", "small", "weights"].map((name) => constant(data[name], shapes[name]));
  const { stride, padding } = geometry;
  const program = await compile(gpu, () => {
    if (map === "down") return { y: conv2d(large, w, { stride, padding }) };
    if (map === "up") return { y: convTranspose2d(small, w, { stride, padding }) };
    const [gw] = gradients(sum(mul(conv2d(large, w, { stride, padding }), small)), [w]);
    return { y: gw };
  });
  if (program.flops !== flopsOf(geometry)) {
    throw new Error(`the program of one convolution does ${program.flops} operations, not ${flopsOf(geometry)}`);
  }
  // Not awaited: a sample is short, and the peers queue theirs as freely.
  const run = () => void program.run();
  async function result() {
    await program.run();
    return program.read("y");
  }
  return [{ variant: "", run, settle: () => program.settle(), result, dispose: () => program.destroy() }];
}

async function step(gpu) {
  const parameters = new Parameters();
  const first = firstParameters();
  const nodes = new Map([...first].map(([name, { shape, values }]) => [name, parameters.create(name, shape, values)]));
  const picture = constant(pictures(), [BATCH, SIZE, SIZE, CHANNELS]);
  const program = await compile(gpu, () => {
    let x = picture;
    for (const { name, kind, padding, last } of LAYERS) {
      const options = {
        bias: nodes.get(`${name}.b`),
        stride: 2,
        padding: { top: padding[0], bottom: padding[1], left: padding[0], right: padding[1] },
        activation: last ? "sigmoid" : { leakyRelu: ALPHA },
      };
      x = (kind === "conv" ? conv2d : convTranspose2d)(x, nodes.get(`${name}.w`), options);
    }
    const loss = l1(x, picture);
    return { loss, update: adam(parameters, gradients(loss, parameters), ADAM) };
  });

  async function result() {
    const losses = [];
    let moments;
    for (let i = 0; i < CHECKED_STEPS; i++) {
      await program.run();
      losses.push((await program.read("loss"))[0]);
      moments ??= await parameters.read(gpu, "m");
    }
    return { losses, moments, weights: await parameters.read(gpu) };
  }
  return [
    { variant: "", run: () => program.run(), settle: () => program.settle(), result, dispose: () => program.destroy() },
  ];
}
