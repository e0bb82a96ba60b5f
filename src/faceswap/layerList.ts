import type { Activation } from "../engine/graph.js";
import type { Shape } from "../engine/shape.js";
import { type Architecture, decoderWidths, inputSize, mapSizes, SIDES, stridesOf } from "./geometry.js";

/** What a layer computes. */
export type LayerKind =
  /** Convolution, zeros around the map. */
  | "conv"
  /** Transposed convolution, the adjoint of a conv. */
  | "transposed"
  /** Fully connected, over the whole map, flattened as [height, width, channel]. */
  | "dense"
  /** Mean over kernel × kernel pixels. */
  | "average"
  /** Channels to pixels, twice as many both ways; channels in the order c·4 + i·2 + j. */
  | "shuffle"
  /** Nearest neighbour: output pixel i is input pixel ⌊i · input / output⌋. */
  | "resize"
  /** Without the last rows and columns. */
  | "crop";

export interface Extent {
  readonly height: number;
  readonly width: number;
}

/** One layer of a network. Its parameters, if it has any, are `name`.weight and `name`.bias. */
export interface LayerDescription {
  readonly name: string;
  /**
   * encoder: picture to code. widen: from a dense code back to the grid, before every decoder. decoder: code to picture.
   * logVariance: in the place of the encoder's last layer.
   */
  readonly role: "encoder" | "widen" | "decoder" | "logVariance";
  /** Whose decoder it is. */
  readonly identity?: string;
  readonly kind: LayerKind;
  /** Channels. */
  readonly from: number;
  readonly to: number;
  /** Width and height of a kernel in pixels; 1 where there is none. */
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  /** Rows and columns that a transposed convolution adds at the end. */
  readonly outputPadding: number;
  readonly input: Extent;
  readonly output: Extent;
  readonly activation: Activation;
  /** How weights begin: He et al. (2015); zero; or equal in each group of 4 filters that make one shuffled channel. */
  readonly initial?: "he" | "zero" | "icnr";
}

const HIDDEN: Activation = { leakyRelu: 0.1 };
const square = (n: number): Extent => ({ height: n, width: n });

/** Neither parameters nor an activation: what a layer is unless it says otherwise. */
const plain = { kernel: 1, stride: 1, padding: 0, outputPadding: 0, activation: "none" } as const;

function encoderLayers(a: Architecture): LayerDescription[] {
  const sizes = [inputSize(a), ...mapSizes(a)];
  const widths = [3, ...a.stages, a.mid, a.code];
  const kernel = a.kernel ?? 3;
  const strides = stridesOf(a);
  const layers: LayerDescription[] = [];
  const factor = a.size / inputSize(a);
  if (factor > 1) {
    const map = { from: 3, to: 3, input: square(a.size), output: square(sizes[0]) };
    layers.push({
      ...plain,
      name: "encoder.average",
      role: "encoder",
      kind: "average",
      ...map,
      kernel: factor,
      stride: factor,
    });
  }
  widths.slice(1).forEach((to, i) => {
    const last = i === widths.length - 2;
    const map = { from: widths[i], to, input: square(sizes[i]), output: square(sizes[i + 1]) };
    // Half a kernel around a stage. Around the bottleneck what a kernel has beyond 3×3: maps are as large as with 3×3.
    const padding = (kernel - (i < a.stages.length ? 1 : 3)) / 2;
    const shape = { kernel, stride: strides[i] ?? 2, padding, outputPadding: 0 };
    // The code itself is linear.
    const activation = last ? "none" : HIDDEN;
    layers.push({ name: `encoder.${i}`, role: "encoder", kind: "conv", ...map, ...shape, activation, initial: "he" });
  });
  return layers;
}

function denseLayers({ code, dense }: Architecture, grid: number): LayerDescription[] {
  if (!dense) return [];
  const [map, row] = [square(grid), square(1)];
  const common = { ...plain, kind: "dense", initial: "he" } as const;
  return [
    { ...common, name: "encoder.down", role: "encoder", from: code, to: dense, input: map, output: row },
    {
      ...common,
      name: "encoder.up",
      role: "widen",
      from: dense,
      to: code,
      input: row,
      output: map,
      activation: HIDDEN,
    },
  ];
}

/** From an extent to twice as much, to one or two more than that, or to the same: what one layer of a decoder has to do. */
interface Growth {
  readonly from: number;
  readonly to: number;
  readonly small: number;
  readonly large: number;
}

function growths(a: Architecture): Growth[] {
  const sizes = [inputSize(a), ...mapSizes(a)].reverse();
  const widths = decoderWidths(a);
  const [grid, middle, halved] = sizes;
  const out: Growth[] = [
    { from: a.code, to: a.mid, small: grid, large: middle },
    { from: a.mid, to: widths[0] ?? 3, small: middle, large: halved },
  ];
  const factors = [...stridesOf(a)].reverse();
  let small = halved;
  widths.forEach((from, i) => {
    const large = small * (factors[i] ?? 2);
    out.push({ from, to: widths[i + 1] ?? 3, small, large });
    small = large;
  });
  return out;
}

