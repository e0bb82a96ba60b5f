// The single convolutions that are measured: geometry, data, and the float64 reference.
import { uniform } from "./random.mjs";

/**
 * A convolution maps large images [n, h, w, a] down to small ones [n, oh, ow, b] with weights [k, k, a, b]. Its input
 * gradient maps up, and so does the transposed layer, whose own input gradient maps down; the weight gradient is the
 * same sum for both. So two geometries and three maps make six benchmarks.
 * @typedef {object} Geometry
 * @property {"conv" | "transposed"} layer
 * @property {number} n @property {number} h @property {number} w @property {number} a
 * @property {number} oh @property {number} ow @property {number} b
 * @property {number} k @property {number} stride @property {number} padding the same on all sides
 */

/** @typedef {"down" | "up" | "weights"} Direction */

/** @typedef {{ id: string, what: string, map: Direction, role: "forward" | "input" | "weight", geometry: Geometry }} Convolution */

/** @type {Geometry} */
const CONV = { layer: "conv", n: 8, h: 32, w: 32, a: 32, oh: 32, ow: 32, b: 64, k: 3, stride: 1, padding: 1 };
/** @type {Geometry} */
const TRANSPOSED = {
  layer: "transposed",
  n: 8,
  h: 32,
  w: 32,
  a: 32,
  oh: 16,
  ow: 16,
  b: 64,
  k: 4,
  stride: 2,
  padding: 1,
};

const named = (name, what, geometry, forward, input) => [
  { id: `${name} forward`, what, role: "forward", map: forward, geometry },
  { id: `${name} input gradient`, what, role: "input", map: input, geometry },
  { id: `${name} weight gradient`, what, role: "weight", map: "weights", geometry },
];

/** @type {Convolution[]} */
export const CONVOLUTIONS = [
  ...named("conv", "3×3, stride 1, padding 1, 32→64 channels, 32×32, batch 8", CONV, "down", "up"),
  ...named("transposed", "4×4, stride 2, padding 1, 64→32 channels, 16×16→32×32, batch 8", TRANSPOSED, "up", "down"),
];

/** Multiplications and additions of one pass. @param {Geometry} g */
export const flopsOf = ({ n, oh, ow, a, b, k }) => 2 * n * oh * ow * b * k * k * a;

/** @param {Geometry} g */
export const shapesOf = ({ n, h, w, a, oh, ow, b, k }) => ({
  large: [n, h, w, a],
  small: [n, oh, ow, b],
  weights: [k, k, a, b],
});

/** How many products make one element of the result, at most. @param {Geometry} g @param {Direction} map */
export const lengthOf = ({ n, oh, ow, a, b, k, stride }, map) =>
  map === "down" ? k * k * a : map === "up" ? Math.ceil(k / stride) ** 2 * b : n * oh * ow;

const count = (shape) => shape.reduce((x, y) => x * y, 1);

/** Random numbers in [−1, 1) for the large images, the small ones and the weights. @param {Geometry} g */
export function dataOf(g) {
  const { large, small, weights } = shapesOf(g);
  const draw = (shape, seed) => uniform(count(shape), seed).map((value) => 2 * value - 1);
  return { large: draw(large, 1), small: draw(small, 2), weights: draw(weights, 3) };
}

/**
 * The map in float64, and Σ|product| of each element.
 * @param {Geometry} g
 * @param {Direction} map
 * @param {ReturnType<typeof dataOf>} data
 */
export function reference(g, map, { large, small, weights }) {
  const size = count(shapesOf(g)[{ down: "small", up: "large", weights: "weights" }[map]]);
  const values = new Float64Array(size);
  const magnitudes = new Float64Array(size);
  const add = (to, product) => {
    values[to] += product;
    magnitudes[to] += Math.abs(product);
  };
  forEachTap(g, (atLarge, atWeights, atSmall) => {
    for (let i = 0; i < g.a; i++) {
      const x = large[atLarge + i];
      const row = atWeights + i * g.b;
      for (let o = 0; o < g.b; o++) {
        if (map === "down") add(atSmall + o, x * weights[row + o]);
        else if (map === "up") add(atLarge + i, small[atSmall + o] * weights[row + o]);
        else add(row + o, x * small[atSmall + o]);
      }
    }
  });
  return { values, magnitudes };
}

/** Offsets of the channels of every pixel of the large image that meets a tap of the kernel at a pixel of the small. */
function forEachTap({ n, h, w, a, oh, ow, b, k, stride, padding }, visit) {
  for (let image = 0; image < n; image++) {
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        for (let ky = 0; ky < k; ky++) {
          for (let kx = 0; kx < k; kx++) {
            const [y, x] = [oy * stride + ky - padding, ox * stride + kx - padding];
            if (y < 0 || y >= h || x < 0 || x >= w) continue;
            visit(((image * h + y) * w + x) * a, (ky * k + kx) * a * b, ((image * oh + oy) * ow + ox) * b);
          }
        }
      }
    }
  }
}
