import { type Activation, type Dispatch, makeNode, type Node, type Op, refuse } from "../graph.js";
import { linear } from "../lower.js";
import { blocks, format, type Shape, sameShape } from "../shape.js";
import { type Expression, nameOf, pointwiseKernel, type Step } from "./expression.js";
import { sumTo } from "./sum.js";

/** What a pointwise op computes. `shape` asks for a larger result by broadcasting. */
export interface PointwiseAttrs extends Expression {
  readonly shape?: Shape;
}

/** numpy's rule: align the last axes; an axis of 1 stretches. */
function broadcast(name: string, inputs: readonly Shape[], wanted?: Shape): Shape {
  const all = wanted ? [...inputs, wanted] : inputs;
  const rank = Math.max(...all.map((s) => s.length));
  const padded = all.map((s) => [...Array(rank - s.length).fill(1), ...s] as number[]);
  const out = Array.from({ length: rank }, (_, axis) => {
    const extents = padded.map((s) => s[axis]);
    const n = Math.max(...extents);
    if (extents.some((e) => e !== 1 && e !== n)) {
      refuse(name, inputs, "shapes broadcast from the last axis: each pair of extents must be equal, or one of them 1");
    }
    return n;
  });
  if (wanted && !sameShape(out, wanted)) refuse(name, inputs, `the inputs do not stretch to ${format(wanted)}`);
  return out;
}

type Make = (inputs: readonly Node[], k?: readonly number[], shape?: Shape) => Node;
type Gradient = (x: readonly Node[], y: Node, gy: Node, k: readonly number[]) => (Node | undefined)[];

function lower(node: Node<PointwiseAttrs>): Dispatch[] {
  const shapes = node.inputs.map((x) => x.shape);
  const { source, uniform } = pointwiseKernel(node.attrs, shapes, node.shape);
  const bind: Record<string, Node> = { y: node };
  node.inputs.forEach((x, i) => {
    bind[`x${i}`] = x;
  });
  return [{ kernel: { name: nameOf(node.attrs), source }, bind, uniform, groups: linear(blocks(node.shape)) }];
}

const family = new WeakSet<object>();

/** Whether a node is of this family, so that fuse.ts may write it into another's kernel. */
export const isPointwise = (node: Node): node is Node<PointwiseAttrs> => family.has(node.op);

/** The ops that are made of several formulas; they come after gradients and cuts, so they have none of their own. */
const fusedOp: Op<PointwiseAttrs> = { name: "fused", shape: (_, attrs) => attrs.shape as Shape, lower };
family.add(fusedOp);

/** A node that computes a whole expression in one kernel. */
export const fused = (inputs: readonly Node[], attrs: Expression & { shape: Shape }): Node<PointwiseAttrs> =>
  makeNode(fusedOp, inputs, attrs);

/** An op of one formula, as a function that makes its nodes. Without a gradient: for gradients only. */
function makeOp(name: string, formula: string, gradient?: Gradient): Make {
  const steps = (operands: number): Step[] => [{ name, formula, operands: [0, 1, 2].slice(0, operands) }];
  const op: Op<PointwiseAttrs> = {
    name,
    shape: (inputs, attrs) => broadcast(name, inputs, attrs.shape),
    lower,
    rows(node, from, count, part) {
      const inputs = node.inputs.map((x) =>
        x.shape.length === node.shape.length && x.shape[0] === node.shape[0] ? part(x, from, count) : x,
      );
      const shape = node.attrs.shape && [count, ...node.shape.slice(1)];
      return makeNode(op, inputs, { ...node.attrs, shape });
    },
  };
  if (gradient) {
    op.backward = (node, gy) =>
      gradient(node.inputs, node, gy, node.attrs.k).map((g, i) => g && sumTo(g, node.inputs[i].shape));
  }
  family.add(op);
  return (inputs: readonly Node[], k: readonly number[] = [], shape?: Shape): Node =>
    makeNode(op, inputs, { steps: steps(inputs.length), k, ...(shape && { shape }) });
}

type Unary = (x: Node) => Node;
type Binary = (a: Node, b: Node) => Node;

const unary = (name: string, formula: string, gradient: Gradient): Unary => {
  const make = makeOp(name, formula, gradient);
  return (x) => make([x]);
};
const binary = (name: string, formula: string, gradient: Gradient): Binary => {
  const make = makeOp(name, formula, gradient);
  return (a, b) => make([a, b]);
};

// --- two operands, broadcast as numpy does ------------------------------------------------------------------------

export const add: Binary = binary("add", "a + b", (_x, _y, gy) => [gy, gy]);
export const sub: Binary = binary("sub", "a - b", (_x, _y, gy) => [gy, neg(gy)]);
export const mul: Binary = binary("mul", "a * b", ([a, b], _y, gy) => [mul(gy, b), mul(gy, a)]);
export const div: Binary = binary("div", "a / b", ([, b], y, gy) => {
  const ga = div(gy, b);
  return [ga, neg(mul(ga, y))];
});

