/** What a network is, and the extents of its maps. */

/** How the decoders' maps grow. */
export const UPSAMPLINGS = ["transposed", "sub-pixel", "resize"] as const;
export type Upsampling = (typeof UPSAMPLINGS)[number];

/**
 * A stack that narrows a face to a code: padded stages, of stride 2 unless said otherwise, then two stride-2 convolutions
 * (the bottleneck: 16 → 7 → 3, 32 → 15 → 7; unpadded if 3×3), then, if asked for, a dense pair through `dense` numbers.
 * The decoders mirror it, whatever the encoder's kernel. `layersOf` lists the layers.
 */
export interface Architecture {
  /** Width and height in pixels of a picture, as the data have it and the decoders draw it. */
  readonly size: number;
  /**
   * Width and height that the encoder sees: it averages the picture down to this first. `size` divided by a power of
   * two, by default 1; for each halving the decoders have one more doubling.
   */
  readonly input?: number;
  /** Channels of each padded stage. */
  readonly stages: readonly number[];
  /** Stride of each stage: 2 (the default of all), or 1, which keeps the map's extent; the decoders keep it there too. */
  readonly strides?: readonly number[];
  /**
   * Width and height in pixels of the encoder's kernels, in stages and bottleneck: 3 (the default), 5 or 7. The padding
   * grows along, so that the maps keep their extents and only what a cell of the code sees grows.
   */
  readonly kernel?: number;
  /** Channels between the two bottleneck convolutions. */
  readonly mid: number;
  /** Channels of the code. */
  readonly code: number;
  /** Numbers in a dense code between encoder and decoder. Without it the code is the grid. */
  readonly dense?: number;
  /**
   * How the decoders' maps grow: by transposed convolutions (the default); by convolutions to more channels, which are
   * shuffled to pixels (Shi et al., 2016), as initialised by Aitken et al. (2017); or by nearest neighbours before a
   * convolution (Odena et al., "Deconvolution and checkerboard artifacts", 2016).
   */
  readonly upsampling?: Upsampling;
  /** Whether the encoder has a second head beside the code's: the logarithm of the code's variance. */
  readonly sampled?: boolean;
}

/** Widths that the encoder's kernels can have: odd ones, which pad alike on both sides. */
export const KERNELS: readonly number[] = [3, 5, 7];

/** The identities of most runs: a shared encoder serves both, each has a decoder. */
export const SIDES = ["src", "dst"] as const;
export type Side = (typeof SIDES)[number];

/** Width and height that the encoder's first convolution sees. */
export const inputSize = ({ size, input }: Architecture): number => input ?? size;

/** The stride of each stage. */
export const stridesOf = ({ stages, strides }: Architecture): readonly number[] => strides ?? stages.map(() => 2);

/** What the stages divide the extents by, together. */
export const narrowing = (a: Architecture): number => stridesOf(a).reduce((product, stride) => product * stride, 1);

/** Extents of the maps, whatever the kernel: after each stage, between the bottleneck convolutions, and of the code. */
export function mapSizes(a: Architecture): number[] {
  let extent = inputSize(a);
  const sizes = stridesOf(a).map((stride) => {
    extent /= stride;
    return extent;
  });
  const halved = sizes.at(-1) ?? inputSize(a);
  const middle = Math.floor((halved - 3) / 2) + 1;
  return [...sizes, middle, Math.floor((middle - 3) / 2) + 1];
}

/** Numbers in a code. */
export const codeLength = (a: Architecture): number => a.dense ?? (mapSizes(a).at(-1) as number) ** 2 * a.code;

const LEAST_WIDTH = 8;

/** Channels of the decoders' maps from the end of the bottleneck's mirror to the picture, which is left out. */
export function decoderWidths(a: Architecture): number[] {
  const first = a.stages[0] ?? a.mid;
  const extra = Math.log2(a.size / inputSize(a));
  // Beyond what the encoder sees: half as many with each doubling.
  const narrower = Array.from({ length: extra }, (_, i) =>
    Math.min(first, Math.max(LEAST_WIDTH, Math.floor(first / 2 ** (i + 1)))),
  );
  return [...a.stages].reverse().concat(narrower);
}
