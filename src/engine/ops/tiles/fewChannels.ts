import source from "../../../../shaders/conv_transpose2d_few.wgsl";
import type { Candidate, Dispatch, Node, Target } from "../../graph.js";
import { folded, kernel } from "../../lower.js";
import { lastBlocks } from "../../shape.js";
import { type ConvAttrs, epilogue } from "../conv2d.js";

/** How conv_transpose2d_few.wgsl cuts a node: see there. */
export interface FewVariant {
  /** Positions of an invocation. */
  readonly Q: number;
  /** Invocations of a row of phases: COLS side by side, the others below. */
  readonly lanes: number;
  readonly COLS: number;
  readonly K4: number;
  /** As of the tiles (tile.ts). */
  readonly unroll?: boolean;
}

/** What WebGPU grants everywhere. */
const WORKGROUP_BYTES = 16384;
/** vec4s of sums and of x that an invocation may hold in registers, besides what it loads ahead. */
const REGISTERS = 40;
/** vec4s that it may load ahead. */
const LOADS = 14;

/** What decides the kernel's constants and its grid. */
function sizes({ inputs: [, w], shape, attrs }: Node<ConvAttrs>, { Q, lanes, COLS, K4, unroll }: FewVariant) {
  const [batch, oh, ow, CO] = shape;
  const { stride: S, padding } = attrs;
  const [TH, TW] = [Math.ceil(w.shape[0] / S), Math.ceil(w.shape[1] / S)];
  const RY = S > 2 ? 1 : S;
  const N4 = Math.ceil((RY * S * CO) / 4);
  const DOWN = lanes / COLS;
  const pixels = (DOWN * Q + TH - 1) * (COLS + TW - 1);
  const weights = (S / RY) * TH * TW * 4 * K4 * N4;
  const plane = Math.floor((pixels + 3) / 8) * 8 + 4;
  const WINDOW = Q + TH - 1;
  const threads = (S / RY) * lanes;
  const positions = (extent: number, pad: number) => Math.floor((extent - 1 + pad) / S) - Math.floor(pad / S) + 1;
  const [down, across] = [positions(oh, padding.top), positions(ow, padding.left)];
  const [blocksDown, blocksAcross] = [Math.ceil(down / (DOWN * Q)), Math.ceil(across / COLS)];
  const [X_LOADS, W_LOADS] = [Math.ceil((K4 * pixels) / threads), Math.ceil(weights / threads)];
  return {
    constants: {
      ...{ S, TH, TW, CO, Q, RY, N4, WINDOW, DOWN, COLS, K4 },
      ...{ X_LOADS, W_LOADS },
      ...(unroll && { bound: "K4 * TW" }),
    },
    blocksDown,
    blocksAcross,
    blocks: batch * blocksDown * blocksAcross,
    fits: 16 * (K4 * plane + weights) <= WORKGROUP_BYTES && Q * N4 + WINDOW <= REGISTERS && X_LOADS + W_LOADS <= LOADS,
    /** Of all positions that are computed, how many are wanted. */
    use: (down * across) / (blocksDown * blocksAcross * lanes * Q),
    /** vec4s of x staged for each step of channels. */
    staged: blocksDown * blocksAcross * pixels,
  };
}

/** A transposed convolution to at most four channels, all phases at once. */
export function convTranspose2dFew(node: Node<ConvAttrs>, variant: FewVariant): Dispatch[] {
  const [x, w, third] = node.inputs;
  const [batch, oh, ow, co] = node.shape;
  const [, h, width, ci] = x.shape;
  const [kh, kw] = w.shape;
  const { flags, alpha } = epilogue(node);
  const { padding } = node.attrs;
  const { constants, blocksDown, blocksAcross, blocks } = sizes(node, variant);
  return [
    {
      kernel: kernel("conv_transpose2d_few", source, { ...constants, ...flags }),
      bind: { x, w, b: third ?? w, y: node },
      uniform: {
        ...{ h, w: width, ci4: lastBlocks(x.shape), oh, ow, co, kh, kw },
        ...{ padTop: padding.top, padLeft: padding.left, batch, blocksDown, blocksAcross, alpha },
        steps: constants.K4 * constants.TW,
      },
      groups: [...folded(blocks), 1],
      flops: 2 * batch * h * width * ci * co * kh * kw,
    },
  ];
}

/**
 * Up to three variants: many positions an invocation read the weights least, few fill a GPU with less work. Of each the
 * one that takes the most channels at a time (two vec4s are what memory gives at once) in the shape that wastes least.
 */
export function fewVariants(node: Node<ConvAttrs>): FewVariant[] {
  if (node.shape[3] > 4 || node.attrs.stride > 4) return [];
  return [8, 4, 2].flatMap((Q) => {
    for (const [lanes, K4] of [
      [64, 2],
      [64, 1],
      [32, 1],
    ]) {
      const ways = [32, 16, 8].map((COLS): FewVariant => ({ Q, lanes, COLS, K4 }));
      const fitting = ways.filter((way) => sizes(node, way).fits);
      if (!fitting.length) continue;
      const cost = (way: FewVariant) => sizes(node, way).staged / sizes(node, way).use;
      return fitting.sort((a, b) => cost(a) - cost(b)).slice(0, 1);
    }
    return [];
  });
}

/** Those that make sense for a node: what computes mostly padding does not. */
export const convTranspose2dFewCandidates = (node: Node<ConvAttrs>, target: Target): Candidate[] =>
  fewVariants(node)
    .filter((variant) => sizes(node, variant).use >= 1 / 4)
    .map((variant) => ({
      name: `few ${variant.Q}`,
      adapters: "gpu",
      dispatches: () => convTranspose2dFew(node, { ...variant, unroll: !target.cpu }),
    }));
