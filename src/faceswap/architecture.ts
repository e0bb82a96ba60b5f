import { UserError } from "../engine/errors.js";
import type { Node } from "../engine/graph.js";
import { reshape } from "../engine/ops/reshape.js";
import { Parameters } from "../engine/parameters.js";
import { type ConvShape, convLayer, convTransposeLayer, denseLayer, type Layer } from "../nn/layers.js";

/**
 * A stack that narrows a face to a code: stride-2 stages (3×3, padded), then two unpadded stride-2 convolutions (the
 * bottleneck: 16 → 7 → 3, 32 → 15 → 7), then, if asked for, a dense pair through `dense` numbers. The decoders mirror
 * it with transposed convolutions.
 */
export interface Architecture {
  /** Width and height of a picture in pixels. */
  readonly size: number;
  /** Channels of each padded stage. */
  readonly stages: readonly number[];
  /** Channels between the two bottleneck convolutions. */
  readonly mid: number;
  /** Channels of the code. */
  readonly code: number;
  /** Numbers in a dense code between encoder and decoder. Without it the code is the grid. */
  readonly dense?: number;
}

/** Extents of the maps: after each stage, between the bottleneck convolutions, and of the code. */
export function mapSizes({ size, stages }: Architecture): number[] {
  const sizes = stages.map((_, i) => size / 2 ** (i + 1));
  const halved = sizes.at(-1) ?? size;
  const middle = Math.floor((halved - 3) / 2) + 1;
  return [...sizes, middle, Math.floor((middle - 3) / 2) + 1];
}

/** @throws UserError if a count is none, or if a stage or the bottleneck does not fit the picture's size */
export function checkArchitecture(a: Architecture): void {
  // What comes from a run's config.json has only been parsed.
  if (!Array.isArray(a.stages)) throw new UserError("architecture: stages must be a list of channels");
  const counts: Record<string, number> = { size: a.size, mid: a.mid, code: a.code };
  if (a.dense !== undefined) counts.dense = a.dense;
  a.stages.forEach((channels, i) => {
    counts[`stage ${i}`] = channels;
  });
  for (const [name, n] of Object.entries(counts)) {
    if (!Number.isInteger(n) || n < 1) throw new UserError(`architecture: ${name} ${n} must be a whole number from 1`);
  }
  const widths = [3, ...a.stages, a.mid, a.code];
  const largest = Math.max(
    ...widths.map((n, i) => 16 * n * (widths[i + 1] ?? 1)),
    codeLength({ ...a, dense: undefined }) * (a.dense ?? 1),
  );
  if (largest > 2 ** 26)
    throw new UserError(`architecture: ${widths.join(", ")} channels make a layer of over 2^26 weights`);
  const sizes = mapSizes(a);
  if (sizes.slice(0, -2).some((n) => !Number.isInteger(n)) || sizes[sizes.length - 1] < 1) {
    const halvings = a.stages.length;
    throw new UserError(
      `architecture: ${a.size} pixels do not fit ${halvings} stages and the bottleneck: ` +
        `the size must be a multiple of ${2 ** halvings} and at least ${7 * 2 ** halvings}`,
    );
  }
}

/** Numbers in a code. */
export const codeLength = (a: Architecture): number => a.dense ?? (mapSizes(a).at(-1) as number) ** 2 * a.code;

/** The identities: a shared encoder serves both, each has a decoder. */
export const SIDES = ["src", "dst"] as const;
export type Side = (typeof SIDES)[number];

/** A face-swap autoencoder: the layers and the numbers that they train. */
export interface Autoencoder {
  readonly architecture: Architecture;
  readonly parameters: Parameters;
  /** Pictures [N, S, S, 3] to the code: [N, dense] or [N, g, g, code]. The latent losses compare this. */
  readonly encode: Layer;
  /** The code to pictures [N, S, S, 3] in [0, 1], by the decoder of one identity. */
  readonly decode: Record<Side, Layer>;
}

const HIDDEN = { leakyRelu: 0.1 };
const chain =
  (layers: readonly Layer[]): Layer =>
  (x: Node) =>
    layers.reduce((y, layer) => layer(y), x);

/** Makes the layers with initial weights from the seed. @throws UserError */
export function autoencoder(architecture: Architecture, seed: number): Autoencoder {
  checkArchitecture(architecture);
  const { size, stages, mid, code, dense } = architecture;
  const parameters = new Parameters();
  const options = { parameters, seed };

  const shrink = (from: number, to: number, padding: number): ConvShape => ({
    from,
    to,
    kernel: 3,
    stride: 2,
    padding,
  });
  const widths = [3, ...stages];
  const last = widths[widths.length - 1];
  const encoder = [...stages.map((to, i) => shrink(widths[i], to, 1)), shrink(last, mid, 0), shrink(mid, code, 0)].map(
    (shape, i, all) =>
      // The code itself is linear.
      convLayer({ ...options, name: `encoder.${i}`, activation: i === all.length - 1 ? "none" : HIDDEN }, shape),
  );

  const sizes = mapSizes(architecture);
  const grid = sizes[sizes.length - 1];
  const flat = grid * grid * code;
  const down = dense ? denseLayer({ ...options, name: "encoder.down", activation: "none" }, flat, dense) : undefined;
  const up = dense ? denseLayer({ ...options, name: "encoder.up", activation: HIDDEN }, dense, flat) : undefined;

  const decoder = (side: Side): Layer => {
    const middle = sizes[sizes.length - 2];
    const halved = stages.length ? size / 2 ** stages.length : size;
    // An output padding of 1 where the mirrored convolution dropped a row: 16 → 7 → 16.
    const grow = (from: number, to: number, small: number, large: number): ConvShape => ({
      ...{ from, to, kernel: 3, stride: 2, padding: 0 },
      outputPadding: large - (2 * (small - 1) + 3),
    });
    const back = [...stages].reverse();
    const double = (from: number, i: number): ConvShape => {
      return { from, to: back[i + 1] ?? 3, kernel: 4, stride: 2, padding: 1 };
    };
    const shapes = [grow(code, mid, grid, middle), grow(mid, back[0] ?? 3, middle, halved), ...back.map(double)];
    const layers = shapes.map((shape, i) =>
      convTransposeLayer(
        { ...options, name: `${side}.${i}`, activation: i === shapes.length - 1 ? "sigmoid" : HIDDEN },
        shape,
      ),
    );
    const widen: Layer = (z) => (up ? reshape(up(z), [z.shape[0], grid, grid, code]) : z);
    return chain([widen, ...layers]);
  };

  const encode: Layer = (x) => {
    const z = chain(encoder)(x);
    return down ? down(reshape(z, [z.shape[0], flat])) : z;
  };
  return { architecture, parameters, encode, decode: { src: decoder("src"), dst: decoder("dst") } };
}
