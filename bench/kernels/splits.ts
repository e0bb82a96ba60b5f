import sumPartials from "../../shaders/sum_partials.wgsl";
import type { BoundTo, Dispatch, Node, Target } from "../../src/engine/graph.js";
import { kernel, linear } from "../../src/engine/lower.js";
import { blocks, bytes } from "../../src/engine/shape.js";

/** The second pass of a sum that was split: the op's own, in index order. */
export const addSplits = (partial: BoundTo, y: Node, splits: number): Dispatch => ({
  kernel: kernel("sum_partials", sumPartials),
  bind: { partial, y },
  uniform: { count: blocks(y.shape), splits },
  groups: linear(blocks(y.shape)),
});

/**
 * Into how many parts a sum of `positions` is split whose result takes `tiles` workgroups: enough workgroups to fill the
 * adapter (16 for a CPU, 512 for a GPU, as conv2dWeightGrad.ts does), as far as there are positions and memory.
 */
export function splitsFor(
  node: Node,
  target: Target,
  tiles: number,
  positions: number,
): { splits: number; per: number } {
  const fitting = Math.max(1, Math.floor(target.maxBindingBytes / bytes(node.shape)));
  const wanted = Math.max(1, Math.min(Math.ceil((target.cpu ? 16 : 512) / tiles), positions, fitting));
  const per = Math.ceil(positions / wanted);
  return { splits: Math.ceil(positions / per), per };
}
