import sumLanes from "../../../shaders/sum_lanes.wgsl";
import { Scratch } from "../../../src/engine/graph.js";
import { folded, kernel, linear } from "../../../src/engine/lower.js";
import { blocks, lastBlocks } from "../../../src/engine/shape.js";
import { input, sum } from "../../../src/index.js";
import * as oracle from "../../../test/reference/reduce.js";
import { randomTensors, zeros } from "../../../test/reference/tensor.js";
import { dispatchOf, type Ladder, type Rung, rungKernel, winners } from "../ladder.js";
import { addSplits } from "../splits.js";
import oneInvocation from "./1_one_invocation.wgsl";
import onePerOutput from "./2_one_per_output.wgsl";
import contiguousSplits from "./3_contiguous_splits.wgsl";
import workgroupTree from "./4_workgroup_tree.wgsl";
import subgroupAdd from "./5_subgroup_add.wgsl";

export const sumLadder: Ladder = {
  op: "sum",
  limit: "memory",
  needs: ["x", "axes"],
  takes: [],
  shapes: {
    loss: { x: [8, 64, 64, 64], axes: [0, 1, 2, 3] },
    bias: { x: [8, 64, 64, 64], axes: [0, 1, 2] },
    batch: { x: [32, 65536], axes: [0] },
    channels: { x: [8, 64, 64, 64], axes: [3] },
    odd: { x: [7, 61, 67, 37], axes: [0, 1, 2] },
  },
  odd: [
    { x: [2, 3, 4, 5], axes: [0, 1, 2, 3] },
    { x: [3, 5, 7, 3], axes: [0, 1, 2] },
    { x: [3, 5, 7, 3], axes: [3] },
    { x: [3, 5, 7, 3], axes: [0, 2] },
    { x: [3, 5, 7, 4], axes: [1, 3] },
    { x: [2, 3, 2, 33], axes: [0, 3] },
    { x: [17, 1], axes: [0] },
    { x: [33, 20], axes: [1] },
    { x: [1500, 5], axes: [0] },
    { x: [4001], axes: [0] },
  ],
  problem(sizes, seed) {
    const axes = sizes.axes ?? [];
    const x = input("x", sizes.x);
    const node = sum(x, { axes });
    const tx = randomTensors(seed)(sizes.x);
    const lanes = axes.includes(sizes.x.length - 1);
    return {
      node,
      inputs: new Map([[x, tx]]),
      reference: () => {
        const value = oracle.sum.forward(tx, { axes });
        return { value, bound: oracle.sum.bounds(tx, { axes }, zeros(value.shape)).y };
      },
      rungs(target) {
        // How the op walks through x, and into how many parts it splits the sum.
        const [{ uniform }] = node.op.lower!(node, target);
        const { outputs } = uniform;
        const rung = (
          number: number,
          name: string,
          source: string,
          splits: number,
          groups: [number, number, number],
          constants: Record<string, number> = {},
        ): Rung => ({
          name: `${number} ${name}`,
          dispatches: () => {
            const partial = splits === 1 && !lanes ? node : new Scratch(outputs * splits * 16);
            const offer = { bind: { x, partial }, uniform: { ...uniform, splits } };
            const first = dispatchOf(rungKernel("sum", `${number}_${name}`, source, constants), offer, groups);
            if (partial === node) return [first];
            if (!lanes) return [first, addSplits(partial, node, splits)];
            const floats = blocks(node.shape) * 4;
            const last = node.shape.at(-1) ?? 1;
            const second = {
              kernel: kernel("sum_lanes", sumLanes),
              bind: { partial, y: node },
              uniform: { floats, last, row: lastBlocks(node.shape) * 4, outputs, splits },
              groups: linear(floats),
            };
            return [first, second];
          },
        });
        const shared = (width: number) => {
          const splits = Math.max(1, Math.ceil(uniform.splits / width));
          return { splits, groups: [...folded(outputs * splits), 1] as [number, number, number] };
        };
        const tree = shared(64);
        const SG = target.subgroupSize;
        const subgroup = shared(SG || 1);
        return [
          rung(1, "one_invocation", oneInvocation, 1, [1, 1, 1]),
          rung(2, "one_per_output", onePerOutput, 1, linear(outputs)),
          rung(3, "contiguous_splits", contiguousSplits, uniform.splits, linear(outputs * uniform.splits)),
          rung(4, "workgroup_tree", workgroupTree, tree.splits, tree.groups),
          SG
            ? rung(5, "subgroup_add", subgroupAdd, subgroup.splits, subgroup.groups, { SG })
            : { name: "5 subgroup_add", skip: "no subgroups of one size here", dispatches: () => [] },
          ...winners(node, target, "reduce"),
        ];
      },
    };
  },
};
