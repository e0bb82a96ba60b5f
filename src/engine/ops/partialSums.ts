import sumLanes from "../../../shaders/sum_lanes.wgsl";
import sumPartials from "../../../shaders/sum_partials.wgsl";
import sumTree from "../../../shaders/sum_tree.wgsl";
import type { Candidate, Dispatch, Node, Scratch, Target } from "../graph.js";
import { folded, kernel, linear } from "../lower.js";
import { blocks, lastBlocks } from "../shape.js";

/** One invocation adds so many partial sums; more are worth a workgroup. */
const FEW = 16;

/** How a sum is cut and put together. */
export interface Summing {
  /** Parts of a sum that invocations of their own compute, to keep an adapter busy. */
  readonly splits: number;
  /** Many partial sums are added by workgroups, not by single invocations. */
  readonly tree: boolean;
}

/** Both ways of summing, for `lower` of an op that sums; which one runs depends on the kind of adapter alone. */
export const summings = (dispatches: (summing: Summing) => Dispatch[]): Candidate[] => [
  { name: "baseline", adapters: "cpu", dispatches: () => dispatches({ splits: 128, tree: false }) },
  { name: "tree", adapters: "gpu", dispatches: () => dispatches({ splits: 16384, tree: true }) },
];

/** So many splits of a sum of `positions` values each, that every split has some and that they fit a binding. */
export const splitsOf = (
  wanted: number,
  positions: number,
  outputs: number,
  { maxBindingBytes }: Pick<Target, "maxBindingBytes">,
): number => Math.max(1, Math.min(wanted, Math.ceil(positions / 4), Math.floor(maxBindingBytes / (16 * outputs))));

/**
 * The second pass of a sum: y = Σ splits of partial [splits][outputs] vec4s, in a fixed order.
 * @param lanes whether the four lanes of a vec4 are added too: the sum includes the last axis
 */
export function addPartials(
  y: Node,
  partial: Scratch,
  sizes: { outputs: number; splits: number; lanes: boolean; tree: boolean },
): Dispatch {
  const { outputs, splits, lanes, tree } = sizes;
  const bind = { partial, y };
  const floats = blocks(y.shape) * 4;
  const layout = { floats, last: y.shape.at(-1) ?? 1, row: lastBlocks(y.shape) * 4 };
  const uniform = { ...layout, outputs, splits };
  if (tree && splits > FEW) {
    const constants = { LANES: Number(lanes) };
    return {
      kernel: kernel("sum_tree", sumTree, constants),
      bind,
      uniform,
      groups: [...folded(lanes ? floats : outputs), 1],
    };
  }
  if (lanes) return { kernel: kernel("sum_lanes", sumLanes), bind, uniform, groups: linear(floats) };
  return {
    kernel: kernel("sum_partials", sumPartials),
    bind,
    uniform: { count: outputs, splits },
    groups: linear(outputs),
  };
}
