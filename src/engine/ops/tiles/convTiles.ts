import convTranspose2dTileSource from "../../../../shaders/conv_transpose2d_tile.wgsl";
import conv2dTileSource from "../../../../shaders/conv2d_tile.wgsl";
import finishPartials from "../../../../shaders/finish_partials.wgsl";
import { type Candidate, type Dispatch, type Node, Scratch, type Target } from "../../graph.js";
import { folded, kernel, linear } from "../../lower.js";
import { blocks, bytes, lastBlocks } from "../../shape.js";
import { type ConvAttrs, epilogue } from "../conv2d.js";
import { candidate, tileConstants, type Variant, variants } from "./tile.js";

const NO_EPILOGUE = { BIAS: 0, ACTIVATION: 0 };

/** What the kernels of both ops share: geometry as in conv2d.wgsl and conv_transpose2d.wgsl. */
const geometry = ({ inputs: [x, w], shape, attrs: { stride, padding } }: Node<ConvAttrs>) => {
  const [, h, width] = x.shape;
  const [, oh, ow, co] = shape;
  const [kh, kw] = w.shape;
  return {
    ...{ h, w: width, ci4: lastBlocks(x.shape), oh, ow, co, co4: lastBlocks(shape), kh, kw, stride },
    ...{ padTop: padding.top, padLeft: padding.left },
  };
};

/** The convolution in one pass, or as partial sums in memory and a second pass that adds them and applies the epilogue. */
function passes(
  node: Node<ConvAttrs>,
  variant: Variant,
  name: string,
  source: string,
  launch: Pick<Dispatch, "groups" | "uniform" | "flops">,
): Dispatch[] {
  const { tile, splits } = variant;
  const [x, w, third] = node.inputs;
  const b = third ?? w;
  const { flags, alpha } = epilogue(node);
  const split = splits > 1;
  const partial = split ? new Scratch(bytes(node.shape) * splits) : node;
  const first: Dispatch = {
    ...launch,
    kernel: kernel(name, source, { ...tileConstants(variant, 1), K4: tile.step / 4, ...(split ? NO_EPILOGUE : flags) }),
    bind: { x, w, b, y: partial },
    uniform: { ...launch.uniform, splits, k4: tile.step / 4, alpha },
  };
  if (partial === node) return [first];
  const count = blocks(node.shape);
  const second: Dispatch = {
    kernel: kernel("finish_partials", finishPartials, flags),
    bind: { partial, b, y: node },
    uniform: { count, splits, co: node.shape[3], co4: lastBlocks(node.shape), alpha },
    groups: linear(count),
  };
  return [first, second];
}

const maxSplits = (node: Node, target: Target): number => Math.floor(target.maxBindingBytes / bytes(node.shape));

/** conv2d as a tiled matrix product: m = pixels, n = output channels, k = taps · input channels. */
export function conv2dTile(node: Node<ConvAttrs>, variant: Variant): Dispatch[] {
  const [batch, oh, ow, co] = node.shape;
  const [kh, kw, ci] = node.inputs[1].shape;
  const pixels = batch * oh * ow;
  const { tile, splits } = variant;
  return passes(node, variant, "conv2d_tile", conv2dTileSource, {
    uniform: { ...geometry(node), ci, pixels },
    groups: [Math.ceil(co / tile.N) * splits, ...folded(Math.ceil(pixels / tile.M))],
    flops: 2 * pixels * co * kh * kw * ci,
  });
}

/** A transposed convolution as tiled matrix products, one a phase: m = its pixels, k = its taps · input channels. */
export function convTranspose2dTile(node: Node<ConvAttrs>, variant: Variant): Dispatch[] {
  const [batch, , , co] = node.shape;
  const [, h, w, ci] = node.inputs[0].shape;
  const [kh, kw] = node.inputs[1].shape;
  const { tile, splits } = variant;
  const [down, folds] = folded(Math.ceil(phasePixels(node) / tile.M));
  return passes(node, variant, "conv_transpose2d_tile", convTranspose2dTileSource, {
    uniform: { ...geometry(node), batch },
    groups: [Math.ceil(co / tile.N) * splits, down, folds * node.attrs.stride ** 2],
    flops: 2 * batch * h * w * ci * co * kh * kw,
  });
}

/** Pixels of the largest phase. */
const phasePixels = ({ shape: [batch, oh, ow], attrs: { stride } }: Node<ConvAttrs>): number =>
  batch * Math.ceil(oh / stride) * Math.ceil(ow / stride);

/** conv2d's tiles that make sense for a node. */
export function conv2dTiles(node: Node<ConvAttrs>, target: Target): Candidate[] {
  const [batch, oh, ow, co] = node.shape;
  const [x, w] = node.inputs;
  const k = w.shape[0] * w.shape[1] * lastBlocks(x.shape) * 4;
  const list = variants({ m: batch * oh * ow, n: co, k, maxSplits: maxSplits(node, target), unroll: !target.cpu });
  return list.map((variant) => candidate(variant, () => conv2dTile(node, variant)));
}

/** convTranspose2d's tiles that make sense for a node. */
export function convTranspose2dTiles(node: Node<ConvAttrs>, target: Target): Candidate[] {
  const [x, w] = node.inputs;
  const { stride } = node.attrs;
  const taps = Math.ceil(w.shape[0] / stride) * Math.ceil(w.shape[1] / stride);
  const product = { m: phasePixels(node), n: node.shape[3], k: taps * lastBlocks(x.shape) * 4, count: stride ** 2 };
  const list = variants({ ...product, maxSplits: maxSplits(node, target), unroll: !target.cpu });
  return list.map((variant) => candidate(variant, () => convTranspose2dTile(node, variant)));
}
