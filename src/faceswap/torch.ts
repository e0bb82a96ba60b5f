import { elements, type Shape } from "../engine/shape.js";
import type { Autoencoder } from "./architecture.js";
import { biases, type LayerDescription, layersOf, weightShape } from "./layerList.js";

/** A tensor as a `torch.nn` layer holds it, row-major. */
export interface TorchTensor {
  readonly name: string;
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** The axes in which a tensor is seen, and the order in which PyTorch has them. */
interface Reordering {
  readonly axes: Shape;
  readonly order: readonly number[];
}

/** Conv2d: [kh, kw, in, out] → [out, in, kh, kw]; ConvTranspose2d: [kh, kw, out, in] → [in, out, kh, kw]. */
const KERNEL = [3, 2, 0, 1];

/** Names of layers that a list of modules, as the encoder is one there, has no room for: it takes numbers only. */
const NAMES: Readonly<Record<string, string>> = {
  "encoder.down": "down",
  "encoder.up": "up",
  "encoder.logVariance": "log_variance",
};

/**
 * The numbers of an autoencoder with the names and in the layouts of `torch.nn`, in the order of its parameters;
 * docs/export.md describes both, and has the module that loads them. What only training needs is left out.
 *
 * The engine flattens a map as [height, width, channel], PyTorch as [channel, height, width]: dense layers around the
 * code are reordered along with it.
 *
 * @param values numbers by parameter name, in the engine's layouts
 */
export function torchTensors(
  { architecture, decode }: Pick<Autoencoder, "architecture" | "decode">,
  values: ReadonlyMap<string, Float32Array>,
): TorchTensor[] {
  return layersOf(architecture, Object.keys(decode)).flatMap((layer) => {
    const shape = weightShape(layer);
    if (!shape) return [];
    const name = NAMES[layer.name] ?? layer.name;
    const data = (part: string) => values.get(`${layer.name}.${part}`) as Float32Array;
    const weight =
      layer.kind === "dense"
        ? { shape: [...shape].reverse(), data: transpose(data("weight"), denseOrder(layer)) }
        : { shape: KERNEL.map((axis) => shape[axis]), data: transpose(data("weight"), { axes: shape, order: KERNEL }) };
    const map = [layer.output.height, layer.output.width, layer.to];
    const bias = layer.kind === "dense" ? transpose(data("bias"), { axes: map, order: [2, 0, 1] }) : data("bias");
    return [
      { name: `${name}.weight`, ...weight },
      { name: `${name}.bias`, shape: [biases(layer)], data: bias },
    ];
  });
}

/** Linear: [(h, w, in), (h', w', out)] → [(out, h', w'), (in, h, w)]. */
const denseOrder = ({ input, output, from, to }: LayerDescription): Reordering => ({
  axes: [input.height, input.width, from, output.height, output.width, to],
  order: [5, 3, 4, 2, 0, 1],
});

/** Row-major data with its axes in another order. */
function transpose(data: Float32Array, { axes, order }: Reordering): Float32Array {
  const strides = axes.map((_, axis) => elements(axes.slice(axis + 1)));
  const out = new Float32Array(data.length);
  let filled = 0;
  const copy = (depth: number, from: number): void => {
    if (depth === order.length) {
      out[filled++] = data[from];
      return;
    }
    const axis = order[depth];
    for (let i = 0; i < axes[axis]; i++) copy(depth + 1, from + i * strides[axis]);
  };
  copy(0, 0);
  return out;
}
