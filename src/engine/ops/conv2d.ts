import baseline from "../../../shaders/conv2d.wgsl";
import subgroup from "../../../shaders/conv2d_subgroup.wgsl";
import narrow from "../../../shaders/conv2d_subgroup_narrow.wgsl";
import { lowerChosen } from "../candidates.js";
import { type Activation, type Candidate, makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, MAX_GROUPS } from "../lower.js";
import { blocks, format, lastBlocks, type Shape, sameShape } from "../shape.js";
import { conv2dWeightGrad } from "./conv2dWeightGrad.js";
import { convInputGrad } from "./convTranspose2d.js";
import { activationCode, activationGrad } from "./pointwise.js";
import { NARROW_PIXELS, runsSubgroupKernels, smallFlag, subgroupTiles, tileName } from "./subgroup.js";
import { sum } from "./sum.js";
import { conv2dTiles } from "./tiles/convTiles.js";
import { winograd } from "./winograd.js";

/** Zeros added around an image, in pixels. */
export interface Padding {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** The geometry that a convolution shares with both of its gradients. */
export interface ConvGeometry {
  readonly stride: number;
  readonly padding: Padding;
}

export interface ConvAttrs extends ConvGeometry {
  readonly activation: Activation;
  /** The third input is no bias, but what the activation gave once: the sum is multiplied by its derivative there. */
  readonly derivative?: boolean;
}

/** What kernels add behind the sum: nothing, a bias and an activation, or an activation's derivative. */
export const epilogue = ({ inputs, attrs: { activation, derivative } }: Node<ConvAttrs>) => {
  const { code, alpha } = activationCode(activation);
  return { flags: { BIAS: derivative ? 2 : inputs.length > 2 ? 1 : 0, ACTIVATION: code }, alpha };
};

/** @throws ShapeError unless the third input, if there is one, is a bias or has the result's shape */
export function checkThird(op: string, inputs: readonly Shape[], shape: Shape, attrs: ConvAttrs): Shape {
  const [, , third] = inputs;
  const wanted = attrs.derivative ? shape : shape.slice(3);
  if ((third || attrs.derivative) && !sameShape(third ?? [], wanted)) {
    refuse(op, inputs, `the ${attrs.derivative ? "activation's output" : "bias"} must be ${format(wanted)}`);
  }
  return shape;
}

export interface ConvOptions {
  readonly bias?: Node;
  /** Pixels per step, both ways. Default 1. */
  readonly stride?: number;
  /** One number for all sides, or a number a side. Default 0. */
  readonly padding?: number | Padding;
  readonly activation?: Activation;
}

export const everySide = (padding: number | Padding = 0): Padding =>
  typeof padding === "number" ? { top: padding, bottom: padding, left: padding, right: padding } : padding;

export function checkGeometry(op: string, inputs: readonly Shape[], { stride, padding }: ConvGeometry): void {
  const { top, bottom, left, right } = padding;
  if (!Number.isInteger(stride) || stride < 1) refuse(op, inputs, `stride ${stride} must be a whole number from 1`);
  if ([top, bottom, left, right].some((n) => !Number.isInteger(n) || n < 0)) {
    refuse(op, inputs, `padding ${top}, ${bottom}, ${left}, ${right} must be whole numbers from 0`);
  }
}

const conv2dOp: Op<ConvAttrs> = {
  name: "conv2d",
  shape(inputs, attrs) {
    const [x, w] = inputs;
    checkGeometry("conv2d", inputs, attrs);
    if (x.length !== 4 || w.length !== 4) refuse("conv2d", inputs, "x must be [N, H, W, Ci] and w [kh, kw, Ci, Co]");
    const [n, h, width, ci] = x;
    const [kh, kw, wi, co] = w;
    if (wi !== ci) refuse("conv2d", inputs, `x has ${ci} channels, w takes ${wi}`);
    const { stride, padding: p } = attrs;
    const oh = Math.floor((h + p.top + p.bottom - kh) / stride) + 1;
    const ow = Math.floor((width + p.left + p.right - kw) / stride) + 1;
    if (oh < 1 || ow < 1) refuse("conv2d", inputs, `the ${kh}×${kw} kernel is larger than the padded image`);
    return checkThird("conv2d", inputs, [n, oh, ow, co], attrs);
  },
  lower: lowerChosen,
  candidates(node, target) {
    const [x, w, b] = node.inputs;
    const [n, oh, ow, co] = node.shape;
    const [kh, kw] = w.shape;
    const [, h, width, ci] = x.shape;
    const { stride, padding } = node.attrs;
    const { flags, alpha } = epilogue(node);
    const co4 = lastBlocks(node.shape);
    const pixels = n * oh * ow;
    const common = {
      bind: { x, w, b: b ?? w, y: node },
      uniform: {
        ...{ h, w: width, ci, ci4: lastBlocks(x.shape), oh, ow, co, co4, kh, kw, stride },
        ...{ padTop: padding.top, padLeft: padding.left, pixels, weights: blocks(w.shape), alpha },
      },
      flops: 2 * pixels * co * kh * kw * ci,
    };
    const grid = (pixelGroups: number, channelGroups: number): [number, number, number] => {
      const z = Math.ceil(pixelGroups / MAX_GROUPS);
      return [Math.ceil(pixelGroups / z), channelGroups, z];
    };
    const LANES = baselineLanes(co4);
    const candidates: Candidate[] = [
      ...conv2dTiles(node, target),
      {
        name: "baseline",
        adapters: "any",
        dispatches: () => [
          {
            ...common,
            kernel: kernel("conv2d", baseline, { LANES, ...flags }),
            groups: grid(Math.ceil(pixels / (4 * (64 / LANES))), Math.ceil(co4 / LANES)),
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
            kernel: kernel("conv2d_subgroup_narrow", narrow, { SG, ...smallFlag(pixels), ...flags }),
            groups: grid(Math.ceil(pixels / (SG * NARROW_PIXELS)), 1),
          },
        ],
      });
    } else if (runsSubgroupKernels(SG)) {
      const tiles = subgroupTiles(SG, co4, pixels).map(
        (tile): Candidate => ({
          name: tileName(tile),
          adapters: "cpu",
          dispatches: () => [
            {
              ...common,
              kernel: kernel("conv2d_subgroup", subgroup, {
                ...tile.constants,
                CHANNELS: Math.min(ci, 4),
                ...smallFlag(pixels),
                ...flags,
              }),
              groups: grid(Math.ceil(pixels / tile.pixels), Math.ceil(co4 / tile.blocks)),
            },
          ],
        }),
      );
      candidates.unshift(...tiles, ...winograd(node, target, false));
    }
    return candidates;
  },
  backward(node, gy) {
    const [x, w] = node.inputs;
    const g = activationGrad(node.attrs.activation, gy, node);
    const { stride, padding } = node.attrs;
    return [
      convInputGrad(g, w, { stride, padding }, x.shape),
      conv2dWeightGrad(x, g, { stride, padding }, w.shape),
      ...(node.inputs.length > 2 ? [sum(g, { axes: [0, 1, 2] })] : []),
    ];
  },
  rows: (node, from, count, part) =>
    makeNode(conv2dOp, [part(node.inputs[0], from, count), ...node.inputs.slice(1)], node.attrs),
  derivative: withDerivative,
};

