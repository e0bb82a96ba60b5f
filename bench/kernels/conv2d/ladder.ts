import { linear, MAX_GROUPS } from "../../../src/engine/lower.js";
import { everySide } from "../../../src/engine/ops/conv2d.js";
import { blocks, lastBlocks } from "../../../src/engine/shape.js";
import { conv2d, input } from "../../../src/index.js";
import { sumBounds } from "../../../test/reference/bounds.js";
import * as oracle from "../../../test/reference/conv2d.js";
import { randomTensors, type Tensor } from "../../../test/reference/tensor.js";
import * as winograd from "../../../test/reference/winograd.js";
import { dispatchOf, type Ladder, type Rung, rungKernel, type Sizes, winners } from "../ladder.js";
import naive from "./1_naive.wgsl";
import vec4Out from "./2_vec4_out.wgsl";
import vec4In from "./3_vec4_in.wgsl";
import pixelsTile from "./4_pixels.wgsl";
import registerTile from "./5_register_tile.wgsl";
import workgroupWeights from "./6_workgroup_weights.wgsl";
import workgroupTile from "./7_workgroup_tile.wgsl";

/** Shapes that the weight gradient is measured at as well. */
export const SHAPES: Record<string, Sizes> = {
  reference: { x: [8, 32, 32, 32], w: [3, 3, 32, 64], padding: 1 },
  rgb: { x: [8, 64, 64, 3], w: [3, 3, 3, 32], stride: 2, padding: 1 },
  sixteen: { x: [8, 32, 32, 16], w: [3, 3, 16, 16], padding: 1 },
  bottleneck: { x: [8, 7, 7, 256], w: [3, 3, 256, 256], stride: 2 },
  odd: { x: [3, 17, 19, 37], w: [3, 3, 37, 53], padding: 1 },
};

export const ODD: Sizes[] = [
  { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  { x: [1, 3, 5, 3], w: [3, 3, 3, 5], padding: 1 },
  { x: [1, 1, 17, 33], w: [1, 3, 33, 7] },
  { x: [2, 7, 9, 5], w: [3, 3, 5, 40], stride: 2, padding: 1 },
  { x: [1, 10, 11, 4], w: [5, 5, 4, 3], stride: 3, padding: { top: 2, bottom: 0, left: 1, right: 3 } },
  { x: [3, 13, 5, 20], w: [3, 3, 20, 33], padding: 1 },
  { x: [1, 2, 2, 3], w: [5, 5, 3, 4], padding: 2 },
  { x: [2, 9, 12, 13], w: [4, 4, 13, 9], stride: 2, padding: 1 },
];

export const conv2dLadder: Ladder = {
  op: "conv2d",
  limit: "arithmetic",
  needs: ["x", "w"],
  takes: ["stride", "padding"],
  shapes: SHAPES,
  odd: ODD,
  problem(sizes, seed) {
    const options = { stride: sizes.stride ?? 1, padding: everySide(sizes.padding) };
    const { stride, padding } = options;
    const [xs, ws] = [sizes.x, sizes.w ?? []];
    const [x, w] = [input("x", xs), input("w", ws)];
    const node = conv2d(x, w, options);
    const random = randomTensors(seed);
    const [tx, tw] = [random(xs), random(ws)];
    const [n, oh, ow, co] = node.shape;
    const [, h, width, ci] = xs;
    const [kh, kw] = ws;
    const pixels = n * oh * ow;
    const [ci4, co4] = [lastBlocks(xs), lastBlocks(node.shape)];
    const offer = {
      bind: { x, w, y: node },
      uniform: {
        ...{ h, w: width, ci, ci4, oh, ow, co, co4, kh, kw, stride },
        ...{ padTop: padding.top, padLeft: padding.left, pixels, weights: blocks(ws) },
      },
    };
    /** Groups of pixels and of channels, as shaders/conv2d.wgsl numbers them. */
    const grid = (pixelGroups: number, channelGroups: number): [number, number, number] => {
      const z = Math.ceil(pixelGroups / MAX_GROUPS);
      return [Math.ceil(pixelGroups / z), channelGroups, z];
    };
    const rung = (number: number, name: string, source: string, groups: [number, number, number]): Rung => ({
      name: `${number} ${name}`,
      dispatches: () => [dispatchOf(rungKernel("conv2d", `${number}_${name}`, source), offer, groups)],
    });
    return {
      node,
      inputs: new Map([
        [x, tx],
        [w, tw],
      ]),
      reference: () => {
        const forward = (x: Tensor, w: Tensor) => ({ y: oracle.forward(x, w, null, options) });
        return { value: forward(tx, tw).y, bound: sumBounds(forward, tx, tw).y };
      },
      rungs: (target) => [
        rung(1, "naive", naive, linear(pixels * co4 * 4)),
        rung(2, "vec4_out", vec4Out, linear(pixels * co4)),
        rung(3, "vec4_in", vec4In, linear(pixels * co4)),
        rung(4, "pixels", pixelsTile, grid(Math.ceil(pixels / 256), co4)),
        rung(5, "register_tile", registerTile, linear(Math.ceil(pixels / 8) * Math.ceil(co4 / 2))),
        rung(6, "workgroup_weights", workgroupWeights, grid(Math.ceil(pixels / 32), Math.ceil(co4 / 8))),
        rung(7, "workgroup_tile", workgroupTile, grid(Math.ceil(pixels / 32), Math.ceil(co4 / 8))),
        ...winners(node, target, "conv2d", { winograd: () => winograd.bound(tx, tw, null, options) }),
      ],
    };
  },
};
