import { mean, type ReduceOptions, variance } from "./reduce.js";
import { map, type Tensor, tensor } from "./tensor.js";

/**
 * "element": statistics over the batch, for each element of the code.
 * "channel": over batch and space, for each channel.
 */
export type LatentPooling = "element" | "channel";

/**
 * The statistical latent L2 of two identities' codes, a scalar:
 *
 *   mean of (mean(a) - mean(b))^2  +  mean of (variance(a) - variance(b))^2
 *
 * with the unbiased variance, both outer means over the pooled elements. a [Na, ...], b [Nb, ...], channels last.
 */
export function forward(a: Tensor, b: Tensor, pooling: LatentPooling): Tensor {
  let total = 0;
  for (const statistic of [mean, variance]) {
    const sa = statistic.forward(a, pooled(a, pooling));
    const sb = statistic.forward(b, pooled(b, pooling));
    for (let i = 0; i < sa.data.length; i++) total += (sa.data[i] - sb.data[i]) ** 2 / sa.data.length;
  }
  return tensor([], [total]);
}

/** The gradients of gy (a scalar) times the loss. */
export function backward(a: Tensor, b: Tensor, pooling: LatentPooling, gy: Tensor): { ga: Tensor; gb: Tensor } {
  const ga = map(a, () => 0);
  const gb = map(b, () => 0);
  for (const statistic of [mean, variance]) {
    const sa = statistic.forward(a, pooled(a, pooling));
    const sb = statistic.forward(b, pooled(b, pooling));
    const g = map(sa, (value, i) => (gy.data[0] * 2 * (value - sb.data[i])) / sa.data.length);
    const gMinus = map(g, (value) => -value);
    statistic.backward(a, pooled(a, pooling), g).data.forEach((value, i) => {
      ga.data[i] += value;
    });
    statistic.backward(b, pooled(b, pooling), gMinus).data.forEach((value, i) => {
      gb.data[i] += value;
    });
  }
  return { ga, gb };
}

function pooled(t: Tensor, pooling: LatentPooling): ReduceOptions {
  return { axes: pooling === "element" ? [0] : t.shape.map((_, axis) => axis).slice(0, -1) };
}
