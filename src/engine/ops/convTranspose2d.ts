import columnsSum from "../../../shaders/columns_sum.wgsl";
import baseline from "../../../shaders/conv_transpose2d.wgsl";
import subgroup from "../../../shaders/conv_transpose2d_subgroup.wgsl";
import narrow from "../../../shaders/conv_transpose2d_subgroup_narrow.wgsl";
import { lowerChosen } from "../candidates.js";
import { type Candidate, type Dispatch, makeNode, type Node, type Op, refuse, Scratch } from "../graph.js";
import { kernel, linear, MAX_GROUPS } from "../lower.js";
import { blocks, bytes, lastBlocks, type Shape } from "../shape.js";
import {
  baselineLanes,
  type ConvAttrs,
  type ConvGeometry,
  type ConvOptions,
  checkGeometry,
  checkThird,
  conv2d,
  epilogue,
  everySide,
  withDerivative,
} from "./conv2d.js";
import { conv2dWeightGrad } from "./conv2dWeightGrad.js";
import { activationGrad } from "./pointwise.js";
import { NARROW_PIXELS, runsSubgroupKernels, smallFlag, subgroupTiles, tileName } from "./subgroup.js";
import { sum } from "./sum.js";
import { convTranspose2dTiles } from "./tiles/convTiles.js";
import { convTranspose2dFewCandidates } from "./tiles/fewChannels.js";
import { winograd } from "./winograd.js";

interface TransposeAttrs extends ConvAttrs {
  /** Extents of the result, which the geometry alone does not decide. */
  readonly height: number;
  readonly width: number;
}

