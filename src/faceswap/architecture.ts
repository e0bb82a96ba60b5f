/** From an architecture to a network: what fits, and the layers with the numbers that they train. */
import { UserError } from "../engine/errors.js";
import type { Node } from "../engine/graph.js";
import { averagePool2d } from "../engine/ops/filter2d.js";
import { pixelShuffle } from "../engine/ops/pixelShuffle.js";
import { slice } from "../engine/ops/region.js";
import { reshape } from "../engine/ops/reshape.js";
import { resizeNearest } from "../engine/ops/resize.js";
import { Parameters } from "../engine/parameters.js";
import { elements } from "../engine/shape.js";
import { convLayer, convTransposeLayer, denseLayer, type Layer } from "../nn/layers.js";
import { type Architecture, inputSize, KERNELS, mapSizes, narrowing, SIDES, UPSAMPLINGS } from "./geometry.js";
import { type LayerDescription, layersOf, weightShape } from "./layerList.js";

export {
  type Architecture,
  codeLength,
  inputSize,
  KERNELS,
  mapSizes,
  SIDES,
  type Side,
  UPSAMPLINGS,
  type Upsampling,
} from "./geometry.js";
export { type Extent, type LayerDescription, type LayerKind, layersOf } from "./layerList.js";

const MAX_WEIGHTS = 2 ** 26;

/**
 * @throws UserError naming the first field that is impossible, and why: a count of none, an input that is not the size
 * halved, a stage or a bottleneck that does not fit, a layer of more than 2^26 weights
 */
export function checkArchitecture(a: Architecture): void {
  const refuse = (reason: string): never => {
    throw new UserError(`architecture: ${reason}`);
  };
  // What comes from a run's config.json has only been parsed.
  if (!Array.isArray(a.stages)) refuse("stages must be a list of channels");
  const counts: Record<string, number> = { size: a.size, mid: a.mid, code: a.code };
  if (a.input !== undefined) counts.input = a.input;
  if (a.dense !== undefined) counts.dense = a.dense;
  a.stages.forEach((channels, i) => {
    counts[`stage ${i}`] = channels;
  });
  for (const [name, n] of Object.entries(counts)) {
    if (!Number.isInteger(n) || n < 1) refuse(`${name} ${n} must be a whole number from 1`);
  }
  if (a.kernel !== undefined && !KERNELS.includes(a.kernel)) refuse(`kernel ${a.kernel} must be 3, 5 or 7`);
  if (a.strides !== undefined) {
    const { length } = a.stages;
    if (!Array.isArray(a.strides) || a.strides.length !== length || a.strides.some((s) => s !== 1 && s !== 2)) {
      refuse(`strides ${[a.strides].flat().join(", ")} must be ${length}, one a stage, each 1 or 2`);
    }
  }
  if (a.upsampling !== undefined && !UPSAMPLINGS.includes(a.upsampling)) {
    refuse(`upsampling "${a.upsampling}" must be one of ${UPSAMPLINGS.join(", ")}`);
  }
  if (a.sampled !== undefined && typeof a.sampled !== "boolean") refuse(`sampled ${a.sampled} must be true or false`);
  const seen = inputSize(a);
  if (!Number.isInteger(Math.log2(a.size / seen)) || seen > a.size) {
    refuse(`input ${seen} must be the size, ${a.size}, divided by a power of two`);
  }
  const sizes = mapSizes(a);
  if (sizes.slice(0, -2).some((n) => !Number.isInteger(n)) || sizes[sizes.length - 1] < 1) {
    const parts = narrowing(a);
    const [what, name] =
      a.input === undefined ? [`${seen} pixels do`, "size"] : [`an input of ${seen} pixels does`, "input"];
    refuse(
      `${what} not fit ${a.stages.length} stages and the bottleneck: ` +
        `the ${name} must be a multiple of ${parts} and at least ${7 * parts}`,
    );
  }
  // One decoder is like another.
  for (const layer of layersOf(a, [SIDES[0]])) {
    const weights = elements(weightShape(layer) ?? []);
    if (weights > MAX_WEIGHTS) {
      const { name, from, to } = layer;
      refuse(`layer ${name}, ${from} to ${to} channels, has ${weights.toLocaleString("en")} weights, over 2^26`);
    }
  }
}

/** Names that other parameters of a run, or of its export, begin with. */
const TAKEN = ["encoder", "classifier", "up", "down"];