/** A bare convolution's node, times the derivative of an activation that gave y: the epilogue of fuse.ts. */
export function withDerivative<A extends ConvAttrs>(node: Node<A>, activation: Activation, y: Node): Node | undefined {
  if (node.inputs.length > 2 || node.attrs.activation !== "none") return undefined;
  return makeNode(node.op, [...node.inputs, y], { ...node.attrs, activation, derivative: true });
}

/** How many vec4s of channels lie side by side in a baseline workgroup of 64. */
export const baselineLanes = (co4: number): number => (co4 >= 16 ? 16 : co4 >= 8 ? 8 : co4 >= 4 ? 4 : 1);

/**
 * 2-D convolution (cross-correlation): y[n,oy,ox,o] = act(b[o] + Σ x[n, oy·s+ky−top, ox·s+kx−left, c] · w[ky,kx,c,o]).
 * @param x [N, H, W, Ci]
 * @param w [kh, kw, Ci, Co]
 * @returns [N, ⌊(H+top+bottom−kh)/s⌋+1, ⌊(W+left+right−kw)/s⌋+1, Co]
 * @throws ShapeError
 */
export function conv2d(x: Node, w: Node, options: ConvOptions = {}): Node {
  const { bias, stride = 1, padding, activation = "none" } = options;
  return makeNode(conv2dOp, bias ? [x, w, bias] : [x, w], { stride, padding: everySide(padding), activation });
}
