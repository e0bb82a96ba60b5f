import { elements, type Shape } from "../engine/shape.js";
import { type Autoencoder, mapSizes } from "./architecture.js";

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

/**
 * The numbers of an autoencoder with the names and in the layouts of `torch.nn`, in the order of its parameters;
 * docs/export.md describes both, and has the module that loads them.
 *
 * The engine flattens a map as [height, width, channel], PyTorch as [channel, height, width]: the dense pair around the
 * code is reordered along with it.
 *
 * @param values numbers by parameter name, in the engine's layouts
 */
export function torchTensors(
  { architecture, parameters }: Autoencoder,
  values: ReadonlyMap<string, Float32Array>,
): TorchTensor[] {
  const grid = mapSizes(architecture).at(-1) as number;
  const map = [grid, grid, architecture.code];
  const reordering = (name: string, shape: Shape): Reordering | undefined => {
    if (name === "encoder.down.weight") return { axes: [...map, shape[1]], order: KERNEL };
    if (name === "encoder.up.weight") return { axes: [shape[0], ...map], order: [3, 1, 2, 0] };
    if (name === "encoder.up.bias") return { axes: map, order: [2, 0, 1] };
    return shape.length === 4 ? { axes: shape, order: KERNEL } : undefined;
  };
  return parameters.nodes.map(({ attrs: { name, shape } }) => {
    const data = values.get(name) as Float32Array;
    const found = reordering(name, shape);
    return {
      // A list of modules, as the encoder is one there, has no room for other names than numbers.
      name: name.replace(/^encoder\.(down|up)\./, "$1."),
      shape: shape.length === 4 ? KERNEL.map((axis) => shape[axis]) : [...shape].reverse(),
      data: found ? transpose(data, found) : data,
    };
  });
}

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