/** @throws UserError unless there are two names or more, all different, which parameters can be called after */
export function checkIdentities(identities: readonly string[]): void {
  if (identities.length < 2) throw new UserError(`identities ${identities.join(", ")}: a swap needs at least 2`);
  identities.forEach((name, i) => {
    if (!/^[a-z0-9-]+$/.test(name)) throw new UserError(`identities: "${name}" is no name for one: use a-z, 0-9 and -`);
    if (TAKEN.includes(name)) throw new UserError(`identities: "${name}" is the name of other layers: choose another`);
    if (identities.indexOf(name) !== i) throw new UserError(`identities: "${name}" is named twice`);
  });
}

/** A code as a normal distribution: its mean, and the logarithm of its variance. Both have the shape of a code. */
export interface CodeDistribution {
  readonly mean: Node;
  readonly logVariance: Node;
}

/** A face-swap autoencoder: the layers and the numbers that they train. */
export interface Autoencoder {
  readonly architecture: Architecture;
  readonly parameters: Parameters;
  /** Pictures [N, S, S, 3] to the code: [N, dense] or [N, g, g, code]. The latent losses compare this. */
  readonly encode: Layer;
  /** The same with the code's variance, where the architecture is `sampled`; the mean is the code. */
  readonly encodeDistribution?: (x: Node) => CodeDistribution;
  /** The code to pictures [N, S, S, 3] in [0, 1], by the decoder of one identity. */
  readonly decode: Record<string, Layer>;
}

const chain =
  (layers: readonly Layer[]): Layer =>
  (x: Node) =>
    layers.reduce((y, layer) => layer(y), x);

/** Makes a layer of a list, and its parameters if it has any. */
function build(layer: LayerDescription, parameters: Parameters, seed: number): Layer {
  const { name, role, kind, kernel, stride, to, input, output, activation } = layer;
  const initial = layer.initial === "icnr" ? { icnr: 2 } : layer.initial;
  const options = { parameters, seed, name, activation, initial };
  switch (kind) {
    case "conv":
      return convLayer(options, layer);
    case "transposed":
      return convTransposeLayer(options, layer);
    case "dense": {
      const [inputs, outputs] = weightShape(layer) as [number, number];
      const apply = denseLayer(options, inputs, outputs);
      // A code has no axes of pixels.
      const shape = role === "widen" ? [output.height, output.width, to] : [outputs];
      return (x) => reshape(apply(reshape(x, [x.shape[0], inputs])), [x.shape[0], ...shape]);
    }
    case "average":
      return (x) => averagePool2d(x, kernel, stride);
    case "shuffle":
      return (x) => pixelShuffle(x, output.height / input.height);
    case "resize":
      return (x) => resizeNearest(x, output.height, output.width);
    case "crop":
      return (x) => slice(x, [0, 0, 0, 0], [x.shape[0], output.height, output.width, to]);
  }
}

/**
 * Makes the layers with initial weights from the seed, which are drawn when they are first needed.
 * @param identities names of the decoders, at least 2, of a-z, 0-9 and -
 * @throws UserError naming what is impossible in the architecture or the names
 */
export function autoencoder(
  architecture: Architecture,
  seed: number,
  identities: readonly string[] = SIDES,
): Autoencoder {
  checkArchitecture(architecture);
  checkIdentities(identities);
  const parameters = new Parameters();
  // In the order of the list, which is that of the parameters: each draws from the stream of its own number.
  const made = layersOf(architecture, identities).map((layer) => ({ ...layer, apply: build(layer, parameters, seed) }));
  const of = (role: LayerDescription["role"], identity?: string) =>
    made.filter((layer) => layer.role === role && layer.identity === identity).map(({ apply }) => apply);

  const encoder = of("encoder");
  const [head] = of("logVariance");
  const trunk = chain(encoder.slice(0, -1));
  const mean = encoder[encoder.length - 1];
  const decode = identities.map((identity) => [identity, chain([...of("widen"), ...of("decoder", identity)])] as const);
  return {
    ...{ architecture, parameters, encode: chain(encoder), decode: Object.fromEntries(decode) },
    ...(head && {
      encodeDistribution(x: Node) {
        const last = trunk(x);
        return { mean: mean(last), logVariance: head(last) };
      },
    }),
  };
}
