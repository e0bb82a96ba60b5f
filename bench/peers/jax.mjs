// jax-js: NCHW, weights [out, in, k, k]. Using an array consumes it, unless its `.ref` is used.
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
import { shapesOf } from "./convolutions.mjs";
import { channelsFirst, channelsLast, nativeWeights, permute, reversedWeights } from "./layouts.mjs";

/** To be called once `navigator.gpu` is there. */
export async function jaxJs(version) {
  const jax = await import("@jax-js/jax");
  if (!(await jax.init("webgpu")).includes("webgpu")) throw new Error("jax-js opened no WebGPU device");
  jax.defaultDevice("webgpu");
  return {
    name: "jax-js",
    version,
    device: jax.getWebGPUDevice(),
    convolution: (c, data) => convolution(jax, c, data),
    step: () => step(jax),
  };
}

/** An array in jax-js's layout. @param {(shape: readonly number[]) => { shape: number[], axes: number[] }} layout */
function upload({ numpy }, values, shape, layout) {
  const { shape: permuted, axes } = layout(shape);
  return numpy.array(permute(values, shape, axes)).reshape(permuted);
}

/** Reads and consumes an array. */
async function download(array, layout) {
  const { shape } = array;
  return permute(await array.data(), shape, layout(shape).axes);
}

/** Work is lazy: what is disposed of before anyone asked for it is never done. */
const submit = (array) => void array.ref.gpuBufferSync();

/** Strided convolution or its transpose, as a layer. */
function layerOf({ lax }, kind, stride, padding) {
  const pads = [padding, padding];
  const strides = [stride, stride];
  return kind === "conv"
    ? (x, w) => lax.convGeneralDilated(x, w, strides, pads)
    : (x, w) => lax.convTranspose(x, w, strides, pads, { transposeKernel: true });
}

function convolution(jax, { map, role, geometry }, data) {
  const shapes = shapesOf(geometry);
  const large = upload(jax, data.large, shapes.large, channelsFirst);
  const small = upload(jax, data.small, shapes.small, channelsFirst);
  const w = upload(jax, data.weights, shapes.weights, reversedWeights);
  const [x, g] = geometry.layer === "conv" ? [large, small] : [small, large];
  const layer = layerOf(jax, geometry.layer, geometry.stride, [geometry.padding, geometry.padding]);
  /** The gradient of one argument of the layer, from the gradient g of its output. */
  const gradient = (f, at, g) => {
    const [y, backward] = jax.vjp(f, [at]);
    y.dispose();
    const [gradient] = backward(g);
    backward.dispose();
    return gradient;
  };
  const [compute, inputs] = {
    forward: [layer, [x, w]],
    input: [(x, w, g) => gradient((x) => layer(x, w), x, g), [x, w, g]],
    weight: [(w, x, g) => gradient((w) => layer(x, w), w, g), [w, x, g]],
  }[role];
  const layout = map === "weights" ? nativeWeights : channelsLast;
  const release = shared(() => [x, w, g].map((array) => array.dispose()));
  return ["jitted", "not jitted"].map((variant) => {
    const f = variant === "jitted" ? jax.jit(compute) : compute;
    let last;
    return {
      variant,
      run() {
        last?.dispose();
        last = f(...inputs.map((array) => array.ref));
        submit(last);
      },
      settle: async () => void (await last?.blockUntilReady()),
      result: () => download(f(...inputs.map((array) => array.ref)), layout),
      dispose: release(() => {
        last?.dispose();
        if (variant === "jitted") f.dispose();
      }),
    };
  });
}

/** Runs `end` when the last of those that were given a release has called it. */
function shared(end) {
  let left = 0;
  return (own) => {
    left++;
    return () => {
      own();
      if (--left === 0) end();
    };
  };
}

/** Adam as its paper has it; jax-js's own optimisers are another package. */
function adamUpdate({ numpy: np }, { rate, beta1, beta2, epsilon }, { w, m, v }, g, corrections) {
  const m1 = m.mul(beta1).add(g.ref.mul(1 - beta1));
  const v1 = v.mul(beta2).add(np.square(g).mul(1 - beta2));
  const [c1, c2] = corrections;
  const change = m1.ref.div(c1).div(np.sqrt(v1.ref.div(c2)).add(epsilon));
  return { w: w.sub(change.mul(rate)), m: m1, v: v1 };
}

function step(jax) {
  const { numpy: np, nn } = jax;
  const first = firstParameters();
  const names = [...first.keys()];
  const layers = LAYERS.map((l) => ({ ...l, apply: layerOf(jax, l.kind, 2, l.padding) }));
  const x = upload(jax, pictures(), [BATCH, SIZE, SIZE, CHANNELS], channelsFirst);

  function forward(weights, x) {
    let y = x.ref;
    for (const { name, apply, co, last } of layers) {
      y = apply(y, weights[`${name}.w`]).add(weights[`${name}.b`].reshape([1, co, 1, 1]));
      y = last ? nn.sigmoid(y) : nn.leakyRelu(y, ALPHA);
    }
    return np.abs(y.sub(x)).mean();
  }
  const differentiated = jax.valueAndGrad(forward);
  function advance(state, x) {
    const weights = Object.fromEntries(names.map((name) => [name, state.slots[name].w.ref]));
    const [loss, gradients] = differentiated(weights, x);
    const t = state.t.add(1);
    const corrections = [ADAM.beta1, ADAM.beta2].map((beta) =>
      np
        .exp(t.ref.mul(Math.log(beta)))
        .mul(-1)
        .add(1),
    );
    const slots = {};
    for (const name of names) {
      const own = corrections.map((c) => c.ref);
      slots[name] = adamUpdate(jax, ADAM, state.slots[name], gradients[name], own);
    }
    for (const c of corrections) c.dispose();
    return [{ slots, t }, loss];
  }
  function start() {
    const slots = {};
    for (const [name, { shape, values }] of first) {
      const w = name.endsWith(".w") ? upload(jax, values, shape, reversedWeights) : np.array(values.slice());
      slots[name] = { w, m: np.zeros(w.shape), v: np.zeros(w.shape) };
    }
    return { slots, t: np.array(0) };
  }
  async function read(state, kind) {
    const values = new Map();
    for (const name of names) {
      const array = state.slots[name][kind].ref;
      values.set(name, name.endsWith(".w") ? await download(array, nativeWeights) : await array.data());
    }
    return values;
  }

  const jitted = jax.jit(advance);
  const release = shared(() => {
    x.dispose();
    jitted.dispose();
  });
  function work(variant, f, waits) {
    let state = start();
    let loss;
    const queue = () => {
      loss?.dispose();
      [state, loss] = f(state, x.ref);
      for (const array of jax.tree.leaves([state, loss])) submit(array);
    };
    const settle = async () => void (await loss?.blockUntilReady());
    async function result() {
      const losses = [];
      let moments;
      for (let i = 0; i < CHECKED_STEPS; i++) {
        queue();
        losses.push((await loss.ref.data())[0]);
        moments ??= await read(state, "m");
      }
      return { losses, moments, weights: await read(state, "w") };
    }
    async function queueAndWait() {
      queue();
      await settle();
    }
    const dispose = release(() => {
      loss?.dispose();
      jax.tree.dispose(state);
    });
    return { variant, run: waits ? queueAndWait : queue, settle, result, dispose };
  }
  // Without a wait all steps are queued at once, which jax-js's issue 151 found slower on some GPUs.
  return [
    work("jitted", jitted, false),
    work("jitted, a wait a step", jitted, true),
    work("not jitted", advance, false),
  ];
}
