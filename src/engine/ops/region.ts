import copyRegion from "../../../shaders/copy_region.wgsl";
import { type Dispatch, makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { format, lastBlocks, rank4, type Shape, strides4 } from "../shape.js";

/**
 * Copies x[i + from] to y[to + i] for i inside `extent`; values from outside of x are 0. All have four axes. Works on
 * vec4s where the last axis is taken whole (then its entries are ignored), else on floats.
 */
function region(
  x: Node,
  y: Node,
  whole: boolean,
  from: readonly number[],
  to: readonly number[],
  extent: readonly number[],
): Dispatch {
  const width = whole ? 4 : 1;
  const last = (list: readonly number[], value: number) => (whole ? [...list.slice(0, 3), value] : list);
  const [xn0, xn1, xn2, channels] = last(rank4(x.shape), lastBlocks(x.shape));
  const [xs0, xs1, xs2] = strides4(x.shape).map((s) => s / width);
  const [ys0, ys1, ys2] = strides4(y.shape).map((s) => s / width);
  const [e0, e1, e2, e3] = last(extent, lastBlocks(y.shape));
  const [from0, from1, from2, from3] = last(from, 0);
  const [to0, to1, to2, to3] = last(to, 0);
  // A box narrower than x must not fill y's padding with the channels beside it.
  const xn3 = whole ? channels : Math.min(channels, from3 + (y.shape.at(-1) ?? 1));
  const units = e0 * e1 * e2 * e3;
  const inside = (start: number, count: number, n: number) =>
    Math.max(0, Math.min(start + count, n) - Math.max(start, 0));
  const read = inside(from0, e0, xn0) * inside(from1, e1, xn1) * inside(from2, e2, xn2) * inside(from3, e3, xn3);
  return {
    kernel: kernel("copy_region", copyRegion, { Unit: whole ? "vec4f" : "f32" }),
    bind: { x, y },
    uniform: {
      ...{ units, e1, e2, e3, from0, from1, from2, from3, xn0, xn1, xn2, xn3, xs0, xs1, xs2, ys0, ys1, ys2 },
      base: to0 * ys0 + to1 * ys1 + to2 * ys2 + to3,
    },
    groups: linear(units),
    traffic: (units + read) * width * 4,
  };
}

const offsets4 = (offsets: readonly number[]): number[] => [...Array(4 - offsets.length).fill(0), ...offsets];

// --- slice, and its gradient: a box of x; a box placed into zeros --------------------------------------------------

interface BoxAttrs {
  /** Where y begins in x, per axis; negative where y reaches out of x (filled with zeros). */
  readonly starts: readonly number[];
  readonly sizes: Shape;
}

const boxOp = (name: "slice" | "embed", other: () => Op<BoxAttrs>): Op<BoxAttrs> => ({
  name,
  shape([x], { starts, sizes }) {
    const fits = starts.every((s, i) => s >= 0 && s + sizes[i] <= x[i]);
    if (starts.length !== x.length || sizes.length !== x.length || (name === "slice" && !fits)) {
      refuse(name, [x], `starts ${format(starts)} and sizes ${format(sizes)} must give a box inside the input`);
    }
    return sizes;
  },
  lower(node) {
    const [x] = node.inputs;
    const { starts, sizes } = node.attrs;
    const whole = starts.at(-1) === 0 && sizes.at(-1) === x.shape.at(-1);
    // Along the channels the box reaches into the padding, which is outside of x.
    const extent = [...rank4(sizes).slice(0, 3), lastBlocks(sizes) * 4];
    return [region(x, node, whole, offsets4(starts), [0, 0, 0, 0], extent)];
  },
  backward: (node, gy) => [
    makeNode(other(), [gy], { starts: node.attrs.starts.map((s) => (s === 0 ? 0 : -s)), sizes: node.inputs[0].shape }),
  ],
  rows(node, from, count, part) {
    const { starts, sizes } = node.attrs;
    const [x] = node.inputs;
    const attrs = { starts: [0, ...starts.slice(1)], sizes: [count, ...sizes.slice(1)] };
    if (name === "slice") return makeNode(op(), [part(x, starts[0] + from, count)], attrs);
    // Rows of an embedding: those of the box, zeros around it.
    const first = Math.max(0, starts[0] + from);
    const last = Math.min(x.shape[0], starts[0] + from + count);
    const rows = last > first ? part(x, first, last - first) : part(x, 0, 1);
    const shift = last > first ? starts[0] + from - first : count;
    return makeNode(op(), [rows], { ...attrs, starts: [shift, ...starts.slice(1)] });
    function op() {
      return name === "slice" ? sliceOp : embedOp;
    }
  },
  fold(node, ranges, part) {
    const { starts, sizes } = node.attrs;
    const pieces: Node[] = [];
    for (const [from, count] of ranges) {
      const first = Math.max(from, starts[0]);
      const rows = Math.min(from + count, starts[0] + sizes[0]) - first;
      const attrs = { starts: [0, ...starts.slice(1)], sizes: [rows, ...sizes.slice(1)] };
      if (rows > 0) pieces.push(makeNode(sliceOp, [part(node.inputs[0], first, rows)], attrs));
    }
    return concat(pieces);
  },
});
const sliceOp: Op<BoxAttrs> = boxOp("slice", () => embedOp);
const embedOp: Op<BoxAttrs> = boxOp("embed", () => sliceOp);

/** The box of x that begins at `starts` and has extents `sizes`. @throws ShapeError */
export function slice(x: Node, starts: readonly number[], sizes: Shape): Node {
  return makeNode(sliceOp, [x], { starts, sizes });
}

/** x cut along an axis into `parts` equal tensors. @throws ShapeError */
export function split(x: Node, parts = 2, axis = 0): Node[] {
  const n = x.shape[axis] / parts;
  if (!Number.isInteger(n)) refuse("split", [x.shape], `axis ${axis} does not divide into ${parts} equal parts`);
  return Array.from({ length: parts }, (_, i) =>
    slice(
      x,
      x.shape.map((_, a) => (a === axis ? i * n : 0)),
      x.shape.map((m, a) => (a === axis ? n : m)),
    ),
  );
}

// --- concat ---------------------------------------------------------------------------------------------------------

interface ConcatAttrs {
  readonly axis: number;
}

const concatOp: Op<ConcatAttrs> = {
  name: "concat",
  shape(inputs, { axis }) {
    const [first] = inputs;
    const fits = inputs.every((s) => s.length === first.length && s.every((n, i) => i === axis || n === first[i]));
    if (!fits || axis < 0 || axis >= first.length) {
      refuse("concat", inputs, `all axes but axis ${axis} must be equal`);
    }
    return first.map((n, i) => (i === axis ? inputs.reduce((total, s) => total + s[axis], 0) : n));
  },
  lower(node) {
    const axis4 = node.attrs.axis + 4 - node.shape.length;
    let at = 0;
    return node.inputs.map((x, i) => {
      const to = [0, 0, 0, 0];
      to[axis4] = at;
      at += x.shape[node.attrs.axis];
      const extent = [...rank4(x.shape)];
      // Along the channels the last part also fills the padding.
      if (axis4 === 3 && i === node.inputs.length - 1) extent[3] = lastBlocks(node.shape) * 4 - to[3];
      return region(x, node, axis4 !== 3, [0, 0, 0, 0], to, extent);
    });
  },
  backward(node, gy) {
    let at = 0;
    return node.inputs.map((x) => {
      const starts = x.shape.map((_, a) => (a === node.attrs.axis ? at : 0));
      at += x.shape[node.attrs.axis];
      return slice(gy, starts, x.shape);
    });
  },
  rows(node, from, count, part) {
    if (node.attrs.axis !== 0) {
      return concat(
        node.inputs.map((x) => part(x, from, count)),
        node.attrs.axis,
      );
    }
    const pieces: Node[] = [];
    let at = 0;
    for (const x of node.inputs) {
      const first = Math.max(from, at);
      const last = Math.min(from + count, at + x.shape[0]);
      if (last > first) pieces.push(part(x, first - at, last - first));
      at += x.shape[0];
    }
    return concat(pieces, 0);
  },
};

/** The inputs one after the other along an axis (0, the batch, by default). @throws ShapeError */
export function concat(inputs: readonly Node[], axis = 0): Node {
  return inputs.length === 1 ? inputs[0] : makeNode(concatOp, inputs, { axis });
}
