import { UserError } from "./errors.js";
import { aliasRoot, makeNode, type Node, type Part, topological } from "./graph.js";
import { concat, slice } from "./ops/region.js";
import { copy } from "./ops/reshape.js";
import { bytes, format } from "./shape.js";

/**
 * Rewrites a graph so that no tensor exceeds `limit` bytes, one storage binding: a larger tensor is computed in ranges of
 * its first axis, the batch, each a node of its own. Ops say how they are cut (`rows`) and how small results come
 * from a cut input (`fold`: a weight gradient is the sum over the ranges; without it the rows are put together). Runs
 * after autograd, so it cuts gradients too.
 * @returns for each output the nodes that hold it, one after the other along the batch
 * @throws UserError naming the tensor and the largest batch that fits, where an op cannot be cut
 */
export function fitBatches(outputs: readonly Node[], limit: number): Node[][] {
  const tooLarge = (node: Node) => bytes(node.shape) > limit && node.op.kind !== "pack" && node.op.kind !== "effect";
  const largest = (node: Node) => Math.floor(limit / bytes([1, ...node.shape.slice(1)]));
  const refuse = (node: Node, why: string): never => {
    const { name } = node.attrs as { name?: string };
    const what = name ? `${node.op.name} "${name}"` : node.op.name;
    const need = `${what} of shape ${format(node.shape)} needs ${bytes(node.shape)} bytes`;
    const fits = node.shape.length > 1 && largest(node) > 0 ? `; the largest batch that fits is ${largest(node)}` : "";
    throw new UserError(`${need}, but this adapter binds at most ${limit} (${why})${fits}`);
  };

  // One range length for all tensors, so that their ranges meet and a range of any of them fits.
  let step = Number.POSITIVE_INFINITY;
  for (const node of topological(outputs)) {
    if (!tooLarge(node)) continue;
    if (node.op.name === "parameter") refuseParameter(node, limit);
    if (node.op.kind === "leaf") refuse(node, "it comes from the caller in one piece");
    if (node.shape.length < 2 || largest(node) < 1) refuse(node, "one item alone is too large");
    step = Math.min(step, largest(node));
  }
  if (step === Number.POSITIVE_INFINITY) return outputs.map((node) => [node]);

  const ranges = (n: number): [number, number][] => {
    const out: [number, number][] = [];
    for (let from = 0; from < n; from += step) out.push([from, Math.min(step, n - from)]);
    return out;
  };

  const rebuilt = new Map<Node, Node>();
  const parts = new Map<Node, Map<string, Node>>();
  const rebuild = (node: Node): Node => {
    let made = rebuilt.get(node);
    if (made) return made;
    const cut = node.inputs.find(tooLarge);
    if (cut) {
      const { fold, rows } = node.op;
      if (fold) made = rebuild(fold(node, ranges(cut.shape[0]), part));
      else if (rows)
        made = rebuild(concat(ranges(node.shape[0]).map(([from, count]) => rebuild(rows(node, from, count, part)))));
      else refuse(cut, `${node.op.name} needs it in one piece`);
    } else {
      const inputs = node.inputs.map(rebuild);
      const same = inputs.every((x, i) => x === node.inputs[i]);
      made = same ? node : makeNode(node.op, node.op.kind === "pack" ? inputs.map(placeable) : inputs, node.attrs);
    }
    rebuilt.set(node, made as Node);
    rebuilt.set(made as Node, made as Node);
    return made as Node;
  };
  const part: Part = (x, from, count) => {
    if (from === 0 && count === x.shape[0] && !tooLarge(x)) return rebuild(x);
    let own = parts.get(x);
    if (!own) {
      own = new Map();
      parts.set(x, own);
    }
    const key = `${from}+${count}`;
    let made = own.get(key);
    if (!made) {
      if (!tooLarge(x)) {
        const starts = x.shape.map((_, axis) => (axis === 0 ? from : 0));
        made = slice(rebuild(x), starts, [count, ...x.shape.slice(1)]);
        rebuilt.set(made, made);
      } else if (x.op.rows) {
        made = rebuild(x.op.rows(x, from, count, part));
      } else {
        refuse(x, "this op cannot be cut along the batch");
      }
      own.set(key, made as Node);
    }
    return made as Node;
  };
  return outputs.map((node) =>
    tooLarge(node) ? ranges(node.shape[0]).map(([from, count]) => part(node, from, count)) : [rebuild(node)],
  );
}

/** What lies inside a packed buffer is written there by its own kernel: not a leaf, not an alias. */
const placeable = (node: Node): Node => (aliasRoot(node) === node && node.op.kind !== "leaf" ? node : copy(node));

function refuseParameter(node: Node, limit: number): never {
  const { name } = node.attrs as { name: string };
  throw new UserError(
    `parameter "${name}" of shape ${format(node.shape)} needs ${bytes(node.shape)} bytes, but this adapter binds at most ${limit}`,
  );
}
