import {
  adam,
  concat,
  conv2d,
  convTranspose2d,
  gradients,
  he,
  input,
  l1,
  mean,
  type Node,
  Parameters,
  split,
  square,
  sub,
  sum,
  variance,
} from "../../src/index.js";

/** Images of the batch from each of the two halves. */
export const HALF = 4;
/** Extents of one image. */
export const IMAGE = [12, 12, 3] as const;

/**
 * A small two-headed autoencoder: one encoder, a decoder a head. Its widest tensors (12×12×16) are four times its images,
 * and its code (6×6×8) is half of them, so a limit between them cuts some tensors and not others.
 */
export function autoencoder() {
  const parameters = new Parameters();
  let stream = 0;
  const weights = (name: string, shape: number[], fanIn: number) =>
    parameters.create(name, shape, he(shape, fanIn, { seed: 7, stream: stream++ }));
  const bias = (name: string, n: number) =>
    parameters.create(
      name,
      [n],
      Array.from({ length: n }, (_, i) => 0.01 * (i - n / 2)),
    );
  const activation = { leakyRelu: 0.1 };

  const w1 = weights("encoder.1.w", [3, 3, 3, 16], 27);
  const b1 = bias("encoder.1.b", 16);
  const w2 = weights("encoder.2.w", [3, 3, 16, 8], 144);
  const b2 = bias("encoder.2.b", 8);
  const heads = ["source", "target"].map((head) => ({
    w1: weights(`${head}.1.w`, [3, 3, 16, 8], 18),
    b1: bias(`${head}.1.b`, 16),
    w2: weights(`${head}.2.w`, [3, 3, 16, 3], 144),
    b2: bias(`${head}.2.b`, 3),
  }));

  /** The nodes of one training step on inputs "source" and "target". */
  function step(half = HALF) {
    const images = ["source", "target"].map((name) => input(name, [half, ...IMAGE]));
    const wide = conv2d(concat(images), w1, { bias: b1, padding: 1, activation });
    const code = conv2d(wide, w2, { bias: b2, stride: 2, padding: 1, activation });
    const codes = split(code);
    const outputs = codes.map((z, i) => {
      const { w1, b1, w2, b2 } = heads[i];
      const up = convTranspose2d(z, w1, { bias: b1, stride: 2, padding: 1, outputPadding: 1, activation });
      return conv2d(up, w2, { bias: b2, padding: 1, activation: "sigmoid" });
    });
    const statistic = (f: typeof mean) =>
      mean(square(sub(f(codes[0], { axes: [0, 1, 2] }), f(codes[1], { axes: [0, 1, 2] }))));
    const loss = sum([...outputs.map((y, i) => l1(y, images[i])), statistic(mean), statistic(variance)]);
    return { wide, code, outputs, loss, gradients: gradients(loss, parameters) };
  }

  /** A whole training step: loss, outputs and Adam with clipping. */
  function train(half = HALF): Record<string, Node> {
    const { loss, outputs, gradients: grads } = step(half);
    const update = adam(parameters, grads, { rate: 0.01, epsilon: 1e-3, maxNorm: 0.05 });
    return { loss, source: outputs[0], target: outputs[1], update };
  }
  return { parameters, step, train };
}

/** Pictures that differ, in [0, 1]. */
export const pictures = (phase: number, half = HALF): number[] =>
  Array.from({ length: half * IMAGE[0] * IMAGE[1] * IMAGE[2] }, (_, i) => 0.5 + 0.5 * Math.sin(i * 0.37 + phase));
