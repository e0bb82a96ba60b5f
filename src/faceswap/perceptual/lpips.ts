import { UserError } from "../../engine/errors.js";
import type { Node } from "../../engine/graph.js";
import { constant } from "../../engine/ops/leaf.js";
import { mul, scale, square, sub } from "../../engine/ops/pointwise.js";
import { sum } from "../../engine/ops/sum.js";
import { unitNormalise } from "../../engine/ops/unitNormalise.js";
import { Parameters } from "../../engine/parameters.js";
import { elements } from "../../engine/shape.js";
import { checkPictures } from "./pictures.js";
import { checkTensors, type WeightTensor } from "./tensors.js";
import { leastSize, linKey, NETWORK_NAMES, type PerceptualKind, perceptualShapes, trunkFeatures } from "./trunks.js";

/** A trunk with the linear weights of LPIPS. It is frozen: no optimiser gets its parameters. */
export interface PerceptualNetwork {
  readonly kind: PerceptualKind;
  /** By PyTorch's names; weights of convolutions as [kh, kw, in, out], linear weights as [C]. */
  readonly parameters: Parameters;
  /** The numbers as they were given, in PyTorch's layout and the order of `perceptualShapes`; none of a placeholder. */
  readonly tensors: readonly { readonly name: string; readonly data: Float32Array }[];
}

/**
 * LPIPS with these weights.
 * @param tensors exactly those of `perceptualShapes(kind)`, in PyTorch's layouts
 * @throws UserError naming a tensor that is missing, extra, of another shape or not finite
 */
export function perceptualNetwork(
  kind: PerceptualKind,
  tensors: Readonly<Record<string, WeightTensor>>,
): PerceptualNetwork {
  const shapes = perceptualShapes(kind);
  const given = checkTensors(`LPIPS (${NETWORK_NAMES[kind]})`, shapes, tensors);
  const parameters = frozen(kind, (name) => toNative(given[name], shapes[name]));
  return { kind, parameters, tensors: Object.keys(shapes).map((name) => ({ name, data: given[name] })) };
}

/** A network without weights, for shapes, FLOPs and memory. @throws UserError when a program is run with it */
export function placeholderNetwork(kind: PerceptualKind): PerceptualNetwork {
  const parameters = frozen(kind, (name) => {
    throw new UserError(`LPIPS (${NETWORK_NAMES[kind]}) has no weights: ${name} was never given`);
  });
  return { kind, parameters, tensors: [] };
}

function frozen(kind: PerceptualKind, values: (name: string) => Float32Array): Parameters {
  const parameters = new Parameters();
  for (const [name, [out, from, kh, kw]] of Object.entries(perceptualShapes(kind))) {
    const shape = name.startsWith("lin") ? [from] : kh === undefined ? [out] : [kh, kw, from, out];
    parameters.create(name, shape, () => values(name));
  }
  return parameters;
}

/** [out, in, kh, kw] to [kh, kw, in, out]. Of a bias, or of linear weights [1, C, 1, 1], the order is the same. */
function toNative(data: Float32Array, [out, from, kh, kw]: readonly number[]): Float32Array {
  if (kh === undefined) return data;
  const native = new Float32Array(data.length);
  let at = 0;
  for (let o = 0; o < out; o++) {
    for (let i = 0; i < from; i++) {
      for (let k = 0; k < kh * kw; k++) native[(k * from + i) * out + o] = data[at++];
    }
  }
  return native;
}

/** lpips's scaling layer: what it subtracts from colours in [−1, 1], and what it divides by. */
export const SHIFT = [-0.03, -0.088, -0.188] as const;
export const SCALE = [0.458, 0.448, 0.45] as const;

/** From colours in [0, 1] to those that the trunks were trained on: (2x − 1 − shift) / scale, as one product and a difference. */
function scaled(x: Node): Node {
  const factor = SCALE.map((s) => 2 / s);
  const offset = SCALE.map((s, c) => (1 + SHIFT[c]) / s);
  return sub(mul(x, constant(factor, [3])), constant(offset, [3]));
}

/**
 * LPIPS, the learned perceptual distance of Zhang, Isola, Efros, Shechtman, Wang: "The unreasonable effectiveness of deep
 * features as a perceptual metric" (CVPR 2018), as version 0.1 of their lpips package computes it with spatial=False: the
 * features behind each tap's ReLU, each pixel's vector divided by its length (plus 1e-10), squared differences, times
 * non-negative weights a channel, mean over pixels, sum over taps. A scalar, the mean over the batch.
 *
 * Differentiable in x and y; each is followed only as far as a gradient is asked for, and the network's weights never
 * are. Where all features of a pixel are zero its gradient is 0, not NaN (see `unitNormalise`).
 * @param x pictures [N, H, W, 3] with colours in [0, 1]
 * @param y pictures of the same shape
 * @throws ShapeError unless both have that one shape, with as many pixels as the trunk needs: AlexNet 31, VGG16 16,
 *   SqueezeNet 17
 */
export function lpips(x: Node, y: Node, { kind, parameters }: PerceptualNetwork): Node {
  checkPictures(`lpips (${NETWORK_NAMES[kind]})`, x, y, leastSize(kind));
  const byName = new Map(parameters.nodes.map((p) => [p.attrs.name, p]));
  const tensor = (name: string) => byName.get(name) as Node;
  const [fx, fy] = [x, y].map((picture) => trunkFeatures(kind, scaled(picture), tensor));
  return sum(
    fx.map((tap, i) => {
      const apart = square(sub(unitNormalise(tap), unitNormalise(fy[i])));
      // The weights only enter once pixels and batch are summed: one number a channel instead of one a pixel.
      const channels = sum(apart, { axes: [0, 1, 2] });
      return scale(sum(mul(channels, tensor(linKey(i)))), 1 / elements(tap.shape.slice(0, 3)));
    }),
  );
}
