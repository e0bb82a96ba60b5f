/**
 * Convolutions by F(4×4, R×R) of Lavin & Gray, "Fast algorithms for convolutional neural networks" (2016), R = 2 or 3:
 *
 *   y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A   of every T×T pixels d of x, T = R + 3, for 4×4 of y
 *
 * The product ⊙ is of channels: T² matrix products. R = 3 takes 36 of 144 multiplications, R = 2 25 of 64.
 * With stride S and weights of S·R × S·R, y is a sum over the S×S phases of x, pictures of every S-th pixel: a convolution of
 * stride 1 by R×R weights of S²·Ci channels. Weights of fewer taps, 5×5 for S = 2, have zeros behind them. A transposed
 * convolution makes each of the S×S phases of y from x in the same way.
 *
 * What that is linear in w has as its adjoint the weights' gradient: with gy's 4×4 pixels z of a tile,
 *
 *   gw = Gᵀ [Σ over the tiles  (Bᵀ d B) ⊙ (A z Aᵀ)] G
 *
 * whose T² products are of x's channels × tiles with tiles × y's channels, as many multiplications as forward.
 *
 * The matrices are Toom's and Cook's for the points 0, 1, −1, 2, (−2,) ∞: with N(a) = Π (a − b) over the other points b,
 * row a of Bᵀ has the coefficients of Π (x − b), that of ∞ those of the product over all points; row a of G is
 * 1, a, a², … / N(a), column a of Aᵀ 1, a, a², …; of both that of ∞ is 0, …, 0, 1.
 *
 * What is added and subtracted on the way is larger than what comes out, so the error is: three to five times a plain sum's
 * on random numbers, see test/reference/winograd.ts for the bound.
 */
import inputSource from "../../../shaders/winograd_input.wgsl";
import outputSource from "../../../shaders/winograd_output.wgsl";
import productSource from "../../../shaders/winograd_product.wgsl";
import weightGradSource from "../../../shaders/winograd_weight_grad.wgsl";
import weightGradOutputSource from "../../../shaders/winograd_weight_grad_output.wgsl";
import weightsSource from "../../../shaders/winograd_weights.wgsl";
import { type Candidate, type Dispatch, type Node, Scratch, type Target } from "../graph.js";
import { kernel, linear, MAX_GROUPS } from "../lower.js";
import { lastBlocks, type Shape } from "../shape.js";
import { type ConvAttrs, type ConvGeometry, epilogue } from "./conv2d.js";
import { runsSubgroupKernels, smallFlag, subgroupTiles } from "./subgroup.js";

/** Pixels of y that a tile has along each axis. */
const TILE = 4;
/** With fewer channels the product, where multiplications are saved, is too small a part of the work. */
const LEAST_CHANNELS = 8;

