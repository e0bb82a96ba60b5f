import { Scratch } from "../../../src/engine/graph.js";
import { linear, MAX_GROUPS } from "../../../src/engine/lower.js";
import { blocks, bytes, lastBlocks } from "../../../src/engine/shape.js";
import { dense, input } from "../../../src/index.js";
import { sumBounds } from "../../../test/reference/bounds.js";
import * as oracle from "../../../test/reference/dense.js";
import { randomTensors, type Tensor } from "../../../test/reference/tensor.js";
import { dispatchOf, type Ladder, type Rung, rungKernel, winners } from "../ladder.js";
import { addSplits, splitsFor } from "../splits.js";
import naive from "./1_naive.wgsl";
import vec4 from "./2_vec4.wgsl";
import registerTile from "./3_register_tile.wgsl";
import splitK from "./4_split_k.wgsl";
import workgroupTile from "./5_workgroup_tile.wgsl";

/** Its winners are conv2d's: a dense layer is a 1×1 convolution of 1×1 images (dense.ts). */
export const denseLadder: Ladder = {
  op: "dense",
  limit: "arithmetic",
  needs: ["x", "w"],
  takes: [],
  shapes: {
    reference: { x: [512, 512], w: [512, 512] },
    squeeze: { x: [16, 4096], w: [4096, 256] },
    expand: { x: [16, 256], w: [256, 4096] },
    single: { x: [1, 2048], w: [2048, 1024] },
    odd: { x: [37, 1001], w: [1001, 203] },
  },
  odd: [
    { x: [1, 1], w: [1, 1] },
    { x: [1, 33], w: [33, 5] },
    { x: [17, 5], w: [5, 33] },
    { x: [9, 67], w: [67, 3] },
    { x: [35, 18], w: [18, 39] },
  ],
  problem(sizes, seed) {
    const [xs, ws] = [sizes.x, sizes.w ?? []];
    const [x, w] = [input("x", xs), input("w", ws)];
    // The convolution that computes it; `dense` gives it another shape, and the memory is the same.
    const node = dense(x, w).inputs[0];
    const random = randomTensors(seed);
    const [tx, tw] = [random(xs), random(ws)];
    const [n, inputs] = xs;
    const [in4, out4] = [lastBlocks(xs), lastBlocks(ws)];
    const uniform = { n, inputs, in4, out4, weights: blocks(ws) };
    const rung = (number: number, name: string, source: string, groups: [number, number, number]): Rung => ({
      name: `${number} ${name}`,
      dispatches: () => {
        const kernel = rungKernel("dense", `${number}_${name}`, source);
        return [dispatchOf(kernel, { bind: { x, w, y: node }, uniform }, groups)];
      },
    });
    const invocations = Math.ceil(n / 8) * out4;
    const folds = Math.ceil(Math.ceil(n / 32) / MAX_GROUPS);
    return {
      node,
      inputs: new Map([
        [x, tx],
        [w, tw],
      ]),
      reference: () => {
        const forward = (x: Tensor, w: Tensor) => ({ y: oracle.forward(x, w, null) });
        return { value: forward(tx, tw).y, bound: sumBounds(forward, tx, tw).y };
      },
      rungs: (target) => [
        rung(1, "naive", naive, linear(n * out4 * 4)),
        rung(2, "vec4", vec4, linear(n * out4)),
        rung(3, "register_tile", registerTile, linear(invocations)),
        {
          name: "4 split_k",
          dispatches: () => {
            const { splits, per } = splitsFor(node, target, Math.ceil(invocations / 64), in4);
            const partial = splits === 1 ? node : new Scratch(bytes(node.shape) * splits);
            const offer = { bind: { x, w, partial }, uniform: { ...uniform, perSplit: per } };
            const [across, down] = linear(invocations);
            const first = dispatchOf(rungKernel("dense", "4_split_k", splitK), offer, [across, down, splits]);
            return splits === 1 ? [first] : [first, addSplits(partial, node, splits)];
          },
        },
        rung(5, "workgroup_tile", workgroupTile, [Math.ceil(Math.ceil(n / 32) / folds), Math.ceil(out4 / 8), folds]),
        ...winners(node, target, "conv2d"),
      ],
    };
  },
};
