import forward from "../../../shaders/filter2d.wgsl";
import adjoint from "../../../shaders/filter2d_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel } from "../lower.js";
import { elements, lastBlocks, type Shape } from "../shape.js";
import { constant } from "./leaf.js";

/** Down and across. */
export type Pair = readonly [number, number];

interface FilterAttrs {
  /** Rows and columns of the taps. */
  readonly size: Pair;
  readonly stride: Pair;
  readonly padding: Pair;
  /** Height and width of what the filter reads: its gradient must know. */
  readonly extent: Pair;
}

/** Workgroups of 64 along the vec4s of each row, so that a kernel divides by the channels only: division is slow on CPUs. */
export const rowGroups = ([n, h, w]: Shape, c4: number): [number, number, number] => [Math.ceil((w * c4) / 64), h, n];

/** Extents of the filtered picture. */
const filtered = ({ size, stride, padding, extent }: FilterAttrs): number[] =>
  extent.map((n, i) => Math.floor((n + 2 * padding[i] - size[i]) / stride[i]) + 1);

/** Each is the other's gradient: sums over windows, and their adjoint. The second input is the taps, which are constant. */
const filterOp = (name: "filter2d" | "filter2dGrad", other: () => Op<FilterAttrs>): Op<FilterAttrs> => {
  const op: Op<FilterAttrs> = {
    name,
    shape([x], attrs) {
      const { size, stride, padding, extent } = attrs;
      if (x.length !== 4) refuse(name, [x], "x must be [N, H, W, C]");
      if (stride.some((s) => !Number.isInteger(s) || s < 1)) {
        refuse(name, [x], `the stride ${stride.join(" × ")} must be whole numbers from 1`);
      }
      if (padding.some((p) => !Number.isInteger(p) || p < 0)) {
        refuse(name, [x], `the padding ${padding.join(" × ")} must be whole numbers from 0`);
      }
      if (size.some((k, i) => k > extent[i] + 2 * padding[i])) {
        const [ph, pw] = padding;
        refuse(
          name,
          [x],
          `${size.join("×")} taps do not fit into ${extent.join("×")} pixels padded by ${ph} and ${pw}`,
        );
      }
      const [h, w] = name === "filter2d" ? filtered(attrs) : extent;
      return [x[0], h, w, x[3]];
    },
    lower(node) {
      const [x, taps] = node.inputs;
      const [, h, w] = x.shape;
      const [, oh, ow] = node.shape;
      const { size, stride, padding } = node.attrs;
      const c4 = lastBlocks(x.shape);
      return [
        {
          kernel: name === "filter2d" ? kernel("filter2d", forward) : kernel("filter2d_grad", adjoint),
          bind: { x, taps, y: node },
          uniform: {
            ...{ c4, h, w, oh, ow, kh: size[0], kw: size[1] },
            ...{ sh: stride[0], sw: stride[1], ph: padding[0], pw: padding[1] },
          },
          groups: rowGroups(node.shape, c4),
          flops: 2 * size[0] * size[1] * elements((name === "filter2d" ? node : x).shape),
        },
      ];
    },
    backward: (node, gy) => [makeNode(other(), [gy, node.inputs[1]], node.attrs), undefined],
    rows: (node, from, count, part) => makeNode(op, [part(node.inputs[0], from, count), node.inputs[1]], node.attrs),
  };
  return op;
};
const filter2dOp: Op<FilterAttrs> = filterOp("filter2d", () => filter2dGradOp);
const filter2dGradOp: Op<FilterAttrs> = filterOp("filter2dGrad", () => filter2dOp);

export interface Filter2dOptions {
  /** Pixels from window to window: one number, or down and across. Default: 1. */
  stride?: number | Pair;
  /** Rows and columns of zeros at each side: one number, or above (and below) and left (and right). Default: 0. */
  padding?: number | Pair;
}

const pair = (value: number | Pair): Pair => (typeof value === "number" ? [value, value] : value);

/**
 * Every channel of pictures filtered by the same fixed taps:
 * y[n, i, j, c] = Σ taps[a][b] · x[n, i·stride + a − padding, j·stride + b − padding, c] (a correlation, as convolutions of
 * this field are: the taps are not flipped). Taps that are a product of a column and a row cost less as two calls,
 * K×1 and 1×K. The taps are rounded to float32 and have no gradient.
 * @param x [N, H, W, C]
 * @param taps rows of equal length
 * @returns [N, ⌊(H + 2·padding − rows) / stride⌋ + 1, ⌊(W + 2·padding − columns) / stride⌋ + 1, C]
 * @throws ShapeError if the taps do not fit into the padded picture or are no rectangle of finite numbers
 */
export function filter2d(x: Node, taps: readonly (readonly number[])[], options: Filter2dOptions = {}): Node {
  const { stride = 1, padding = 0 } = options;
  const size: Pair = [taps.length, taps[0]?.length ?? 0];
  if (size[1] === 0 || taps.some((row) => row.length !== size[1] || !row.every(Number.isFinite))) {
    refuse("filter2d", [x.shape], "the taps must be rows of equal length, at least 1×1, of finite numbers");
  }
  const [, h = 0, w = 0]: Shape = x.shape;
  const attrs = { size, stride: pair(stride), padding: pair(padding), extent: [h, w] as const };
  return makeNode(filter2dOp, [x, constant(taps.flat(), [size[0] * size[1]])], attrs);
}

/**
 * Means over windows of size × size pixels; zeros of the padding count as pixels, as in torch.nn.functional.avg_pool2d.
 * @param x [N, H, W, C]
 * @param stride default: `size`, windows side by side
 * @param padding as of `filter2d`
 * @returns [N, ⌊(H + 2·padding − size) / stride⌋ + 1, ⌊(W + 2·padding − size) / stride⌋ + 1, C]
 * @throws ShapeError as `filter2d`, and on a size that is no whole number from 1
 */
export function averagePool2d(x: Node, size: number, stride = size, padding: number | Pair = 0): Node {
  if (!Number.isInteger(size) || size < 1) {
    refuse("averagePool2d", [x.shape], `the size ${size} must be a whole number from 1`);
  }
  const row: number[] = Array(size).fill(1 / size);
  const [ph, pw] = pair(padding);
  // Two passes read size · (stride + 1) values for each mean, not size², but write one picture more.
  if (size > 2 * (stride + 1)) {
    const across = filter2d(x, [row], { stride: [1, stride], padding: [0, pw] });
    const column = row.map((value) => [value]);
    return filter2d(across, column, { stride: [stride, 1], padding: [ph, 0] });
  }
  const square: number[][] = Array(size).fill(Array(size).fill(1 / size ** 2));
  return filter2d(x, square, { stride, padding });
}
