import { ShapeError } from "./errors.js";
import type { Kernel } from "./shader.js";
import { format, type Shape } from "./shape.js";

/** What may stand behind a convolution. */
export type Activation = "none" | "relu" | "sigmoid" | "tanh" | { readonly leakyRelu: number };

/** What kernels are lowered for: plain data, so that lowering and planning need no GPU. */
export interface Target {
  /** Lanes of a subgroup, 0 without subgroups. */
  readonly subgroupSize: number;
  /** CPU adapters want other kernels than GPUs, and little parallelism. */
  readonly cpu: boolean;
  /** Names the kernel of ops that have several: by signature, by op name, or for all with "*". See candidates.ts. */
  readonly kernels: Readonly<Record<string, string>>;
  /** Largest storage binding in bytes. */
  readonly maxBindingBytes: number;
}

/** Memory that one op needs between its own dispatches. */
export class Scratch {
  constructor(readonly bytes: number) {}
}

/** A part of a flat state (see Parameters): what an optimiser binds. Offsets are multiples of 256 bytes. */
export interface Window {
  readonly state: object;
  readonly label: string;
  readonly stateBytes: number;
  readonly offset: number;
  readonly bytes: number;
  readonly initial?: () => Float32Array;
}

/** A node, with an optional range of its storage in bytes. */
export interface NodeRange {
  readonly node: Node;
  readonly offset: number;
  readonly bytes: number;
}

export type BoundTo = Node | NodeRange | Scratch | Window | "clock";

/** One kernel launch, as data. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** What each storage variable of the kernel is bound to, by the variable's name. */
  readonly bind: Readonly<Record<string, BoundTo>>;
  /** The fields of the kernel's uniform, by name. */
  readonly uniform: Readonly<Record<string, number>>;
  readonly groups: readonly [number, number, number];
  /** Floating-point operations, counted from the shapes. */
  readonly flops?: number;
  /** Bytes read and written, where that is less than the whole of what is bound. */
  readonly traffic?: number;
}

/** One of several ways to compute a node. */
export interface Candidate {
  /** Its style, then its variant: "baseline", "tile 64×64". */
  readonly name: string;
  /** Where it has a chance to be the fastest: the tuner tries it there. */
  readonly adapters: "cpu" | "gpu" | "any";
  readonly dispatches: () => Dispatch[];
}

/** Cuts an op along the batch (axis 0): `part(x, from, count)` gives that range of an input. See batch.ts. */
export type Part = (x: Node, from: number, count: number) => Node;

/** An op: its shape rule, its forward and its gradients, side by side in one file. */
export interface Op<A> {
  readonly name: string;
  /** The only place where shapes are checked. @throws ShapeError */
  shape(inputs: readonly Shape[], attrs: A): Shape;
  /** The dispatches that compute the node. Leaves and aliases have none. */
  lower?(node: Node<A>, target: Target): Dispatch[];
  /** Where there are several ways: those that this target can run, the best guess for its kind first. */
  candidates?(node: Node<A>, target: Target): Candidate[];
  /** One gradient per input, as nodes; undefined where the input has none. Nodes that nothing needs are never run. */
  backward?(node: Node<A>, gy: Node): (Node | undefined)[];
  /** This node times the derivative of an activation, whose output is y, in one kernel; undefined where it cannot. */
  derivative?(node: Node<A>, activation: Activation, y: Node): Node | undefined;
  /** Rows `from` … `from + count` of the output's axis 0, for an output too large for one binding. */
  rows?(node: Node<A>, from: number, count: number, part: Part): Node;
  /** The whole (small) output from batch ranges of an input too large for one binding. */
  fold?(node: Node<A>, ranges: readonly (readonly [number, number])[], part: Part): Node;
  /** alias: the output is the input's memory. pack: the inputs are written inside the output. effect: changes state. */
  readonly kind?: "leaf" | "alias" | "pack" | "effect";
}

/** A value of the graph. Its inputs are older nodes, so the graph has no cycles. */
export interface Node<A = unknown> {
  readonly op: Op<A>;
  readonly inputs: readonly Node[];
  readonly attrs: A;
  readonly shape: Shape;
}

export function makeNode<A>(op: Op<A>, inputs: readonly Node[], attrs: A): Node<A> {
  const shape = op.shape(
    inputs.map((x) => x.shape),
    attrs,
  );
  if (shape.length > 4 || shape.some((n) => !Number.isInteger(n) || n < 1)) {
    throw new ShapeError(`${op.name}: a result of shape ${format(shape)}; a tensor has at most 4 axes, none empty`);
  }
  return { op: op as Op<unknown> as Op<A>, inputs, attrs, shape };
}

/** The error of a shape rule: names op, shapes and rule. */
export function refuse(op: string, shapes: readonly Shape[], rule: string): never {
  throw new ShapeError(`${op}(${shapes.map(format).join(", ")}): ${rule}`);
}

/** Nodes in an order in which inputs come first; effects, which change what others read, come last. */
export function topological(outputs: readonly Node[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const visit = (root: Node) => {
    const stack: [Node, number][] = [[root, 0]];
    while (stack.length) {
      const top = stack[stack.length - 1];
      const [node, next] = top;
      if (next === 0 && seen.has(node)) {
        stack.pop();
      } else if (next < node.inputs.length) {
        seen.add(node);
        top[1]++;
        if (!seen.has(node.inputs[next])) stack.push([node.inputs[next], 0]);
      } else {
        seen.add(node);
        stack.pop();
        order.push(node);
      }
    }
  };
  const effect = (node: Node) => node.op.kind === "effect";
  for (const output of outputs) if (!effect(output)) visit(output);
  // What effects need, before any of them runs.
  for (const output of outputs) if (effect(output)) for (const input of output.inputs) visit(input);
  for (const output of outputs) if (effect(output)) visit(output);
  return order;
}

/** The node whose memory an alias shares. */
export function aliasRoot(node: Node): Node {
  let root = node;
  while (root.op.kind === "alias") root = root.inputs[0];
  return root;
}

// --- what exists only while a program is traced -----------------------------------------------------------------

let streams: { next: number } | undefined;

/** Runs `build` with fresh numbers for random streams: a program's randomness depends on nothing outside it. */
export function traced<T>(build: () => T): T {
  const outer = streams;
  streams = { next: 0 };
  try {
    return build();
  } finally {
    streams = outer;
  }
}

/** The next random stream of the program being traced. */
export function nextStream(): number {
  if (!streams) throw new ShapeError("a random op needs a program: call it inside compile(), or name its stream");
  return streams.next++;
}