/** The layers of one growth; which of them has parameters has the name itself. */
function upsampled(
  a: Architecture,
  name: string,
  growth: Growth,
  activation: Activation,
): Omit<LayerDescription, "role">[] {
  const { from, to, small, large } = growth;
  const doubles = large === 2 * small;
  const [before, behind] = [square(small), square(large)];
  const same = { kernel: 3, stride: 1, padding: 1, outputPadding: 0 };
  if (small === large) {
    return [{ name, kind: "conv", from, to, input: before, output: behind, ...same, activation, initial: "he" }];
  }
  switch (a.upsampling ?? "transposed") {
    case "transposed": {
      const shape = doubles ? { kernel: 4, padding: 1 } : { kernel: 3, padding: 0 };
      // Where the mirrored convolution dropped a row: 16 → 7 → 16.
      const outputPadding = large - ((small - 1) * 2 - 2 * shape.padding + shape.kernel);
      const map = { from, to, input: before, output: behind };
      return [{ name, kind: "transposed", ...map, ...shape, stride: 2, outputPadding, activation, initial: "he" }];
    }
    case "sub-pixel": {
      // A 2×2 kernel and one pixel of zeros make n + 1 of n, which is enough for 2n + 1 and 2n + 2.
      const half = doubles ? small : small + 1;
      const shape = { kernel: doubles ? 3 : 2, stride: 1, padding: 1, outputPadding: 0 };
      const wide = { from, to: 4 * to, input: before, output: square(half) };
      const map = { from: 4 * to, to, input: square(half), output: square(2 * half) };
      const layers: Omit<LayerDescription, "role">[] = [
        { name, kind: "conv", ...wide, ...shape, activation, initial: "icnr" },
        { ...plain, name: `${name}.shuffle`, kind: "shuffle", ...map },
      ];
      if (2 * half > large) {
        layers.push({
          ...plain,
          name: `${name}.crop`,
          kind: "crop",
          from: to,
          to,
          input: square(2 * half),
          output: behind,
        });
      }
      return layers;
    }
    case "resize": {
      return [
        { ...plain, name: `${name}.resize`, kind: "resize", from, to: from, input: before, output: behind },
        { name, kind: "conv", from, to, input: behind, output: behind, ...same, activation, initial: "he" },
      ];
    }
  }
}

/**
 * Every layer of a network, in the order of its parameters: the encoder's, the dense pair's, each decoder's, and the
 * second head's. What builds, prints or exports a network follows this list.
 * @param architecture one that `checkArchitecture` passes
 * @param identities whose decoders there are
 */
export function layersOf(architecture: Architecture, identities: readonly string[] = SIDES): LayerDescription[] {
  const grid = mapSizes(architecture).at(-1) as number;
  const encoder = [...encoderLayers(architecture), ...denseLayers(architecture, grid)];
  const all = growths(architecture);
  const decoders = identities.flatMap((identity) =>
    all.flatMap((growth, i) => {
      const activation = i === all.length - 1 ? "sigmoid" : HIDDEN;
      const layers = upsampled(architecture, `${identity}.${i}`, growth, activation);
      return layers.map((layer): LayerDescription => ({ ...layer, role: "decoder", identity }));
    }),
  );
  const heads: LayerDescription[] = [];
  if (architecture.sampled) {
    const code = encoder.findLast(({ role }) => role === "encoder") as LayerDescription;
    // A variance of 1 for every picture, to begin with.
    heads.push({ ...code, name: "encoder.logVariance", role: "logVariance", initial: "zero" });
  }
  return [...encoder, ...decoders, ...heads];
}

/** The shape of a layer's weights in the engine: [k, k, in, out], transposed ones [k, k, out, in], dense [in, out]. */
export function weightShape({ kind, kernel, from, to, input, output }: LayerDescription): Shape | undefined {
  if (kind === "conv") return [kernel, kernel, from, to];
  if (kind === "transposed") return [kernel, kernel, to, from];
  if (kind === "dense") return [input.height * input.width * from, output.height * output.width * to];
  return undefined;
}

/** Biases of a layer. */
export function biases({ kind, to, output }: LayerDescription): number {
  if (kind === "dense") return output.height * output.width * to;
  return kind === "conv" || kind === "transposed" ? to : 0;
}

/** Trained numbers of a layer, biases included. */
export const parametersOf = (layer: LayerDescription): number =>
  (weightShape(layer)?.reduce((a, b) => a * b) ?? 0) + biases(layer);

/** Floating-point operations of a layer for one picture, forward: two a weight and place, two a number averaged. */
export function layerFlops(layer: LayerDescription): number {
  const { kind, from, to, kernel, input, output } = layer;
  if (kind === "conv") return 2 * output.height * output.width * to * kernel ** 2 * from;
  if (kind === "transposed") return 2 * input.height * input.width * from * kernel ** 2 * to;
  if (kind === "dense") return 2 * input.height * input.width * from * output.height * output.width * to;
  return kind === "average" ? 2 * input.height * input.width * from : 0;
}
