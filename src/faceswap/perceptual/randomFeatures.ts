import type { Node } from "../../engine/graph.js";
import { conv2d } from "../../engine/ops/conv2d.js";
import { constant } from "../../engine/ops/leaf.js";
import { scale, square, sub } from "../../engine/ops/pointwise.js";
import { sum } from "../../engine/ops/sum.js";
import { unitNormalise } from "../../engine/ops/unitNormalise.js";
import { Parameters } from "../../engine/parameters.js";
import { keyOf, normal } from "../../engine/philox.js";
import { elements } from "../../engine/shape.js";
import { he } from "../../nn/initialisation.js";
import { checkPictures } from "./pictures.js";

/** Convolutions of 3×3 with a padding of 1: widths from and to, stride, and whether features are compared behind it. */
const LAYERS = [
  { from: 3, to: 16, stride: 1, tap: false },
  { from: 16, to: 16, stride: 1, tap: true },
  { from: 16, to: 32, stride: 2, tap: false },
  { from: 32, to: 32, stride: 1, tap: true },
  { from: 32, to: 64, stride: 2, tap: true },
] as const;
const TAPS = LAYERS.filter(({ tap }) => tap).length;

const ALPHA = 0.1;
/** Of the biases; features of pictures in [−1, 1] deviate about as much. */
const BIAS_DEVIATION = 0.5;
/** The first random stream, far from those of a model's parameters: one seed may serve both. */
const STREAM = 0x52460000;

/** A small convolutional network whose weights stay as they were drawn. */
export interface RandomFeatureNetwork {
  readonly seed: number;
  /** Never given to an optimiser. */
  readonly parameters: Parameters;
}

/**
 * The network of `randomFeatures`: 3 → 16 → 16, halved → 32 → 32, halved → 64 channels, all 3×3 with leaky ReLUs of
 * slope 0.1. Weights are He's, biases normal of deviation 0.5, drawn by Philox from streams of their own.
 * @param seed a whole number from 0
 * @throws UserError on another seed
 */
export function randomFeatureNetwork(seed: number): RandomFeatureNetwork {
  keyOf(seed);
  const parameters = new Parameters();
  LAYERS.forEach(({ from, to }, i) => {
    const shape = [3, 3, from, to];
    const stream = STREAM + 2 * i;
    parameters.create(`random.${i}.weight`, shape, () => he(shape, 9 * from, { seed, stream }, ALPHA));
    parameters.create(`random.${i}.bias`, [to], () =>
      normal(to, { seed, step: 0, stream: stream + 1 }).map((n) => n * BIAS_DEVIATION),
    );
  });
  return { seed, parameters };
}

/**
 * How far apart two pictures are in the features of a random network: each pixel's features divided by their length (plus
 * 1e-10), the squared distance of these unit vectors, from 0 to 4, mean over pixels and batch, mean over three taps. A
 * scalar. It needs no weights from anywhere. It is not LPIPS, and its numbers compare only with its own of one seed.
 *
 * Why random weights do: pictures are restored from features of random networks at least as well as from those of
 * trained ones (He, Wang, Hopcroft: "A powerful generative model using random weights for the deep image representation",
 * 2016), textures are synthesised from shallow ones (Ustyuzhaninov, Brendel, Gatys, Bethge: "Texture synthesis using
 * shallow convolutional networks with random filters", 2016), and as a loss of dense prediction the structure carries
 * more than the training (Liu, Chen, Chen, Yin, Shen: "A generic perceptual loss for modeling structured output
 * dependencies", 2021). How well it agrees with people's judgement is not known.
 *
 * The biases are random too: without them features would grow in proportion to the contrast, and their direction, which
 * alone is compared, would not see it. Differentiable in x and y; a pixel whose features are all zero gives none.
 * @param x pictures [N, H, W, 3] with colours in [0, 1]
 * @param y pictures of the same shape
 * @throws ShapeError unless both have that one shape
 */
export function randomFeatures(x: Node, y: Node, network: RandomFeatureNetwork): Node {
  checkPictures("randomFeatures", x, y);
  const [fx, fy] = [x, y].map((picture) => features(picture, network));
  return scale(
    sum(
      fx.map((tap, i) => {
        const apart = square(sub(unitNormalise(tap), unitNormalise(fy[i])));
        return scale(sum(apart), 1 / elements(tap.shape.slice(0, 3)));
      }),
    ),
    1 / TAPS,
  );
}

function features(picture: Node, { parameters }: RandomFeatureNetwork): Node[] {
  const taps: Node[] = [];
  // From [0, 1] to [−1, 1], so that the zeros around a picture are grey.
  let x = sub(scale(picture, 2), constant([1], []));
  LAYERS.forEach(({ stride, tap }, i) => {
    const [w, bias] = parameters.nodes.slice(2 * i, 2 * i + 2);
    x = conv2d(x, w, { bias, stride, padding: 1, activation: { leakyRelu: ALPHA } });
    if (tap) taps.push(x);
  });
  return taps;
}
