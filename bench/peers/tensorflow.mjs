// TensorFlow.js: NHWC and [k, k, in, out] as ours. Its gradients are registered by importing the whole package.
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

/** To be called once `navigator.gpu` is there. */
export async function tensorflow(version) {
  const { default: tf } = await import("@tensorflow/tfjs");
  await import("@tensorflow/tfjs-backend-webgpu");
  if (!(await tf.setBackend("webgpu"))) throw new Error("TensorFlow.js opened no WebGPU backend");
  await tf.ready();
  return {
    name: "TensorFlow.js",
    version,
    device: tf.backend().device,
    convolution: (c, data) => convolution(tf, c, data),
    step: () => step(tf),
  };
}

/** It keeps up to 15 dispatches back: they go first, then the queue is waited for. */
async function settle(tf) {
  const backend = tf.backend();
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.queue.onSubmittedWorkDone();
}

function convolution(tf, { map, geometry }, data) {
  const shapes = shapesOf(geometry);
  const [large, small, weights] = ["large", "small", "weights"].map((name) => tf.tensor4d(data[name], shapes[name]));
  const { stride: strides, padding: p } = geometry;
  const pad = [
    [0, 0],
    [p, p],
    [p, p],
    [0, 0],
  ];
  const attributes = { strides, pad, dataFormat: "NHWC", dimRoundingMode: undefined };
  const kernel = (name, inputs, extra) => tf.engine().runKernel(name, inputs, { ...attributes, ...extra });
  // conv2dTranspose, too, is this kernel.
  const compute = {
    down: () => kernel("Conv2D", { x: large, filter: weights }, { dilations: 1 }),
    up: () => kernel("Conv2DBackpropInput", { dy: small, filter: weights }, { inputShape: shapes.large }),
    weights: () => kernel("Conv2DBackpropFilter", { x: large, dy: small }, { filterShape: shapes.weights }),
  }[map];
  async function result() {
    const y = compute();
    const values = await y.data();
    y.dispose();
    return values;
  }
  const dispose = () => tf.dispose([large, small, weights]);
  return [{ variant: "", run: () => compute().dispose(), settle: () => settle(tf), result, dispose }];
}

function step(tf) {
  const variables = new Map(
    [...firstParameters()].map(([name, { shape, values }]) => [
      name,
      tf.variable(tf.tensor(values, shape), true, name),
    ]),
  );
  const x = tf.tensor4d(pictures(), [BATCH, SIZE, SIZE, CHANNELS]);
  const optimizer = tf.train.adam(ADAM.rate, ADAM.beta1, ADAM.beta2, ADAM.epsilon);
  function forward() {
    let y = x;
    for (const layer of LAYERS) {
      const [filter, bias] = ["w", "b"].map((kind) => variables.get(`${layer.name}.${kind}`));
      const pad = [[0, 0], layer.padding, layer.padding, [0, 0]];
      if (layer.kind === "conv") {
        y = tf.fused.conv2d({ x: y, filter, strides: 2, pad, bias });
      } else {
        y = tf.conv2dTranspose(y, filter, [BATCH, layer.to, layer.to, layer.co], 2, pad).add(bias);
      }
      y = layer.last ? tf.sigmoid(y) : tf.leakyRelu(y, ALPHA);
    }
    return tf.mean(tf.abs(tf.sub(y, x)));
  }
  const minimise = () => optimizer.minimize(forward, true, [...variables.values()]);

  async function read(tensors) {
    const values = new Map();
    for (const [name, tensor] of tensors) values.set(name, Float32Array.from(await tensor.data()));
    return values;
  }
  async function result() {
    const losses = [];
    let moments;
    for (let i = 0; i < CHECKED_STEPS; i++) {
      const loss = minimise();
      losses.push((await loss.data())[0]);
      loss.dispose();
      moments ??= await read(
        optimizer.accumulatedFirstMoment.map((m) => [m.originalName.replace(/\/m$/, ""), m.variable]),
      );
    }
    return { losses, moments, weights: await read(variables) };
  }
  const dispose = () => {
    optimizer.dispose();
    tf.dispose([x, ...variables.values()]);
  };
  return [{ variant: "", run: () => minimise().dispose(), settle: () => settle(tf), result, dispose }];
}
