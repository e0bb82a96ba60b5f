// Our side, through the public API only, with the tuner as `shibori train` has it.
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
  Tuner,
} from "../../dist/index.js";
import { TuneFile, tunedFor } from "../../dist/node.js";
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
  stepFlops,
} from "./autoencoder.mjs";
import { flopsOf, shapesOf } from "./convolutions.mjs";

/** @param {import("../../dist/index.js").Gpu} gpu */
export function shibori(gpu, version) {
  const tuner = process.env.SHIBORI_TUNE === "off" ? undefined : new Tuner(new TuneFile(tunedFor(gpu)));
  return {
    name: "shibori",
    version,
    convolution: (c, data) => convolution(gpu, tuner, c, data),
    step: () => step(gpu, tuner),
  };
}

/**
 * A program of that one result. The weight gradient has no function of its own: it is asked for as a gradient, so ours
 * also pays for a pass that forms the upstream gradient, which the peers are given ready.
 */
async function convolution(gpu, tuner, { map, geometry }, data) {
  const shapes = shapesOf(geometry);
  const [large, small, w] = ["large", "small", "weights"].map((name) => constant(data[name], shapes[name]));
  const { stride, padding } = geometry;
  const build = () => {
    if (map === "down") return { y: conv2d(large, w, { stride, padding }) };
    if (map === "up") return { y: convTranspose2d(small, w, { stride, padding }) };
    const [gw] = gradients(sum(mul(conv2d(large, w, { stride, padding }), small)), [w]);
    return { y: gw };
  };
  const program = await compile(gpu, build, { tuner });
  checkWork(program, flopsOf(geometry));
  async function result() {
    await program.run();
    return program.read("y");
  }
  // Not awaited: a sample is short, and the peers queue theirs as freely.
  return [workOf(program, () => void program.run(), result)];
}

async function step(gpu, tuner) {
  const parameters = new Parameters();
  const first = firstParameters();
  const nodes = new Map([...first].map(([name, { shape, values }]) => [name, parameters.create(name, shape, values)]));
  const picture = constant(pictures(), [BATCH, SIZE, SIZE, CHANNELS]);
  const build = () => {
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
  };
  const program = await compile(gpu, build, { tuner });
  checkWork(program, stepFlops());

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
  return [workOf(program, () => program.run(), result)];
}

/** @throws Error if the program leaves out work that its GFLOP/s would be counted for; it may do more (biases) */
function checkWork(program, flops) {
  if (program.flops < flops) throw new Error(`the program does ${program.flops} operations, not ${flops}`);
}

const workOf = (program, run, result) => ({
  ...{ variant: "", run, result, settle: () => program.settle(), dispose: () => program.destroy() },
  kernels: program.choices,
});
