import { styleOf, suited } from "../../src/engine/candidates.js";
import { GpuError } from "../../src/engine/errors.js";
import type { BoundTo, Dispatch, Node, Target } from "../../src/engine/graph.js";
import { kernel } from "../../src/engine/lower.js";
import { type Kernel, reflect } from "../../src/engine/shader.js";
import type { Bound } from "../../test/reference/bounds.js";
import type { Padding } from "../../test/reference/conv2d.js";
import type { Tensor } from "../../test/reference/tensor.js";

/** What a problem's size consists of; each op needs some of it. */
export interface Sizes {
  readonly x: number[];
  readonly w?: number[];
  readonly stride?: number;
  /** Pixels of zeros on every side, or a number a side. */
  readonly padding?: number | Padding;
  readonly outputPadding?: number;
  readonly axes?: number[];
}

/** One way to compute a problem's node. */
export interface Rung {
  /** "3 vec4_in", a file's name, or the name of a candidate of the op. */
  readonly name: string;
  /** Why this adapter cannot run it, if so. */
  readonly skip?: string;
  readonly dispatches: () => Dispatch[];
  /** Its result's bound, if it rounds otherwise than a plain sum. */
  readonly bound?: () => Bound;
}

/** What must come out, in float64, by the op's oracle, and its bound for c = 2 (see bounds.ts). */
export interface Reference {
  readonly value: Tensor;
  readonly bound: Bound;
}

/** A node to compute, with its inputs' values and what must come out. */
export interface Problem {
  readonly node: Node;
  /** The values of the leaves that the node is computed from. */
  readonly inputs: ReadonlyMap<Node, Tensor>;
  /** Not quick: seconds for a GFLOP. */
  readonly reference: () => Reference;
  /** The ladder, from the naive kernel up to the op's own. */
  readonly rungs: (target: Target) => Rung[];
}

/** The kernels of one op, from naive to best. */
export interface Ladder {
  readonly op: string;
  /** What limits it at best, and what its rates count: FLOPs, or bytes of x. */
  readonly limit: "arithmetic" | "memory";
  /** The fields of `Sizes` that it must and may have. */
  readonly needs: readonly (keyof Sizes)[];
  readonly takes: readonly (keyof Sizes)[];
  /** What is timed, by name. */
  readonly shapes: Readonly<Record<string, Sizes>>;
  /** What every rung is checked at besides: small extents around the edges of tiles. */
  readonly odd: readonly Sizes[];
  /** @throws ShapeError */
  readonly problem: (sizes: Sizes, seed: number) => Problem;
}

/** All that the kernels of one ladder may bind and read, by name. */
export interface Offer {
  readonly bind: Readonly<Record<string, BoundTo>>;
  readonly uniform: Readonly<Record<string, number>>;
}

/** A rung's kernel from its file's text. */
export const rungKernel = (op: string, name: string, source: string, constants: Record<string, number> = {}): Kernel =>
  kernel(`${op}/${name}`, source, constants);

/**
 * A dispatch of a kernel that takes what it needs of an offer.
 * @throws GpuError if it needs what is not offered
 */
export function dispatchOf(k: Kernel, { bind, uniform }: Offer, groups: Dispatch["groups"]): Dispatch {
  const { bindings, fields } = reflect(k);
  const take = <T>(from: Readonly<Record<string, T>>, names: string[]): Record<string, T> => {
    const missing = names.filter((name) => !(name in from));
    if (missing.length) throw new GpuError(`kernel ${k.name} needs ${missing}; its ladder offers ${Object.keys(from)}`);
    return Object.fromEntries(names.map((name) => [name, from[name]]));
  };
  return {
    kernel: k,
    bind: take(
      bind,
      bindings.filter(({ type }) => type !== "uniform").map(({ name }) => name),
    ),
    uniform: take(
      uniform,
      fields.map(({ name }) => name),
    ),
    groups,
  };
}

/**
 * The top of a ladder: the op's own kernels, the best guess for this adapter last. Of a style that is meant for other
 * adapters only the first variant comes along, to show why.
 * @param bounds of those that round otherwise than a plain sum, by name
 */
export function winners(node: Node, target: Target, name: string, bounds: Record<string, () => Bound> = {}): Rung[] {
  const all = node.op.candidates?.(node, target);
  if (!all) return [{ name, dispatches: () => node.op.lower?.(node, target) ?? [] }];
  const meant = suited(all, target);
  const firsts = all.filter((one, i) => all.findIndex((other) => styleOf(other) === styleOf(one)) === i);
  const chosen = all.filter((one) => meant.includes(one) || firsts.includes(one));
  return chosen.map(({ name, dispatches }): Rung => ({ name, dispatches, bound: bounds[name] })).reverse();
}

/** Floating-point operations of a problem, as its op counts them. */
export const flopsOf = ({ node }: Problem, target: Target): number =>
  (node.op.lower?.(node, target) ?? []).reduce((total, { flops = 0 }) => total + flops, 0);
