import { UserError } from "../errors.js";
import { makeNode, type Node, type Op } from "../graph.js";
import { elements, format, type Shape } from "../shape.js";

interface LeafAttrs {
  readonly shape: Shape;
  readonly name?: string;
  readonly values?: Float32Array | Uint32Array;
}

/** Numbers fixed when the program is compiled. */
export const constantOp: Op<LeafAttrs> = { name: "constant", kind: "leaf", shape: (_, a) => a.shape };

/** An array that the caller writes before a step. */
export const inputOp: Op<LeafAttrs> = { name: "input", kind: "leaf", shape: (_, a) => a.shape };

/**
 * A tensor of fixed numbers, row-major.
 * @throws UserError if the count of values is not the shape's.
 */
export function constant(values: ArrayLike<number>, shape: Shape): Node {
  if (values.length !== elements(shape)) {
    throw new UserError(`constant: ${values.length} values for shape ${format(shape)}, which holds ${elements(shape)}`);
  }
  return makeNode(constantOp, [], { shape, values: Float32Array.from(values) });
}

/** A tensor of the caller's own, set with `program.write(name, values)`; zero until then. */
export function input(name: string, shape: Shape): Node {
  return makeNode(inputOp, [], { shape, name });
}
