import { linear, MAX_GROUPS } from "../../../src/engine/lower.js";
import { everySide } from "../../../src/engine/ops/conv2d.js";
import { blocks, lastBlocks } from "../../../src/engine/shape.js";
import { convTranspose2d, input } from "../../../src/index.js";
import { sumBounds } from "../../../test/reference/bounds.js";
import * as oracle from "../../../test/reference/convTranspose2d.js";
import { randomTensors, type Tensor } from "../../../test/reference/tensor.js";
import * as winograd from "../../../test/reference/winograd.js";
import { dispatchOf, type Ladder, type Rung, rungKernel, winners } from "../ladder.js";
import naive from "./1_naive.wgsl";
import vec4 from "./2_vec4.wgsl";
import phase from "./3_phase.wgsl";
import registerTile from "./4_register_tile.wgsl";
import workgroupTile from "./5_workgroup_tile.wgsl";

/** Serves the layer and conv2d's input gradient, which is the same sum. Weights are [kh, kw, Co, Ci]. */
export const convTranspose2dLadder: Ladder = {
  op: "convTranspose2d",
  limit: "arithmetic",
  needs: ["x", "w"],
  takes: ["stride", "padding", "outputPadding"],
  shapes: {
    // The input gradient of conv2d's reference shape: stride 1, so one phase.
    reference: { x: [8, 32, 32, 64], w: [3, 3, 32, 64], padding: 1 },
    upsample: { x: [8, 16, 16, 64], w: [3, 3, 32, 64], stride: 2, padding: 1, outputPadding: 1 },
    rgb: { x: [8, 32, 32, 32], w: [3, 3, 3, 32], stride: 2, padding: 1, outputPadding: 1 },
    sixteen: { x: [8, 32, 32, 16], w: [3, 3, 16, 16], padding: 1 },
    bottleneck: { x: [8, 3, 3, 256], w: [3, 3, 256, 256], stride: 2 },
    odd: { x: [3, 9, 11, 37], w: [3, 3, 53, 37], stride: 2, padding: 1 },
  },
  odd: [
    { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
    { x: [1, 3, 5, 3], w: [3, 3, 5, 3], padding: 1 },
    { x: [2, 3, 4, 5], w: [3, 3, 40, 5], stride: 2 },
    { x: [1, 4, 7, 33], w: [4, 4, 7, 33], stride: 2, padding: 1 },
    {
      x: [1, 3, 4, 4],
      w: [5, 5, 3, 4],
      stride: 3,
      padding: { top: 2, bottom: 0, left: 1, right: 3 },
      outputPadding: 2,
    },
    { x: [1, 3, 3, 3], w: [1, 1, 3, 3], stride: 3, outputPadding: 2 }, // phases without a tap
    { x: [1, 1, 3, 3], w: [1, 2, 4, 3], stride: 2 }, // a phase that does not exist
    { x: [3, 13, 5, 20], w: [3, 3, 33, 20], padding: 1 },
    { x: [2, 5, 9, 13], w: [4, 4, 9, 13], stride: 2, padding: 1, outputPadding: 1 },
  ],
  problem(sizes, seed) {
    const padding = everySide(sizes.padding);
    const { stride = 1, outputPadding = 0 } = sizes;
    const options = { stride, padding, outputPadding };
    const [xs, ws] = [sizes.x, sizes.w ?? []];
    const [x, w] = [input("x", xs), input("w", ws)];
    const node = convTranspose2d(x, w, options);
    const random = randomTensors(seed);
    const [tx, tw] = [random(xs), random(ws)];
    const [batch, oh, ow, co] = node.shape;
    const [, h, width, ci] = xs;
    const [kh, kw] = ws;
    const [ci4, co4] = [lastBlocks(xs), lastBlocks(node.shape)];
    const offer = {
      bind: { x, w, y: node },
      uniform: {
        ...{ h, w: width, ci, ci4, oh, ow, co, co4, kh, kw, stride },
        ...{ padTop: padding.top, padLeft: padding.left, batch, weights: blocks(ws) },
      },
    };
    /** Pixels of the largest phase. */
    const phasePixels = batch * Math.ceil(oh / stride) * Math.ceil(ow / stride);
    const phases = stride * stride;
    const each = (count: number): [number, number, number] => [linear(count)[0], linear(count)[1], phases];
    const grid = (pixelGroups: number, channelGroups: number): [number, number, number] => {
      const folds = Math.ceil(pixelGroups / MAX_GROUPS);
      return [Math.ceil(pixelGroups / folds), channelGroups * folds, phases];
    };
    const rung = (number: number, name: string, source: string, groups: [number, number, number]): Rung => ({
      name: `${number} ${name}`,
      dispatches: () => [dispatchOf(rungKernel("convTranspose2d", `${number}_${name}`, source), offer, groups)],
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
        rung(1, "naive", naive, linear(batch * oh * ow * co4 * 4)),
        rung(2, "vec4", vec4, linear(batch * oh * ow * co4)),
        rung(3, "phase", phase, each(phasePixels * co4)),
        rung(4, "register_tile", registerTile, each(Math.ceil(phasePixels / 8) * co4)),
        rung(5, "workgroup_tile", workgroupTile, grid(Math.ceil(phasePixels / 32), Math.ceil(co4 / 8))),
        ...winners(node, target, "convTranspose2d", {
          winograd: () => winograd.boundTransposed(tx, tw, null, options),
        }),
      ],
    };
  },
};
