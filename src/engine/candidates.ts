import { KernelError } from "./errors.js";
import type { Candidate, Dispatch, Node, Target } from "./graph.js";
import { format } from "./shape.js";

/** What a choice among candidates depends on, in words: the op, its inputs' shapes and its attributes. */
export const signatureOf = (node: Node): string =>
  `${node.op.name}(${node.inputs.map((x) => format(x.shape)).join(", ")}) ${JSON.stringify(node.attrs)}`;

/** A candidate's style, the first word of its name: "tile" of "tile 64×64". */
export const styleOf = ({ name }: Candidate): string => name.split(" ")[0];

/** The candidates that are meant for this kind of adapter, the best guess first. The others run too, but slowly. */
export const suited = (candidates: readonly Candidate[], target: Target): Candidate[] =>
  candidates.filter(({ adapters }) => adapters === "any" || adapters === (target.cpu ? "cpu" : "gpu"));

/**
 * Decides which of an op's kernels runs: the one place to decide it. `target.kernels` names one by the node's signature
 * (what the tuner measured), by op, or for all ops with "*"; without it the first one that suits the adapter is taken.
 * @throws KernelError if the caller names a kernel that the op does not have on this adapter
 */
export function chosen(node: Node, target: Target): Candidate {
  const candidates = node.op.candidates?.(node, target) ?? [];
  const { name } = node.op;
  const wanted = target.kernels[signatureOf(node)] ?? target.kernels[name];
  const named = (text: string) =>
    candidates.find((c) => c.name === text) ?? candidates.find((c) => styleOf(c) === text);
  if (wanted !== undefined) {
    const found = named(wanted);
    if (found) return found;
    const there = candidates.map((c) => c.name).join(", ");
    throw new KernelError(`${name} has no kernel "${wanted}" on this adapter; there are ${there}`, wanted);
  }
  const all = target.kernels["*"];
  return (all !== undefined && named(all)) || suited(candidates, target)[0];
}

/** `lower` of an op that has candidates. */
export const lowerChosen = (node: Node, target: Target): Dispatch[] => chosen(node, target).dispatches();
