import { aliasRoot, makeNode, type Node, topological } from "./graph.js";
import { type Expression, renumbered } from "./ops/expression.js";
import { activationOfGrad, fused, isPointwise } from "./ops/pointwise.js";
import { reshape } from "./ops/reshape.js";
import { fusedSum, isSum } from "./ops/sum.js";
import { elements, sameShape } from "./shape.js";

/** WebGPU lets a kernel bind eight storage buffers; one is the result. */
const MOST_INPUTS = 7;
/** A formula with one of these is not computed twice to save a pass over memory. */
const HEAVY = /\b(exp|log|tanh|sqrt)\b|\//;

/**
 * Rewrites a graph so that it takes fewer passes over memory; what its outputs hold stays the same but for rounding.
 *  1. A computation that occurs twice is done once.
 *  2. The derivative of an activation rides in the convolution before it.
 *  3. A pointwise node is written into the kernels of all that read it (pointwise nodes and sums), where that saves loads
 *     and stores; a chain of them becomes one kernel, and a sum over one stores nothing in between.
 * It runs last, after gradients and cuts, and not where every node is to be read (keepAll).
 */
export function fuse(outputs: readonly Node[]): Node[] {
  return writeTogether(rideAlong(unify(outputs)));
}

/** Nodes of a graph that must stay what they are: its outputs, and what lies inside packed buffers. */
function pinned(outputs: readonly Node[], order: readonly Node[]) {
  const placed = new Set(order.flatMap((node) => (node.op.kind === "pack" ? node.inputs : [])));
  return { placed, fixed: new Set([...outputs.map(aliasRoot), ...placed]) };
}

/** Rebuilds a graph from its leaves: `change` may put another node in the place of one, given its new inputs. */
function rewrite(outputs: readonly Node[], change: (node: Node, inputs: readonly Node[]) => Node | undefined): Node[] {
  const made = new Map<Node, Node>();
  const order = topological(outputs);
  for (const node of order) {
    const inputs = node.inputs.map((x) => made.get(x) as Node);
    const same = inputs.every((x, i) => x === node.inputs[i]);
    made.set(node, change(node, inputs) ?? (same ? node : makeNode(node.op, inputs, node.attrs)));
  }
  return outputs.map((node) => made.get(node) as Node);
}

// --- 1. the same computation once -----------------------------------------------------------------------------------

/** Attributes of numbers and words have a text that says everything. */
const plain = (value: unknown): boolean =>
  value === undefined ||
  typeof value !== "object" ||
  (Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
    ? Object.values(value as object).every(plain)
    : false);

function unify(outputs: readonly Node[]): Node[] {
  const { placed } = pinned(outputs, topological(outputs));
  const numbers = new Map<unknown, number>();
  const numberOf = (of: unknown): number => {
    if (!numbers.has(of)) numbers.set(of, numbers.size);
    return numbers.get(of) as number;
  };
  const known = new Map<string, Node>();
  return rewrite(outputs, (node, inputs) => {
    const { op, attrs } = node;
    // Of what lies inside a packed buffer every place needs its own.
    if ((op.kind !== undefined && op.kind !== "alias") || placed.has(node) || !plain(attrs)) return undefined;
    const key = JSON.stringify([numberOf(op), inputs.map(numberOf), attrs]);
    const first = known.get(key);
    if (first) return first;
    const own = inputs.every((x, i) => x === node.inputs[i]) ? node : makeNode(op, inputs, attrs);
    known.set(key, own);
    return own;
  });
}

// --- 2. derivatives in the epilogues of convolutions ----------------------------------------------------------------

function consumersOf(order: readonly Node[]): Map<Node, Node[]> {
  const consumers = new Map<Node, Node[]>();
  for (const node of order) for (const x of new Set(node.inputs)) consumers.set(x, [...(consumers.get(x) ?? []), node]);
  return consumers;
}

function rideAlong(outputs: readonly Node[]): Node[] {
  const order = topological(outputs);
  const { fixed, placed } = pinned(outputs, order);
  const consumers = consumersOf(order);
  const alone = (node: Node) => !fixed.has(node) && consumers.get(node)?.length === 1;
  return rewrite(outputs, (node, [g, y]) => {
    const activation = activationOfGrad(node);
    if (!activation || placed.has(node) || !sameShape(g.shape, y.shape)) return undefined;
    for (let x = node.inputs[0]; ; x = x.inputs[0]) {
      if (!alone(x)) return undefined;
      if (x.op.kind !== "alias") break;
    }
    const root = aliasRoot(g);
    const seen = reshape(y, root.shape);
    if (aliasRoot(seen) !== aliasRoot(y)) return undefined; // it would have to be copied
    const made = root.op.derivative?.(root, activation, seen);
    return made && reshape(made, node.shape);
  });
}

// --- 3. pointwise nodes in the kernels of their readers -------------------------------------------------------------

