/** The kernels of a training step: which the tuner chose among several, and what it measured. */

import { signatureOf } from "../engine/candidates.js";
import type { Gpu } from "../engine/gpu.js";
import { topological } from "../engine/graph.js";
import { targetOf } from "../engine/program.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { modelOf } from "../faceswap/model.js";
import { stepOutputs } from "../faceswap/stepPlan.js";
import { table } from "./table.js";
import { Tuning } from "./tune.js";

/** One choice, as `shibori inspect --kernels --json` prints it. */
export interface InspectedKernel {
  /** The op, its inputs' shapes and its attributes. */
  readonly signature: string;
  /** How many nodes of the step it is for. */
  readonly nodes: number;
  readonly choice: string;
  /** What is taken without a tuner. */
  readonly default: string;
  /** Milliseconds by kernel, as far as it runs on the adapter. */
  readonly ms: Readonly<Record<string, number>>;
}

/** Times what the tuner's cache does not know, in memory of its own. @throws UserError, GpuError */
export async function inspectKernels(config: TrainingConfig, gpu: Gpu): Promise<InspectedKernel[]> {
  const nodes = topological(stepOutputs(modelOf(config), config, gpu.maxBindingBytes));
  const tuning = new Tuning(gpu, "cached", console.error);
  await tuning.tuner?.choose(gpu, nodes, targetOf(gpu));
  tuning.report();
  const counts = new Map<string, number>();
  for (const node of nodes.filter(({ op }) => op.candidates)) {
    counts.set(signatureOf(node), (counts.get(signatureOf(node)) ?? 0) + 1);
  }
  return (tuning.tuner?.decisions ?? []).map(({ signature, choice, standard, ms }) => {
    return { signature, nodes: counts.get(signature) ?? 0, choice, default: standard, ms };
  });
}

/** A line for each choice, those that differ from the default marked. */
export function kernelTable(kernels: readonly InspectedKernel[]): string {
  if (!kernels.length) return "kernels: no op of this step has several that suit this adapter";
  const rows = kernels.map(({ signature, nodes, choice, default: standard, ms }) => {
    const others = Object.entries(ms).filter(([name]) => name !== choice);
    const [head] = signature.split(" {");
    const cells = others.sort(([, a], [, b]) => a - b).map(([name, time]) => `${name} ${time.toPrecision(3)}`);
    return [
      head,
      choice === standard ? choice : `${choice} *`,
      String(nodes),
      ms[choice].toPrecision(3),
      cells.join(", "),
    ];
  });
  const note = "* not the default of this kind of adapter. A node may have attributes beside its shapes: see --json.";
  return `${table([["op and shapes", "kernel", "nodes", "ms", "others, ms"], ...rows], [0, 1, 4])}\n${note}`;
}
