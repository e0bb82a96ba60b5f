import weightGradTileSource from "../../../../shaders/conv2d_weight_grad_tile.wgsl";
import sumPartials from "../../../../shaders/sum_partials.wgsl";
import { type Candidate, type Dispatch, type Node, Scratch, type Target } from "../../graph.js";
import { kernel, linear } from "../../lower.js";
import { blocks, bytes, lastBlocks } from "../../shape.js";
import type { ConvGeometry } from "../conv2d.js";
import { candidate, tileConstants, type Variant, variants } from "./tile.js";

/** conv2d's weight gradient as a tiled matrix product: m = taps · input channels, n = output channels, k = pixels. */
export function weightGradTile(node: Node<ConvGeometry>, variant: Variant): Dispatch[] {
  const { tile, splits } = variant;
  const [x, gy] = node.inputs;
  const [batch, oh, ow, co] = gy.shape;
  const [, h, w] = x.shape;
  const [kh, kw, ci] = node.shape;
  const { stride, padding } = node.attrs;
  const ci4 = lastBlocks(x.shape);
  const taps = kh * kw;
  const pixels = batch * oh * ow;
  const partial = splits > 1 ? new Scratch(bytes(node.shape) * splits) : node;
  const first: Dispatch = {
    kernel: kernel("conv2d_weight_grad_tile", weightGradTileSource, { ...tileConstants(variant, 4), STEP: tile.step }),
    bind: { x, gy, partial },
    uniform: {
      ...{ h, w, ci, ci4, oh, ow, co4: lastBlocks(gy.shape), kw, taps, stride },
      ...{ padTop: padding.top, padLeft: padding.left, pixels, splits, step: tile.step },
    },
    groups: [Math.ceil(co / tile.N), Math.ceil((taps * ci4 * 4) / tile.M), splits],
    flops: 2 * pixels * taps * ci * co,
  };
  if (partial === node) return [first];
  const count = blocks(node.shape);
  const second: Dispatch = {
    kernel: kernel("sum_partials", sumPartials),
    bind: { partial, y: node },
    uniform: { count, splits },
    groups: linear(count),
  };
  return [first, second];
}

/** The weight gradient's tiles that make sense for a node. */
export function weightGradTiles(node: Node<ConvGeometry>, target: Target): Candidate[] {
  const [x, gy] = node.inputs;
  const [kh, kw, , co] = node.shape;
  const [batch, oh, ow] = gy.shape;
  const maxSplits = Math.floor(target.maxBindingBytes / bytes(node.shape));
  const list = variants({
    m: kh * kw * lastBlocks(x.shape) * 4,
    n: co,
    k: batch * oh * ow,
    maxSplits,
    unroll: !target.cpu,
  });
  return list.map((variant) => candidate(variant, () => weightGradTile(node, variant)));
}
