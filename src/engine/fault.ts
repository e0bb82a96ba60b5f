import { type BoundTo, type Dispatch, type Node, Scratch } from "./graph.js";
import type { Layout } from "./layout.js";
import type { ParameterAttrs, Parameters } from "./parameters.js";
import type { Program } from "./program.js";
import { reflect } from "./shader.js";
import { elements, format, lastBlocks, type Shape } from "./shape.js";

/** The first number of a step that no update can be made of, in the order of its dispatches. */
export interface Fault {
  /** "large": finite, but a gradient whose square is not. */
  readonly value: "NaN" | "infinity" | "large";
  /** The tensor that holds it, in words: op, shape, whose gradient, and where in it. */
  readonly tensor: string;
  /** The kernel that wrote it, and the dispatch's number in `program.dump()`; undefined if it came from outside. */
  readonly kernel: string | undefined;
  readonly dispatch: number | undefined;
}

/**
 * Looks through everything that the latest step of a program computed, in order.
 * @param program compiled with `keepAll`, so that nothing was overwritten
 */
export async function findFault(program: Program): Promise<Fault | undefined> {
  // A gradient beyond the limit is only at fault where nothing else is.
  return (await findFirst(program, false)) ?? (await findFirst(program, true));
}

async function findFirst(program: Program, large: boolean): Promise<Fault | undefined> {
  const { layout } = program;
  const gradients = new Set(layout.stages.flatMap(({ node }) => (node.op.kind === "pack" ? node.inputs : [])));
  const look = async (bound: BoundTo) => {
    if (large && !gradients.has(bound as Node)) return undefined;
    return firstFault(new Uint32Array(await program.readBound(bound)), large ? LARGE : EXPONENT);
  };
  let dispatch = 0;
  for (const { node, dispatches } of layout.stages) {
    if (node.op.name === "parameter" || node.op.name === "input") {
      const found = await look(node);
      if (found) return { ...report(layout, node, found), kernel: undefined, dispatch: undefined };
    }
    for (const each of dispatches) {
      dispatch++;
      for (const bound of written(each)) {
        const found = await look(bound);
        if (!found) continue;
        // Scratch memory has no axes.
        const at = bound instanceof Scratch ? undefined : found.at;
        return { ...report(layout, node, { ...found, at }), kernel: each.kernel.name, dispatch };
      }
    }
  }
  return undefined;
}

/** The fault in one clause. */
export function describeFault({ value, tensor, kernel, dispatch }: Fault): string {
  const what = value === "large" ? "a number beyond 2^63, whose square would be infinite," : value;
  return kernel
    ? `${what} first came from kernel ${kernel} (dispatch ${dispatch}), in ${tensor}`
    : `${what} was there before the step, in ${tensor}`;
}

/** What a dispatch writes, of the memory that belongs to the program; an optimiser's state is left alone by the watch. */
function written({ kernel, bind }: Dispatch): BoundTo[] {
  const outputs = reflect(kernel).bindings.filter(({ type }) => type === "storage");
  return outputs.map(({ name }) => bind[name]).filter((bound) => bound !== "clock" && !("state" in bound));
}

/** As in watch.wgsl. */
const EXPONENT = 0x7f800000;
const LARGE = 0x5f000000;

interface Found {
  value: Fault["value"];
  /** Index in storage, where the tensor is the node's own. */
  at: number | undefined;
}

function firstFault(words: Uint32Array, least: number): Found | undefined {
  const at = words.findIndex((word) => (word & EXPONENT) >= least);
  if (at < 0) return undefined;
  if ((words[at] & EXPONENT) < EXPONENT) return { at, value: "large" };
  return { at, value: words[at] & 0x7fffff ? "NaN" : "infinity" };
}

function report(layout: Layout, node: Node, { value, at }: Found): Pick<Fault, "value" | "tensor"> {
  const { name } = node.attrs as { name?: string };
  const title = name ? `${node.op.name} "${name}"` : node.op.name;
  const place = at === undefined || elements(node.shape) === 1 ? "" : ` at ${format(position(at, node.shape))}`;
  return { value, tensor: `${title} ${format(node.shape)}${role(layout, node)}${place}` };
}

/** Whose gradient a node is, or with which parameters it computes. */
function role(layout: Layout, node: Node): string {
  for (const { node: effect } of layout.stages) {
    const { parameters } = (effect.attrs ?? {}) as { parameters?: Parameters };
    const index = parameters && effect.inputs[0].inputs.indexOf(node);
    if (parameters && index !== undefined && index >= 0) {
      return `, the gradient of ${parameters.nodes[index].attrs.name},`;
    }
  }
  const own = node.inputs
    .filter(({ op }) => op.name === "parameter")
    .map(({ attrs }) => (attrs as ParameterAttrs).name);
  return own.length ? ` of ${own.join(" and ")}` : "";
}

/** Index in storage to a position along the axes. */
function position(at: number, shape: Shape): number[] {
  const row = lastBlocks(shape) * 4;
  let rest = Math.floor(at / row);
  const out = shape.length ? [at % row] : [];
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    out.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  return out;
}
