/**
 * 3×3 convolutions of stride 1 by F(4×4, 3×3) of Lavin & Gray, "Fast algorithms for convolutional neural networks" (2016):
 *
 *   y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A   of every 6×6 pixels d of x, for 4×4 of y
 *
 * The product ⊙ is of channels: 36 matrix products, of a quarter of the multiplications that the taps take.
 *
 *   Bᵀ  4  0 −5  0  1  0    G   1/4    0     0     Aᵀ  1  1  1  1  1  0
 *       0 −4 −4  1  1  0       −1/6  −1/6  −1/6        0  1 −1  2 −2  0
 *       0  4 −4 −1  1  0       −1/6   1/6  −1/6        0  1  1  4  4  0
 *       0 −2 −1  2  1  0       1/24  1/12   1/6        0  1 −1  8 −8  1
 *       0  2 −1 −2  1  0       1/24 −1/12   1/6
 *       0  4  0 −5  0  1         0     0     1
 *
 * What is added and subtracted on the way is larger than what comes out, so the error is: four to five times a plain sum's
 * on random numbers, see test/reference/winograd.ts for the bound.
 */
import subgroup from "../../../shaders/conv2d_subgroup.wgsl";
import inputSource from "../../../shaders/winograd_input.wgsl";
import outputSource from "../../../shaders/winograd_output.wgsl";
import weightsSource from "../../../shaders/winograd_weights.wgsl";
import { type Candidate, type Dispatch, type Node, Scratch, type Target } from "../graph.js";
import { kernel, linear, MAX_GROUPS } from "../lower.js";
import { lastBlocks } from "../shape.js";
import { type ConvAttrs, epilogue } from "./conv2d.js";
import { runsSubgroupKernels, smallFlag, subgroupTiles } from "./subgroup.js";

const TILE = 4;
const PRODUCTS = 36;
/** With fewer channels the product, where multiplications are saved, is too small a part of the work. */
const LEAST_CHANNELS = 8;

/**
 * The candidate of a node, where it has 3×3 weights, stride 1 and enough channels.
 * @param transposed whether the weights are convTranspose2d's, [3, 3, Co, Ci]
 */
export function winograd(node: Node<ConvAttrs>, target: Target, transposed: boolean): Candidate[] {
  const [x, w, b] = node.inputs;
  const [batch, oh, ow, co] = node.shape;
  const [, h, width, ci] = x.shape;
  const { stride, padding } = node.attrs;
  const SG = target.subgroupSize;
  const fits = w.shape[0] === 3 && w.shape[1] === 3 && stride === 1 && Math.min(ci, co) >= LEAST_CHANNELS;
  if (!fits || !runsSubgroupKernels(SG)) return [];
  const [ci4, co4] = [lastBlocks(x.shape), lastBlocks(node.shape)];
  const [down, across] = [Math.ceil(oh / TILE), Math.ceil(ow / TILE)];
  const tiles = batch * down * across;
  const [tile] = subgroupTiles(SG, co4, tiles);
  // No workgroup of the product may work on two matrices.
  const rows = Math.ceil(tiles / tile.pixels) * tile.pixels;
  const transformed = 16 * PRODUCTS * rows;
  if (transformed * Math.max(ci4, co4) > target.maxBindingBytes) return [];

  const dispatches = (): Dispatch[] => {
    const [u, v, m] = [16 * PRODUCTS * ci * co4, transformed * ci4, transformed * co4].map((n) => new Scratch(n));
    const { flags, alpha } = epilogue(node);
    const extents = { down, across };
    const pad = (own: number) => (transposed ? 2 - own : own);
    const groups = (PRODUCTS * rows) / tile.pixels;
    const folds = Math.ceil(groups / MAX_GROUPS);
    const pixels = PRODUCTS * rows;
    return [
      {
        kernel: kernel("winograd_weights", weightsSource, { TRANSPOSED: Number(transposed) }),
        bind: { w, u },
        uniform: { count: ci * co4, ci, ci4, co, co4 },
        groups: linear(ci * co4),
      },
      {
        kernel: kernel("winograd_input", inputSource, smallFlag(tiles * ci4)),
        bind: { x, v },
        uniform: {
          ...{ count: tiles * ci4, rows, h, w: width, ci4, ...extents },
          ...{ padTop: pad(padding.top), padLeft: pad(padding.left) },
        },
        groups: linear(tiles * ci4),
      },
      {
        // 1×1 pixels, every `rows` of them with the next weights.
        kernel: kernel("conv2d_subgroup", subgroup, {
          ...tile.constants,
          ...{ CHANNELS: 4, MATRICES: 1, BIAS: 0, ACTIVATION: 0, ...smallFlag(pixels) },
        }),
        bind: { x: v, w: u, b: u, y: m },
        uniform: {
          ...{ h: 1, w: pixels, ci, ci4, oh: 1, ow: pixels, co, co4, kh: 1, kw: 1, stride: 1, padTop: 0, padLeft: 0 },
          ...{ pixels, weights: PRODUCTS * ci * co4, rows, alpha: 0 },
        },
        groups: [Math.ceil(groups / folds), Math.ceil(co4 / tile.blocks), folds],
        // A plain convolution's: a step's work does not depend on the kernels that do it.
        flops: 2 * batch * oh * ow * co * 9 * ci,
      },
      {
        kernel: kernel("winograd_output", outputSource, { ...flags, ...smallFlag(tiles * co4) }),
        bind: { m, b: b ?? w, y: node },
        uniform: { count: tiles * co4, rows, oh, ow, co, co4, ...extents, alpha },
        groups: linear(tiles * co4),
      },
    ];
  };
  return [{ name: "winograd", adapters: "cpu", dispatches }];
}