// --- one operand --------------------------------------------------------------------------------------------------

export const neg: Unary = unary("neg", "-a", (_x, _y, gy) => [neg(gy)]);

const absGrad = makeOp("absGrad", "a * sign(b)");
/** |x|; the gradient at 0 is 0. */
export const abs: Unary = unary("abs", "abs(a)", ([x], _y, gy) => [absGrad([gy, x])]);

const squareGrad = makeOp("squareGrad", "2.0 * a * b");
export const square: Unary = unary("square", "a * a", ([x], _y, gy) => [squareGrad([gy, x])]);

const sqrtGrad = makeOp("sqrtGrad", "0.5 * a / b");
export const sqrt: Unary = unary("sqrt", "sqrt(a)", (_x, y, gy) => [sqrtGrad([gy, y])]);

export const exp: Unary = unary("exp", "exp(a)", (_x, y, gy) => [mul(gy, y)]);
/** Natural logarithm. */
export const log: Unary = unary("log", "log(a)", ([x], _y, gy) => [div(gy, x)]);

const sigmoidGrad = makeOp("sigmoidGrad", "a * b * (1.0 - b)");
export const sigmoid: Unary = unary("sigmoid", "1.0 / (1.0 + exp(-a))", (_x, y, gy) => [sigmoidGrad([gy, y])]);

const tanhGrad = makeOp("tanhGrad", "a * (1.0 - b * b)");
// Beyond ±10 tanh is 1 in f32, and some drivers' tanh overflows there.
export const tanh: Unary = unary("tanh", "tanh(clamp(a, vec4f(-10.0), vec4f(10.0)))", (_x, y, gy) => [
  tanhGrad([gy, y]),
]);

const leakyGrad = makeOp("leakyReluGrad", "select(a * p.k0, a, b > vec4f())");
const leaky = makeOp("leakyRelu", "select(a * p.k0, a, a > vec4f())", (_x, y, gy, k) => [leakyGrad([gy, y], k)]);
/** x where x > 0, else alpha·x, for alpha ≥ 0; the gradient at 0 is alpha. */
export const leakyRelu = (x: Node, alpha = 0.01): Node => leaky([x], [alpha]);
export const relu = (x: Node): Node => leakyRelu(x, 0);

const clampGrad = makeOp("clampGrad", "select(vec4f(), a, (b >= vec4f(p.k0)) & (b <= vec4f(p.k1)))");
const clamped = makeOp("clamp", "clamp(a, vec4f(p.k0), vec4f(p.k1))", ([x], _y, gy, k) => [clampGrad([gy, x], k)]);
/** x limited to [low, high]; the gradient passes inside, ends included. */
export const clamp = (x: Node, low: number, high: number): Node => clamped([x], [low, high]);

const scaled: Make = makeOp("scale", "a * p.k0", (_x, _y, gy, k) => [scaled([gy], k)]);
/** x times a number. */
export const scale = (x: Node, factor: number): Node => scaled([x], [factor]);

const stretched = makeOp("broadcastTo", "a", (_x, _y, gy) => [gy]);
/** x repeated to a larger shape. */
export const broadcastTo = (x: Node, shape: Shape): Node => (sameShape(x.shape, shape) ? x : stretched([x], [], shape));

// --- activations fused into convolutions --------------------------------------------------------------------------

/** The gradient before an activation, from the gradient behind it and the activation's own output. */
export function activationGrad(activation: Activation, gy: Node, y: Node): Node {
  if (activation === "none") return gy;
  if (activation === "sigmoid") return sigmoidGrad([gy, y]);
  if (activation === "tanh") return tanhGrad([gy, y]);
  return leakyGrad([gy, y], [activation === "relu" ? 0 : activation.leakyRelu]);
}

/** The activation whose gradient a node is: of gradient inputs[0] at output inputs[1]. */
export function activationOfGrad(node: Node): Activation | undefined {
  if (!isPointwise(node)) return undefined;
  const { steps, k } = node.attrs;
  if (steps.length > 1) return undefined;
  const [{ name }] = steps;
  if (name === "sigmoidGrad") return "sigmoid";
  if (name === "tanhGrad") return "tanh";
  return name === "leakyReluGrad" ? { leakyRelu: k[0] } : undefined;
}

/** The constants with which convolution kernels compute an activation. */
export function activationCode(activation: Activation): { code: number; alpha: number } {
  if (activation === "none") return { code: 0, alpha: 0 };
  if (activation === "sigmoid") return { code: 2, alpha: 0 };
  if (activation === "tanh") return { code: 3, alpha: 0 };
  return { code: 1, alpha: activation === "relu" ? 0 : activation.leakyRelu };
}