/** Bᵀ, G and Aᵀ by R. */
const TRANSFORMS: Record<number, Record<"B" | "G" | "A", number[][]>> = {
  2: {
    B: [
      [2, -1, -2, 1, 0],
      [0, -2, -1, 1, 0],
      [0, 2, -3, 1, 0],
      [0, -1, 0, 1, 0],
      [0, 2, -1, -2, 1],
    ],
    G: [
      [1 / 2, 0],
      [-1 / 2, -1 / 2],
      [-1 / 6, 1 / 6],
      [1 / 6, 1 / 3],
      [0, 1],
    ],
    A: [
      [1, 1, 1, 1, 0],
      [0, 1, -1, 2, 0],
      [0, 1, 1, 4, 0],
      [0, 1, -1, 8, 1],
    ],
  },
  3: {
    B: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    G: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    A: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

const turned = (m: number[][]): number[][] => m[0].map((_, j) => m.map((row) => row[j]));

/** A matrix as the kernels have it, row by row. */
const wgsl = (rows: number[][]): string => `array<f32, ${rows.length * rows[0].length}>(${rows.flat().join(", ")})`;

/** Rows of four as vec4s. */
const vec4s = (rows: number[][]): string =>
  `array<vec4f, ${rows.length}>(${rows.map((row) => `vec4f(${row.join(", ")})`).join(", ")})`;

/**
 * What is taken for weights of a shape, if anything: nothing where a tile of y, T² numbers for each of the S² phases instead of
 * K² for each pixel, takes more than half of the multiplications. 3×3 at stride 2, 100 of 144, is slower than without.
 */
function transformsFor([K, width, ...channels]: Shape, S: number) {
  const R = Math.ceil(K / S);
  const T = TILE + R - 1;
  const matrices = TRANSFORMS[R];
  const worth = 2 * (S * T) ** 2 <= (TILE * K) ** 2 && Math.min(...channels) >= LEAST_CHANNELS;
  return matrices && width === K && worth ? { R, T, matrices } : undefined;
}

/**
 * The candidate of a node, where it has weights of 2 or 3 strides a side, or little less, and enough channels.
 * @param transposed whether it is a convTranspose2d, with weights [K, K, Co, Ci]
 */
export function winograd(node: Node<ConvAttrs>, target: Target, transposed: boolean): Candidate[] {
  const [x, w, b] = node.inputs;
  const [batch, oh, ow, co] = node.shape;
  const [, h, width, ci] = x.shape;
  const { stride: S, padding } = node.attrs;
  const SG = target.subgroupSize;
  const [K] = w.shape;
  const transforms = transformsFor(w.shape, S);
  if (!transforms || !runsSubgroupKernels(SG)) return [];
  const { R, T, matrices } = transforms;
  const [ci4, co4] = [lastBlocks(x.shape), lastBlocks(node.shape)];
  // The phases of x are added up, those of y are separate.
  const [added, separate] = transposed ? [1, S * S] : [S * S, 1];
  const step = transposed ? TILE * S : TILE;
  const [down, across] = [Math.ceil(oh / step), Math.ceil(ow / step)];
  const tiles = batch * down * across;
  const [tile] = subgroupTiles(SG, co4, tiles);
  const groups = Math.ceil(tiles / tile.pixels);
  const sum4 = added * ci4;
  const [u, v, m] = [T * 4 * sum4 * co4, T * tiles * sum4, TILE * tiles * co4].map((n) => 16 * separate * T * n);
  if (Math.max(u, v, m) > target.maxBindingBytes || groups > MAX_GROUPS) return [];

  const dispatches = (): Dispatch[] => {
    const scratch = { u: new Scratch(u), v: new Scratch(v), m: new Scratch(m) };
    const { flags, alpha } = epilogue(node);
    const common = { tiles, down, across };
    const pad = { padTop: padding.top, padLeft: padding.left };
    const counts = { u: S * S * 4 * ci4 * co4, v: S * S * tiles * ci4, y: separate * TILE * tiles * co4 };
    const TRANSPOSED = Number(transposed);
    return [
      {
        kernel: kernel("winograd_weights", weightsSource, { T, R, S, K, G: wgsl(matrices.G), TRANSPOSED }),
        bind: { w, u: scratch.u },
        uniform: { count: counts.u, ci, ci4, co, co4, ...pad },
        groups: linear(counts.u),
      },
      {
        kernel: kernel("winograd_input", inputSource, {
          ...{ T, D: T, M: TILE, S, B: wgsl(matrices.B), TRANSPOSED, ...smallFlag(counts.v) },
        }),
        bind: { x, v: scratch.v },
        uniform: { count: counts.v, h, w: width, ci4, ...common, ...pad },
        groups: linear(counts.v),
      },
      {
        kernel: kernel("winograd_product", productSource, { ...tile.constants, T, A: vec4s(turned(matrices.A)) }),
        bind: scratch,
        uniform: { tiles, sum4, co4, rows: TILE },
        groups: [groups, Math.ceil(co4 / tile.blocks), separate * T],
        // A plain convolution's: a step's work does not depend on the kernels that do it.
        flops: 2 * batch * (transposed ? h * width : oh * ow) * co * w.shape[0] * w.shape[1] * ci,
      },
      {
        kernel: kernel("winograd_output", outputSource, {
          ...{ T, S: transposed ? S : 1, A: wgsl(matrices.A), ...flags, ...smallFlag(counts.y) },
        }),
        bind: { m: scratch.m, b: b ?? w, y: node },
        uniform: { count: counts.y, oh, ow, co, co4, ...common, alpha },
        groups: linear(counts.y),
      },
    ];
  };
  return [{ name: "winograd", adapters: "cpu", dispatches }];
}

/** The constants of winograd_weight_grad.wgsl for so many vec4s of x's and gy's channels, and what a subgroup has. */
export function weightGradProduct(SG: number, sum4: number, co4: number) {
  const { BLOCKS } = subgroupTiles(SG, co4, sum4)[0].constants;
  const MORE = SG / BLOCKS - 1;
  // 32 of x's channels if there are so many: with 16 each number of z would be loaded twice as often.
  const ROWS = sum4 > 4 ? Math.min(8, SG) : 4;
  const AHEAD = SG / ROWS;
  const STEP = Math.max(2, AHEAD);
  const constants = { SG, ROWS, STEP, AHEAD, LOADS: STEP / AHEAD, BLOCKS, MORE };
  return { constants, blocks: BLOCKS, rows: ROWS, matrices: MORE + 1 };
}

/** The candidate of a conv2dWeightGrad, x and gy to [K, K, Ci, Co], under the same conditions. */
export function winogradWeightGrad(node: Node<ConvGeometry>, target: Target): Candidate[] {
  const [x, gy] = node.inputs;
  const [kh, kw, ci, co] = node.shape;
  const [batch, oh, ow] = gy.shape;
  const [, h, width] = x.shape;
  const { stride: S, padding } = node.attrs;
  const SG = target.subgroupSize;
  const transforms = transformsFor(node.shape, S);
  if (!transforms || !runsSubgroupKernels(SG)) return [];
  const { R, T, matrices } = transforms;
  const [ci4, co4] = [lastBlocks(x.shape), lastBlocks(gy.shape)];
  const sum4 = S * S * ci4;
  const [down, across] = [Math.ceil(oh / TILE), Math.ceil(ow / TILE)];
  const tiles = batch * down * across;
  const [v, z, m] = [tiles * sum4, tiles * co4, S * S * ci * co4].map((vec4s) => 16 * T * T * vec4s);
  if (Math.max(v, z, m) > target.maxBindingBytes) return [];

  const dispatches = (): Dispatch[] => {
    const scratch = { v: new Scratch(v), z: new Scratch(z), m: new Scratch(m) };
    const common = { tiles, down, across };
    const counts = { v: tiles * sum4, z: tiles * co4, gw: S * S * ci * co4 };
    const product = weightGradProduct(SG, sum4, co4);
    return [
      {
        kernel: kernel("winograd_input", inputSource, {
          ...{ T, D: T, M: TILE, S, B: wgsl(matrices.B), TRANSPOSED: 0, ...smallFlag(counts.v) },
        }),
        bind: { x, v: scratch.v },
        uniform: { count: counts.v, h, w: width, ci4, ...common, padTop: padding.top, padLeft: padding.left },
        groups: linear(counts.v),
      },
      {
        // gy's tiles do not overlap.
        kernel: kernel("winograd_input", inputSource, {
          ...{ T, D: TILE, M: TILE, S: 1, B: wgsl(turned(matrices.A)), TRANSPOSED: 0, ...smallFlag(counts.z) },
        }),
        bind: { x: gy, v: scratch.z },
        uniform: { count: counts.z, h: oh, w: ow, ci4: co4, ...common, padTop: 0, padLeft: 0 },
        groups: linear(counts.z),
      },
      {
        kernel: kernel("winograd_weight_grad", weightGradSource, product.constants),
        bind: scratch,
        uniform: { matrices: T * T, tiles, ci, ci4, sum4, co4 },
        groups: [
          Math.ceil(co4 / product.blocks),
          Math.ceil(sum4 / product.rows),
          Math.ceil((T * T) / product.matrices),
        ],
        // A plain gradient's: a step's work does not depend on the kernels that do it.
        flops: 2 * batch * oh * ow * kh * kw * ci * co,
      },
      {
        kernel: kernel("winograd_weight_grad_output", weightGradOutputSource, {
          ...{ T, R, S, G: wgsl(turned(matrices.G)), ...smallFlag(counts.gw) },
        }),
        bind: { m: scratch.m, gw: node },
        uniform: { count: counts.gw, kh, kw, ci, co4, co },
        groups: linear(counts.gw),
      },
    ];
  };
  return [{ name: "winograd", adapters: "cpu", dispatches }];
}
