import { Scratch } from "../../../src/engine/graph.js";
import { linear } from "../../../src/engine/lower.js";
import { everySide } from "../../../src/engine/ops/conv2d.js";
import { conv2dWeightGrad } from "../../../src/engine/ops/conv2dWeightGrad.js";
import { bytes, lastBlocks } from "../../../src/engine/shape.js";
import { input } from "../../../src/index.js";
import { sumBounds } from "../../../test/reference/bounds.js";
import * as oracle from "../../../test/reference/conv2d.js";
import { randomTensors, type Tensor, zeros } from "../../../test/reference/tensor.js";
import * as winograd from "../../../test/reference/winograd.js";
import { ODD, SHAPES } from "../conv2d/ladder.js";
import { dispatchOf, type Ladder, type Rung, rungKernel, winners } from "../ladder.js";
import { addSplits, splitsFor } from "../splits.js";
import naive from "./1_naive.wgsl";
import vec4Out from "./2_vec4_out.wgsl";
import registerTile from "./3_register_tile.wgsl";
import workgroupTile from "./4_workgroup_tile.wgsl";

export const conv2dWeightGradLadder: Ladder = {
  op: "conv2dWeightGrad",
  limit: "arithmetic",
  needs: ["x", "w"],
  takes: ["stride", "padding"],
  shapes: SHAPES,
  odd: ODD,
  problem(sizes, seed) {
    const options = { stride: sizes.stride ?? 1, padding: everySide(sizes.padding) };
    const { stride, padding } = options;
    const [xs, ws] = [sizes.x, sizes.w ?? []];
    const gs = oracle.outputShape(xs, ws, options);
    const [x, gy] = [input("x", xs), input("gy", gs)];
    const node = conv2dWeightGrad(x, gy, options, ws);
    const random = randomTensors(seed);
    const [tx, tg] = [random(xs), random(gs)];
    const [n, h, width, ci] = xs;
    const [kh, kw] = ws;
    const [, oh, ow] = gs;
    const [ci4, co4] = [lastBlocks(xs), lastBlocks(gs)];
    const taps = kh * kw;
    const rows = n * oh;
    const uniform = {
      ...{ h, w: width, ci, ci4, oh, ow, co4, kw, taps, stride },
      ...{ padTop: padding.top, padLeft: padding.left, rows },
    };
    const rung = (number: number, name: string, source: string, count: number): Rung => ({
      name: `${number} ${name}`,
      dispatches: () => {
        const kernel = rungKernel("conv2dWeightGrad", `${number}_${name}`, source);
        return [dispatchOf(kernel, { bind: { x, gy, partial: node }, uniform }, linear(count))];
      },
    });
    return {
      node,
      inputs: new Map([
        [x, tx],
        [gy, tg],
      ]),
      reference: () => {
        const w = zeros(ws);
        const backward = (x: Tensor, gy: Tensor) => ({ gw: oracle.backward(x, w, null, options, gy).gw });
        return { value: backward(tx, tg).gw, bound: sumBounds(backward, tx, tg).gw };
      },
      rungs(target) {
        /** A rung of two passes, the first in `tiles` workgroups a split. */
        const split = (
          number: number,
          name: string,
          source: string,
          tiles: number,
          groups: (splits: number) => [number, number, number],
        ): Rung => ({
          name: `${number} ${name}`,
          dispatches: () => {
            const { splits, per } = splitsFor(node, target, tiles, rows);
            const partial = splits === 1 ? node : new Scratch(bytes(node.shape) * splits);
            const kernel = rungKernel("conv2dWeightGrad", `${number}_${name}`, source);
            const offer = { bind: { x, gy, partial }, uniform: { ...uniform, rowsPerSplit: per } };
            const first = dispatchOf(kernel, offer, groups(splits));
            return splits === 1 ? [first] : [first, addSplits(partial, node, splits)];
          },
        });
        const [across, down] = [Math.ceil(co4 / 16), Math.ceil((taps * ci4) / 16)];
        return [
          rung(1, "naive", naive, taps * ci * co4 * 4),
          rung(2, "vec4_out", vec4Out, taps * ci * co4),
          rung(3, "register_tile", registerTile, taps * ci4 * co4),
          split(4, "workgroup_tile", workgroupTile, across * down, (splits) => [across, down, splits]),
          ...winners(node, target, "conv2dWeightGrad", {
            winograd: () => winograd.boundWeightGrad(tx, tg, ws, options),
          }),
        ];
      },
    };
  },
};
