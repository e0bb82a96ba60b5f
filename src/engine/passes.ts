import { fitBatches } from "./batch.js";
import { fuse } from "./fuse.js";
import type { Node } from "./graph.js";

/**
 * What is done to a traced graph before it is laid out: tensors beyond the adapter's limit are cut, then kernels are fused.
 * @param keepAll leaves every node readable: nothing is fused
 * @returns for each output the nodes that hold it, one after the other along the batch
 * @throws UserError where an op cannot be cut
 */
export function passes(outputs: readonly Node[], maxBindingBytes: number, keepAll = false): Node[][] {
  const parts = fitBatches(outputs, maxBindingBytes);
  if (keepAll) return parts;
  const fused = fuse(parts.flat());
  return parts.map((part) => fused.splice(0, part.length));
}
