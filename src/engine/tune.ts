import { UserError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import type { Target } from "./graph.js";

/** Kernel styles of the heavy ops: the readable baseline, and the one that CPU adapters like. */
export type Style = "baseline" | "subgroup";

/** The ops that have more than one kernel. */
const TUNED = ["conv2d", "convTranspose2d", "conv2dWeightGrad"] as const;

/** What kernels are lowered for on this device, with these styles forced. */
export const targetOf = (gpu: Gpu, kernels: Record<string, string> = {}): Target => ({
  subgroupSize: gpu.subgroupSize,
  cpu: gpu.kind !== "hardware",
  kernels,
  maxBindingBytes: gpu.maxBindingBytes,
});

/** The style of each op that has a choice: as `kernels` of another program, it forces the same. */
export const stylesFor = (target: Target): Record<string, Style> =>
  Object.fromEntries(TUNED.map((op) => [op, chooseStyle(target, op)]));

/** Whether the subgroup kernels fit an adapter whose subgroups have so many lanes (0: none, or no single size). */
export const runsSubgroupKernels = (lanes: number): boolean => lanes === 4 || lanes === 8 || lanes === 16;

/**
 * Decides which of an op's kernels runs: the one place to decide it. A measuring tuner belongs here; until it comes, the
 * rule is the adapter's kind.
 * @throws UserError if the caller forces a style that does not exist or that the adapter cannot run.
 */
export function chooseStyle(target: Target, op: string): Style {
  const forced = target.kernels[op] ?? target.kernels["*"];
  const able = runsSubgroupKernels(target.subgroupSize);
  if (forced === "baseline") return "baseline";
  if (forced === "subgroup") {
    if (!able) throw new UserError(`kernels: ${op} "subgroup" needs an adapter with subgroups of 4, 8 or 16 lanes`);
    return "subgroup";
  }
  if (forced !== undefined)
    throw new UserError(`kernels: ${op} has no style "${forced}"; there are baseline, subgroup`);
  return target.cpu && able ? "subgroup" : "baseline";
}
