import reduce from "../../../shaders/reduce.wgsl";
import { lowerChosen } from "../candidates.js";
import { type Candidate, type Dispatch, makeNode, type Node, type Op, refuse, Scratch, type Target } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { elements, lastBlocks, type Shape } from "../shape.js";
import { type Code, type Expression, nameOf, write } from "./expression.js";
import { addPartials, splitsOf, summings } from "./partialSums.js";
import { add, broadcastTo, scale, square, sub } from "./pointwise.js";
import { concat } from "./region.js";
import { reshape } from "./reshape.js";

interface SumAttrs {
  /** Axes summed, ascending. */
  readonly axes: readonly number[];
}

/** Extents of a sum over a dense tensor in vec4s: neighbouring axes of one kind merged, so at most two of each. */
function mergedAxes(shape: Shape, axes: readonly number[]) {
  const extents = [...shape.slice(0, -1), lastBlocks(shape)];
  const merged: { n: number; stride: number; reduced: boolean }[] = [];
  let stride = 1;
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    const reduced = axes.includes(axis);
    const n = extents[axis];
    if (n !== 1) {
      if (merged[0]?.reduced === reduced) merged[0].n *= n;
      else merged.unshift({ n, stride, reduced });
    }
    stride *= n;
  }
  const two = (reduced: boolean) => {
    const own = merged.filter((m) => m.reduced === reduced);
    while (own.length < 2) own.push({ n: 1, stride: 0, reduced });
    return own;
  };
  return { kept: two(false), reduced: two(true) };
}

