/**
 * The networks that LPIPS looks through, as the `features` of torchvision's alexnet, vgg16 and squeezenet1_1, up to the
 * last layer that LPIPS taps (torchvision/models; lpips/pretrained_networks.py of richzhang/PerceptualSimilarity).
 */
import type { Node } from "../../engine/graph.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { maxPool2d, pooledExtent } from "../../engine/ops/maxPool2d.js";
import { concat } from "../../engine/ops/region.js";

export type PerceptualKind = "alex" | "vgg" | "squeeze";

/** A convolution with bias and ReLU; `at` is its index in `features`. */
interface Conv {
  readonly type: "conv";
  readonly at: string;
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
}

interface Pool {
  readonly type: "pool";
  readonly size: number;
  readonly stride: number;
  readonly ceilMode: boolean;
}

/** SqueezeNet's module: a 1×1 convolution to few channels, behind it a 1×1 and a 3×3 one side by side. */
interface Fire {
  readonly type: "fire";
  readonly at: string;
  readonly from: number;
  readonly squeeze: number;
  /** Of each of the two. */
  readonly expand: number;
}

type Layer = Conv | Pool | Fire;

/** The layers from one tap to the next; the last one's output is the tap. */
type Slice = readonly Layer[];

const conv = (at: number, from: number, to: number, kernel = 3, stride = 1, padding = 1): Conv => ({
  ...{ type: "conv", at: `${at}`, from, to, kernel, stride, padding },
});
const pool = (size: number, ceilMode = false): Pool => ({ type: "pool", size, stride: 2, ceilMode });
const fire = (at: number, from: number, squeeze: number, expand: number): Fire => ({
  ...{ type: "fire", at: `${at}`, from, squeeze, expand },
});

const TRUNKS: Record<PerceptualKind, readonly Slice[]> = {
  alex: [
    [conv(0, 3, 64, 11, 4, 2)],
    [pool(3), conv(3, 64, 192, 5, 1, 2)],
    [pool(3), conv(6, 192, 384)],
    [conv(8, 384, 256)],
    [conv(10, 256, 256)],
  ],
  vgg: [
    [conv(0, 3, 64), conv(2, 64, 64)],
    [pool(2), conv(5, 64, 128), conv(7, 128, 128)],
    [pool(2), conv(10, 128, 256), conv(12, 256, 256), conv(14, 256, 256)],
    [pool(2), conv(17, 256, 512), conv(19, 512, 512), conv(21, 512, 512)],
    [pool(2), conv(24, 512, 512), conv(26, 512, 512), conv(28, 512, 512)],
  ],
  squeeze: [
    [conv(0, 3, 64, 3, 2, 0)],
    [pool(3, true), fire(3, 64, 16, 64), fire(4, 128, 16, 64)],
    [pool(3, true), fire(6, 128, 32, 128), fire(7, 256, 32, 128)],
    [pool(3, true), fire(9, 256, 48, 192)],
    [fire(10, 384, 48, 192)],
    [fire(11, 384, 64, 256)],
    [fire(12, 512, 64, 256)],
  ],
};

export const PERCEPTUAL_KINDS = Object.keys(TRUNKS) as PerceptualKind[];

/** The networks' full names. */
export const NETWORK_NAMES: Record<PerceptualKind, string> = {
  alex: "AlexNet",
  vgg: "VGG16",
  squeeze: "SqueezeNet 1.1",
};

/** The convolutions of a fire module. */
const partsOf = ({ at, from, squeeze, expand }: Fire): Conv[] => {
  const part = (name: string, from: number, to: number, kernel: number): Conv => ({
    ...{ type: "conv", at: `${at}.${name}`, from, to, kernel, stride: 1, padding: (kernel - 1) / 2 },
  });
  return [
    part("squeeze", from, squeeze, 1),
    part("expand1x1", squeeze, expand, 1),
    part("expand3x3", squeeze, expand, 3),
  ];
};

const convsOf = (layer: Layer): Conv[] =>
  layer.type === "conv" ? [layer] : layer.type === "fire" ? partsOf(layer) : [];

const channelsOf = (slice: Slice): number => {
  const last = slice[slice.length - 1] as Conv | Fire;
  return last.type === "conv" ? last.to : 2 * last.expand;
};

/** The trunk's tensors in PyTorch's names and layouts: weights [out, in, kh, kw], biases [out]. */
export function trunkShapes(kind: PerceptualKind): Record<string, readonly number[]> {
  const convs = TRUNKS[kind].flat().flatMap(convsOf);
  return Object.fromEntries(
    convs.flatMap(({ at, from, to, kernel }) => [
      [`features.${at}.weight`, [to, from, kernel, kernel]],
      [`features.${at}.bias`, [to]],
    ]),
  );
}

/** The linear weights in PyTorch's names and layouts: [1, C, 1, 1] for each tap of C channels. */
export const linShapes = (kind: PerceptualKind): Record<string, readonly number[]> =>
  Object.fromEntries(TRUNKS[kind].map((slice, i) => [linKey(i), [1, channelsOf(slice), 1, 1]]));

/** Of the i-th tap. */
export const linKey = (i: number): string => `lin${i}.model.1.weight`;

/** All tensors of LPIPS with this trunk, by name, with their shapes in PyTorch's layout. */
export const perceptualShapes = (kind: PerceptualKind): Record<string, readonly number[]> => ({
  ...trunkShapes(kind),
  ...linShapes(kind),
});

/** The slice that a layer of the trunk belongs to, from 1, as files of whole LPIPS models number them. */
export function sliceOf(kind: PerceptualKind, at: string): number {
  return 1 + TRUNKS[kind].findIndex((slice) => slice.flatMap(convsOf).some((each) => each.at === at));
}

/**
 * What the trunk makes of pictures at each of its taps, behind a ReLU.
 * @param x [N, H, W, 3], scaled as the trunk wants it
 * @param tensor a parameter by its name in `trunkShapes`; weights in the engine's layout [kh, kw, in, out]
 * @returns [N, H', W', C] for each tap
 */
export function trunkFeatures(kind: PerceptualKind, x: Node, tensor: (name: string) => Node): Node[] {
  const convolve = (x: Node, { at, stride, padding }: Conv): Node => {
    const bias = tensor(`features.${at}.bias`);
    return conv2d(x, tensor(`features.${at}.weight`), { bias, stride, padding, activation: "relu" });
  };
  const apply = (x: Node, layer: Layer): Node => {
    if (layer.type === "conv") return convolve(x, layer);
    if (layer.type === "pool") return maxPool2d(x, layer);
    const [squeeze, one, three] = partsOf(layer);
    const squeezed = convolve(x, squeeze);
    return concat([convolve(squeezed, one), convolve(squeezed, three)], 3);
  };
  const taps: Node[] = [];
  for (const slice of TRUNKS[kind]) taps.push(slice.reduce(apply, taps.at(-1) ?? x));
  return taps;
}

/** The fewest pixels, both ways, of which every layer of a trunk has something left. */
export function leastSize(kind: PerceptualKind): number {
  const extent = (size: number, layer: Layer): number => {
    if (layer.type === "fire" || size < 1) return size;
    if (layer.type === "pool") return pooledExtent(size, layer);
    return Math.floor((size + 2 * layer.padding - layer.kernel) / layer.stride) + 1;
  };
  let size = 1;
  while (TRUNKS[kind].flat().reduce(extent, size) < 1) size++;
  return size;
}