/** Serves the layer and, since it is the same sum, conv2d's input gradient. */
const convTranspose2dOp: Op<TransposeAttrs> = {
  name: "convTranspose2d",
  shape(inputs, attrs) {
    const [x, w] = inputs;
    const rule = "x must be [N, H, W, Ci] and w [kh, kw, Co, Ci]";
    checkGeometry("convTranspose2d", inputs, attrs);
    if (x.length !== 4 || w.length !== 4) refuse("convTranspose2d", inputs, rule);
    if (w[3] !== x[3]) refuse("convTranspose2d", inputs, `x has ${x[3]} channels, w takes ${w[3]}; ${rule}`);
    const { height, width, stride, padding: p } = attrs;
    const least = [(x[1] - 1) * stride + w[0] - p.top - p.bottom, (x[2] - 1) * stride + w[1] - p.left - p.right];
    const extra = [height - least[0], width - least[1]];
    if (height < 1 || width < 1 || extra.some((e) => e < 0 || e >= stride)) {
      refuse("convTranspose2d", inputs, `output padding [${extra}] must be from 0 to stride − 1 = ${stride - 1}`);
    }
    return checkThird("convTranspose2d", inputs, [x[0], height, width, w[2]], attrs);
  },
  lower: lowerChosen,
  candidates(node, target) {
    const [x, w, b] = node.inputs;
    const [batch, oh, ow, co] = node.shape;
    const [kh, kw] = w.shape;
    const [, h, width, ci] = x.shape;
    const { stride, padding } = node.attrs;
    const { flags, alpha } = epilogue(node);
    const co4 = lastBlocks(node.shape);
    const phasePixels = batch * Math.ceil(oh / stride) * Math.ceil(ow / stride);
    const common = {
      bind: { x, w, b: b ?? w, y: node },
      uniform: {
        ...{ h, w: width, ci4: lastBlocks(x.shape), oh, ow, co, co4, kh, kw, stride },
        ...{ padTop: padding.top, padLeft: padding.left, batch, weights: blocks(w.shape), alpha },
      },
      flops: 2 * batch * h * width * ci * co * kh * kw,
    };
    const fold = (pixelGroups: number, channelGroups: number, phases: number): [number, number, number] => {
      const folds = Math.ceil(pixelGroups / MAX_GROUPS);
      return [Math.ceil(pixelGroups / folds), channelGroups * folds, phases];
    };
    const grid = (pixelGroups: number, channelGroups: number) => fold(pixelGroups, channelGroups, stride * stride);
    const small = smallFlag(batch * oh * ow);
    /** For few output channels: a product with all taps' weights side by side, whose columns a second pass gathers. */
    const columnShape = [batch, h, width, kh * kw * co];
    const columnBytes = bytes(columnShape);
    const throughColumns = (SG: number): Dispatch[] => {
      const columns = new Scratch(columnBytes);
      const blocksOf = lastBlocks(columnShape);
      const [tile] = subgroupTiles(SG, blocksOf, batch * h * width);
      const first: Dispatch = {
        kernel: kernel("conv_transpose2d_subgroup", subgroup, { ...tile.constants, ...small, BIAS: 0, ACTIVATION: 0 }),
        bind: { x, w, b: w, y: columns },
        uniform: {
          ...{ h, w: width, ci4: lastBlocks(x.shape), oh: h, ow: width, co: kh * kw * co, co4: blocksOf },
          ...{ kh: 1, kw: 1, stride: 1, padTop: 0, padLeft: 0, batch, weights: blocks(w.shape), alpha: 0 },
        },
        groups: fold(Math.ceil((batch * h * width) / tile.pixels), Math.ceil(blocksOf / tile.blocks), 1),
        flops: common.flops,
      };
      const count = batch * oh * ow;
      const second: Dispatch = {
        kernel: kernel("columns_sum", columnsSum, { ...small, ...flags }),
        bind: { columns, b: b ?? w, y: node },
        uniform: {
          ...{ count, h, w: width, row: blocksOf * 4, oh, ow, co, kh, kw, stride },
          ...{ padTop: padding.top, padLeft: padding.left, alpha },
        },
        groups: linear(count),
      };
      return [first, second];
    };
    const LANES = baselineLanes(co4);
    const candidates: Candidate[] = [
      ...convTranspose2dTiles(node, target),
      ...convTranspose2dFewCandidates(node, target),
      {
        name: "baseline",
        adapters: "any",
        dispatches: () => [
          {
            ...common,
            kernel: kernel("conv_transpose2d", baseline, { LANES, ...flags }),
            groups: grid(Math.ceil(phasePixels / (4 * (64 / LANES))), Math.ceil(co4 / LANES)),
          },
        ],
      },
    ];
    const SG = target.subgroupSize;
    if (runsSubgroupKernels(SG) && co4 === 1) {
      candidates.unshift({
        name: "subgroup narrow",
        adapters: "cpu",
        dispatches: () => [
          {
            ...common,
            kernel: kernel("conv_transpose2d_subgroup_narrow", narrow, { SG, ...small, ...flags }),
            groups: grid(Math.ceil(phasePixels / (SG * NARROW_PIXELS)), 1),
          },
        ],
      });
      if (columnBytes <= target.maxBindingBytes) {
        candidates.unshift({ name: "subgroup columns", adapters: "cpu", dispatches: () => throughColumns(SG) });
      }
    } else if (runsSubgroupKernels(SG)) {
      const tiles = subgroupTiles(SG, co4, phasePixels).map(
        (tile): Candidate => ({
          name: tileName(tile),
          adapters: "cpu",
          dispatches: () => [
            {
              ...common,
              kernel: kernel("conv_transpose2d_subgroup", subgroup, { ...tile.constants, ...small, ...flags }),
              groups: grid(Math.ceil(phasePixels / tile.pixels), Math.ceil(co4 / tile.blocks)),
            },
          ],
        }),
      );
      candidates.unshift(...tiles, ...winograd(node, target, true));
    }
    return candidates;
  },
  backward(node, gy) {
    const [x, w] = node.inputs;
    const g = activationGrad(node.attrs.activation, gy, node);
    const { stride, padding } = node.attrs;
    return [
      conv2d(g, w, { stride, padding }),
      conv2dWeightGrad(g, x, { stride, padding }, w.shape),
      ...(node.inputs.length > 2 ? [sum(g, { axes: [0, 1, 2] })] : []),
    ];
  },
  rows: (node, from, count, part) =>
    makeNode(convTranspose2dOp, [part(node.inputs[0], from, count), ...node.inputs.slice(1)], node.attrs),
  derivative: withDerivative,
};

export interface ConvTransposeOptions extends ConvOptions {
  /** Rows at the bottom and columns at the right added to the result, from 0 to stride − 1. */
  readonly outputPadding?: number;
}

/**
 * Transposed 2-D convolution: the adjoint of conv2d with the same weights, stride and padding.
 * @param x [N, H, W, Ci]
 * @param w [kh, kw, Co, Ci]: the weights of the conv2d that maps Co channels to Ci
 * @returns [N, (H−1)·s−top−bottom+kh+outputPadding, (W−1)·s−left−right+kw+outputPadding, Co]
 * @throws ShapeError
 */
export function convTranspose2d(x: Node, w: Node, options: ConvTransposeOptions = {}): Node {
  const { bias, stride = 1, outputPadding = 0, activation = "none" } = options;
  const padding = everySide(options.padding);
  const size = (axis: number, pad: number) => (x.shape[axis] - 1) * stride - pad + w.shape[axis - 1] + outputPadding;
  const height = size(1, padding.top + padding.bottom);
  const width = size(2, padding.left + padding.right);
  return makeNode(convTranspose2dOp, bias ? [x, w, bias] : [x, w], { stride, padding, activation, height, width });
}

/** conv2d's input gradient, of shape `shape`, from the gradient gy of its output and its weights w. */
export function convInputGrad(gy: Node, w: Node, { stride, padding }: ConvGeometry, shape: Shape): Node {
  const [, height, width] = shape;
  return makeNode(convTranspose2dOp, [gy, w], { stride, padding, activation: "none", height, width });
}