/** The first pass, with the expression written into it whose values are summed. */
const fusedSource = (code: Code): string =>
  reduce
    .replace(/^struct P \{$/m, (line) => `${line}\n  ${code.fields.join(", ")},`)
    .replace(/^@group\(0\) @binding\(2\).*\n/m, () =>
      Array.from({ length: code.inputs }, (_, i) => {
        return `@group(0) @binding(${2 + i}) var<storage, read> x${i}: array<vec4f>;\n`;
      }).join(""),
    )
    .replace("fn value(i: u32) -> vec4f { return x0[i]; }", () => {
      return `fn value(i: u32) -> vec4f {\n${code.body}\n  return v;\n}`;
    });

/** Sums of a tensor of shape `shape`, which is the input, or an expression of the inputs. */
const candidates = (node: Node<SumAttrs>, target: Target, shape: Shape, expression?: Expression): Candidate[] =>
  summings((summing): Dispatch[] => {
    const { axes } = node.attrs;
    const { kept, reduced } = mergedAxes(shape, axes);
    const outputs = kept[0].n * kept[1].n;
    const positions = reduced[0].n * reduced[1].n;
    const splits = splitsOf(Math.ceil(summing.splits / outputs), positions, outputs, target);
    const lanes = axes.includes(shape.length - 1);
    const partial = splits === 1 && !lanes ? node : new Scratch(outputs * splits * 16);
    const inputs = Object.fromEntries(node.inputs.map((x, i) => [`x${i}`, x]));
    const shapes = node.inputs.map((x) => x.shape);
    const code = expression && write(expression, shapes, shape);
    const first: Dispatch = {
      kernel: code ? { name: `reduce:${nameOf(expression)}`, source: fusedSource(code) } : kernel("reduce", reduce),
      bind: { ...inputs, partial },
      uniform: {
        ...{ outputs, splits, positions, kn1: kept[1].n, ks0: kept[0].stride, ks1: kept[1].stride },
        ...{ rn1: reduced[1].n, rs0: reduced[0].stride, rs1: reduced[1].stride, square: 0, to: 0 },
        ...code?.uniform,
      },
      groups: linear(outputs * splits),
      flops: elements(shape),
    };
    if (!(partial instanceof Scratch)) return [first];
    return [first, addPartials(node, partial, { outputs, splits, lanes, tree: summing.tree })];
  });

const summed = (shape: Shape, axes: readonly number[]): Shape => shape.filter((_, i) => !axes.includes(i));

interface FusedSumAttrs extends SumAttrs, Expression {
  /** Of what is summed. */
  readonly shape: Shape;
}

/** A sum over an expression's values, which are never stored. It comes after gradients and cuts. */
const fusedSumOp: Op<FusedSumAttrs> = {
  name: "sum",
  shape: (_, { axes, shape }) => summed(shape, axes),
  lower: lowerChosen,
  candidates: (node, target) => candidates(node, target, node.attrs.shape, node.attrs),
};

/** The sum over an expression of the inputs in one pass. */
export const fusedSum = (inputs: readonly Node[], attrs: FusedSumAttrs): Node => makeNode(fusedSumOp, inputs, attrs);

export const isSum = (node: Node): node is Node<SumAttrs> => node.op === (sumOp as Op<unknown>);

/** Sum over axes, which are dropped from the shape. Two passes in a fixed order; padding lanes are zero and do not count. */
const sumOp: Op<SumAttrs> = {
  name: "sum",
  shape([x], { axes }) {
    if (axes.some((a) => !Number.isInteger(a) || a < 0 || a >= x.length)) {
      refuse("sum", [x], `axes [${axes}] must lie in 0 … ${x.length - 1}`);
    }
    return summed(x, axes);
  },
  lower: lowerChosen,
  candidates: (node, target) => candidates(node, target, node.inputs[0].shape),
  backward(node, gy) {
    const [x] = node.inputs;
    const ones = x.shape.map((n, i) => (node.attrs.axes.includes(i) ? 1 : n));
    return [broadcastTo(reshape(gy, ones), x.shape)];
  },
  rows(node, from, count, part) {
    if (node.attrs.axes.includes(0)) refuse("sum", [node.inputs[0].shape], "the result is too large for one binding");
    return makeNode(sumOp, [part(node.inputs[0], from, count)], node.attrs);
  },
  fold(node, ranges, part) {
    const sums = ranges.map(([from, count]): Node => makeNode(sumOp, [part(node.inputs[0], from, count)], node.attrs));
    return node.attrs.axes.includes(0) ? sums.reduce(add) : concat(sums, 0);
  },
};

export interface ReduceOptions {
  /** Axes to reduce; all of them when absent. Negative ones count from the end. */
  axes?: readonly number[];
  /** Keep reduced axes, with extent 1. */
  keepDims?: boolean;
}

const resolve = (x: Node, axes?: readonly number[]): number[] =>
  [...new Set((axes ?? x.shape.map((_, i) => i)).map((a) => (a < 0 ? a + x.shape.length : a)))].sort((a, b) => a - b);

/** Sum over axes. @throws ShapeError */
export function sum(x: Node | readonly Node[], options: ReduceOptions = {}): Node {
  if (!("op" in x)) return x.reduce(add); // a list of terms
  const axes = resolve(x, options.axes);
  const y = axes.length ? makeNode(sumOp, [x], { axes }) : x;
  return options.keepDims
    ? reshape(
        y,
        x.shape.map((n, i) => (axes.includes(i) ? 1 : n)),
      )
    : y;
}

/** Mean over axes. @throws ShapeError */
export function mean(x: Node, options: ReduceOptions = {}): Node {
  const total = sum(x, options);
  return scale(total, elements(total.shape) / elements(x.shape));
}

/**
 * Variance over axes with the divisor n − 1, in two passes: the mean, then the squared distances from it.
 * @throws ShapeError if fewer than two values are reduced.
 */
export function variance(x: Node, options: ReduceOptions = {}): Node {
  const axes = resolve(x, options.axes);
  const centre = mean(x, { axes, keepDims: true });
  const n = elements(x.shape) / elements(centre.shape);
  if (n < 2) refuse("variance", [x.shape], `needs at least 2 values over axes [${axes}], for the divisor n − 1`);
  return scale(sum(square(sub(x, centre)), { axes, keepDims: options.keepDims }), 1 / (n - 1));
}

/** The sum of a broadcast gradient over the axes that were stretched from `shape`. */
export function sumTo(g: Node, shape: Shape): Node {
  const front = g.shape.length - shape.length;
  const axes = g.shape.map((_, i) => i).filter((i) => i < front || (shape[i - front] === 1 && g.shape[i] !== 1));
  return axes.length ? reshape(sum(g, { axes }), shape) : reshape(g, shape);
}
