import { type Architecture, autoencoder } from "../../src/faceswap/architecture.js";
import { type LayerDescription, layersOf } from "../../src/faceswap/layerList.js";
import { sigmoidError } from "../engine/ops/accuracy.js";
import type { Activation } from "./activation.js";
import * as conv2d from "./conv2d.js";
import * as convTranspose2d from "./convTranspose2d.js";
import * as dense from "./dense.js";
import { shuffle } from "./pixelShuffle.js";
import { sigmoid } from "./pointwise.js";
import * as resize from "./resize.js";
import { slice } from "./shape.js";
import { abs, fill, indices, map, offset, type Tensor, tensor, zeros } from "./tensor.js";

/** A value in float64, and how far at most a computation in float32 is from it. */
export interface Bounded {
  value: Tensor;
  error: Tensor;
}

/** What the oracles of conv2d, convTranspose2d and dense have in common, without their options. */
type Linear = (x: Tensor, w: Tensor, b: Tensor | null, activation: Activation) => Tensor;

/**
 * A layer, and its error: of its sum what rounding explains (see `expectWithin`: twice count · 2⁻²⁴ · Σ |terms|, in which
 * is a leaky slope's rounding) and what the error of x makes of it, Σ |w| · error. Leaky ReLU passes on no more than that,
 * the sigmoid a quarter and its own error.
 */
function weighted(linear: Linear, x: Bounded, w: Tensor, b: Tensor | null, activation: Activation): Bounded {
  const plain = (x: Tensor, w: Tensor, b: Tensor | null) => linear(x, w, b, "none");
  const one = (t: Tensor) => fill(t.shape, 1);
  const largest = map(abs(x.value), (v, i) => v + x.error.data[i]);
  const magnitude = plain(largest, abs(w), b && abs(b));
  const used = map(w, (v) => (v === 0 ? 0 : 1));
  const count = plain(one(x.value), used, b && one(b));
  const inherited = plain(x.error, abs(w), null);
  const error = map(inherited, (e, i) => e + 2 * count.data[i] * 2 ** -24 * magnitude.data[i]);
  const sum = plain(x.value, w, b);
  if (activation !== "sigmoid") return { value: linear(x.value, w, b, activation), error };
  return { value: sigmoid.forward(sum), error: map(error, (e, i) => e / 4 + sigmoidError(sum.data[i])) };
}

/** What only moves numbers moves their errors alike. */
const moved = (x: Bounded, move: (t: Tensor) => Tensor): Bounded => ({ value: move(x.value), error: move(x.error) });

/** A mean over k × k pixels as a convolution of each channel with itself alone. */
function averaging(k: number, channels: number): Tensor {
  const w = zeros([k, k, channels, channels]);
  for (const index of indices([k, k, channels])) w.data[offset(w.shape, [...index, index[2]])] = 1 / k ** 2;
  return w;
}

function apply(layer: LayerDescription, x: Bounded, parameter: (name: string) => Tensor): Bounded {
  const {
    name,
    kind,
    role,
    from,
    to,
    kernel,
    stride,
    padding: around,
    outputPadding,
    input,
    output,
    activation,
  } = layer;
  const padding = { top: around, bottom: around, left: around, right: around };
  const own = (linear: Linear, x: Bounded) =>
    weighted(linear, x, parameter(`${name}.weight`), parameter(`${name}.bias`), activation);
  const [n] = x.value.shape;
  switch (kind) {
    case "conv":
      return own((x, w, b, activation) => conv2d.forward(x, w, b, { stride, padding, activation }), x);
    case "transposed":
      return own(
        (x, w, b, activation) => convTranspose2d.forward(x, w, b, { stride, padding, outputPadding, activation }),
        x,
      );
    case "dense": {
      const flat = moved(x, (t) => tensor([n, input.height * input.width * from], t.data));
      const y = own((x, w, b, activation) => dense.forward(x, w, b, { activation }), flat);
      return role === "widen" ? moved(y, (t) => tensor([n, output.height, output.width, to], t.data)) : y;
    }
    case "average":
      return weighted(
        (x, w) => conv2d.forward(x, w, null, { stride, padding }),
        x,
        averaging(kernel, from),
        null,
        "none",
      );
    case "shuffle":
      return moved(x, (t) => shuffle.forward(t, 2));
    case "resize":
      return moved(x, (t) => resize.forward(t, output.height, output.width));
    case "crop":
      return moved(x, (t) => slice.forward(t, [0, 0, 0, 0], [n, output.height, output.width, to]));
  }
}

/**
 * A network in float64 from the list of its layers: `code`, `logVariance` of a sampled one, and the pictures of the code
 * by the decoder of each identity.
 * @param values numbers by parameter name, in the engine's layouts
 * @param pictures [N, S, S, 3]
 */
export function network(
  architecture: Architecture,
  identities: readonly string[],
  values: ReadonlyMap<string, Float32Array>,
  pictures: Tensor,
): Record<string, Bounded> {
  const { parameters } = autoencoder(architecture, 0, identities);
  const shapes = new Map(parameters.nodes.map(({ attrs }) => [attrs.name, attrs.shape]));
  const parameter = (name: string) => tensor([...(shapes.get(name) ?? [])], values.get(name) ?? []);
  const layers = layersOf(architecture, identities);
  const through = (x: Bounded, path: LayerDescription[]) => path.reduce((y, layer) => apply(layer, y, parameter), x);

  const encoder = layers.filter(({ role }) => role === "encoder");
  const before = through({ value: pictures, error: zeros(pictures.shape) }, encoder.slice(0, -1));
  const code = through(before, encoder.slice(-1));
  const found: Record<string, Bounded> = { code };
  const head = layers.filter(({ role }) => role === "logVariance");
  if (head.length) found.logVariance = through(before, head);
  const widen = layers.filter(({ role }) => role === "widen");
  for (const identity of identities) {
    found[identity] = through(code, [...widen, ...layers.filter((layer) => layer.identity === identity)]);
  }
  return found;
}