/** A single value may have lost its axes on the way. */
const value = (x: Node): Node => (x.op.kind === "alias" && elements(x.shape) === 1 ? value(x.inputs[0]) : x);

function writeTogether(outputs: readonly Node[]): Node[] {
  const order = topological(outputs);
  const absorbed = chooseAbsorbed(outputs, order);
  // Of the nodes that are written into others, over the graph as it was.
  const expressions = new Map<Node, { inputs: Node[]; expression: Expression }>();
  /** A node's inputs, with the expressions of those that are written into it, and `own` behind them. */
  const merged = (node: Node, own?: Expression) => {
    const inputs: Node[] = [];
    const steps: Expression["steps"][number][] = [];
    const k: number[] = [];
    const done = new Map<Node, number>();
    /** Appends steps whose inputs stand at `places`. @returns where their result stands */
    const append = (expression: Expression, places: readonly number[]): number => {
      const by = k.length;
      const results: number[] = [];
      for (const { name, formula, operands } of expression.steps) {
        const at = operands.map((n) => (n < 0 ? results[-1 - n] : places[n]));
        results.push(-steps.push({ name, formula: renumbered(formula, by), operands: at }));
      }
      k.push(...expression.k);
      return results[results.length - 1];
    };
    const place = (x: Node): number => {
      const inner = expressions.get(x);
      const at = done.get(x) ?? (inner ? append(inner.expression, inner.inputs.map(place)) : inputs.push(x) - 1);
      done.set(x, at);
      return at;
    };
    const places = node.inputs.map((x) => place(value(x)));
    if (own) append(own, places);
    return { inputs, expression: { steps, k } };
  };
  for (const node of order)
    if (absorbed.has(node) && isPointwise(node)) expressions.set(node, merged(node, node.attrs));

  const made = new Map<Node, Node>();
  const remade = (x: Node) => made.get(x) as Node;
  for (const node of order) {
    if (absorbed.has(node)) continue;
    const reads = node.inputs.map(value).some((x) => absorbed.has(x));
    if (reads && isPointwise(node)) {
      const { inputs, expression } = merged(node, node.attrs);
      made.set(node, fused(inputs.map(remade), { ...expression, shape: node.shape }));
    } else if (reads && isSum(node)) {
      const { inputs, expression } = merged(node);
      const attrs = { axes: node.attrs.axes, ...expression, shape: node.inputs[0].shape };
      made.set(node, fusedSum(inputs.map(remade), attrs));
    } else {
      const inputs = node.inputs.map((x) => made.get(x) ?? x);
      const same = inputs.every((x, i) => x === node.inputs[i]);
      made.set(node, same ? node : makeNode(node.op, inputs, node.attrs));
    }
  }
  return outputs.map((node) => made.get(node) as Node);
}

/** Which pointwise nodes are written into all their readers. */
function chooseAbsorbed(outputs: readonly Node[], order: readonly Node[]): Set<Node> {
  const { fixed, placed } = pinned(outputs, order);
  const readers = new Map<Node, Set<Node>>();
  // An alias of a single value is looked through; any other alias needs its memory.
  for (const node of order) {
    if (node.op.kind === "alias" && elements(node.shape) === 1 && !fixed.has(node)) continue;
    for (const x of node.inputs) {
      const read = value(x);
      readers.set(read, (readers.get(read) ?? new Set()).add(node));
    }
  }
  const operands = new Map<Node, Set<Node>>();
  for (const node of order) operands.set(node, new Set(node.inputs.map(value)));
  const absorbed = new Set<Node>();
  for (const node of order) {
    const by = [...(readers.get(node) ?? [])];
    if (!isPointwise(node) || fixed.has(node) || by.length === 0) continue;
    if (!by.every((reader) => isPointwise(reader) || (isSum(reader) && sameShape(reader.inputs[0].shape, node.shape))))
      continue;
    const own = operands.get(node) as Set<Node>;
    // Loads and stores before and after.
    const larger = by.some((reader) => isPointwise(reader) && elements(reader.shape) > elements(node.shape));
    const single = elements(node.shape) === 1;
    const heavy = node.attrs.steps.some(({ formula }) => HEAVY.test(formula));
    if ((by.length > 1 || larger) && heavy) continue;
    if (larger && !single && own.size > 1) continue;
    if (!single && by.length * own.size > own.size + 1 + by.length) continue;
    const fits = by.every((reader) => {
      const after = new Set([...(operands.get(reader) as Set<Node>), ...own]);
      after.delete(node);
      // Two nodes inside one packed buffer cannot read each other.
      const clash = placed.has(reader) && [...own].some((x) => placed.has(aliasRoot(x)));
      return after.size <= MOST_INPUTS && !clash;
    });
    if (!fits) continue;
    absorbed.add(node);
    for (const reader of by) {
      const set = operands.get(reader) as Set<Node>;
      set.delete(node);
      for (const x of own) set.add(x);
    }
  }
  return absorbed;
}
