import type { Activation, Node } from "../engine/graph.js";
import { conv2d } from "../engine/ops/conv2d.js";
import { convTranspose2d } from "../engine/ops/convTranspose2d.js";
import { dense } from "../engine/ops/dense.js";
import type { Parameters } from "../engine/parameters.js";
import { elements, type Shape } from "../engine/shape.js";
import { he, icnr } from "./initialisation.js";

/** A layer with its parameters: a function from node to node. */
export type Layer = (x: Node) => Node;

/** What every layer needs to make its parameters, `name`.weight and `name`.bias. */
export interface LayerOptions {
  readonly parameters: Parameters;
  readonly name: string;
  readonly seed: number;
  readonly activation: Activation;
  /** How the weights begin. Default: He's. */
  readonly initial?: Initial;
}

/** He's deviation; zeros; or, for a convolution before `pixelShuffle(r)`, He's with r² equal filters a channel. */
export type Initial = "he" | "zero" | { readonly icnr: number };

const slope = (activation: Activation): number => (typeof activation === "object" ? activation.leakyRelu : 0);

/** Weights for the layer's activation, from the stream of the parameter's own number, and zero biases. */
function weightAndBias(o: LayerOptions, shape: Shape, fanIn: number, outputs: number): [Node, Node] {
  const draw = { seed: o.seed, stream: o.parameters.nodes.length };
  // A linear or sigmoid layer of a leaky network is initialised like its neighbours.
  const drawn = (shape: Shape) => he(shape, fanIn, draw, slope(o.activation) || 0.1);
  const { initial = "he" } = o;
  const values = () => {
    if (initial === "zero") return new Float32Array(elements(shape));
    return initial === "he" ? drawn(shape) : icnr(shape, initial.icnr, drawn);
  };
  const weight = o.parameters.create(`${o.name}.weight`, shape, values);
  return [weight, o.parameters.create(`${o.name}.bias`, [outputs], new Float32Array(outputs))];
}

export interface ConvShape {
  readonly from: number;
  readonly to: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  /** For transposed layers. */
  readonly outputPadding?: number;
}

/** A convolution with square kernel: [N, H, W, from] to [N, H', W', to]. */
export function convLayer(options: LayerOptions, { from, to, kernel: k, stride, padding }: ConvShape): Layer {
  const [w, bias] = weightAndBias(options, [k, k, from, to], k * k * from, to);
  return (x) => conv2d(x, w, { bias, stride, padding, activation: options.activation });
}

/** A transposed convolution with square kernel. Each output sums k²/stride² taps of every input channel. */
export function convTransposeLayer(options: LayerOptions, shape: ConvShape): Layer {
  const { from, to, kernel: k, stride, padding, outputPadding } = shape;
  const [w, bias] = weightAndBias(options, [k, k, to, from], (k * k * from) / stride ** 2, to);
  return (x) => convTranspose2d(x, w, { bias, stride, padding, outputPadding, activation: options.activation });
}

/** A fully connected layer: [N, from] to [N, to]. */
export function denseLayer(options: LayerOptions, from: number, to: number): Layer {
  const [w, bias] = weightAndBias(options, [from, to], from, to);
  return (x) => dense(x, w, { bias, activation: options.activation });
}
