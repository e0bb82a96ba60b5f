import pool from "../../../shaders/max_pool2d.wgsl";
import adjoint from "../../../shaders/max_pool2d_grad.wgsl";
import { makeNode, type Node, type Op, refuse } from "../graph.js";
import { kernel, linear } from "../lower.js";
import { blocks, elements, lastBlocks } from "../shape.js";

export interface PoolOptions {
  /** Pixels of a window, both ways. */
  readonly size: number;
  /** Pixels from one window to the next, both ways. */
  readonly stride: number;
  /** Whether a last window may reach out of the picture, as long as it begins inside. Default: no. */
  readonly ceilMode?: boolean;
}

/**
 * Windows along one axis of `extent` pixels, 0 or less where none fits. With ceilMode one more if pixels are left over,
 * unless it would begin outside (pooling_output_shape in PyTorch's ATen/native/Pool.h).
 */
export function pooledExtent(extent: number, { size, stride, ceilMode }: PoolOptions): number {
  if (!ceilMode) return Math.floor((extent - size) / stride) + 1;
  const windows = Math.ceil((extent - size) / stride) + 1;
  return (windows - 1) * stride >= extent ? windows - 1 : windows;
}

const uniformOf = (x: Node, y: Node, { size, stride }: PoolOptions) => {
  const [, h, w] = x.shape;
  const [, oh, ow] = y.shape;
  return { h, w, oh, ow, c4: lastBlocks(x.shape), size, stride };
};

const maxPoolOp: Op<PoolOptions> = {
  name: "maxPool2d",
  shape([x], options) {
    const { size, stride } = options;
    if (x.length !== 4) refuse("maxPool2d", [x], "x must be [N, H, W, C]");
    if ([size, stride].some((n) => !Number.isInteger(n) || n < 1)) {
      refuse("maxPool2d", [x], `size ${size} and stride ${stride} must be whole numbers from 1`);
    }
    const [n, h, w, c] = x;
    const [oh, ow] = [pooledExtent(h, options), pooledExtent(w, options)];
    if (oh < 1 || ow < 1) refuse("maxPool2d", [x], `no window of ${size}×${size} fits ${h}×${w} pixels`);
    return [n, oh, ow, c];
  },
  lower(node) {
    const [x] = node.inputs;
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel("max_pool2d", pool),
        bind: { x, y: node },
        uniform: { count, ...uniformOf(x, node, node.attrs) },
        groups: linear(count),
        flops: elements(node.shape) * node.attrs.size ** 2,
      },
    ];
  },
  backward: (node, gy) => [makeNode(maxPoolGradOp, [node.inputs[0], node, gy], node.attrs)],
  rows: (node, from, count, part) => makeNode(maxPoolOp, [part(node.inputs[0], from, count)], node.attrs),
};

/** Inputs x, y and gy; only the gradient of maxPool2d, without one of its own. */
const maxPoolGradOp: Op<PoolOptions> = {
  name: "maxPool2dGrad",
  shape: ([x]) => x,
  lower(node) {
    const [x, y, gy] = node.inputs;
    const count = blocks(node.shape);
    return [
      {
        kernel: kernel("max_pool2d_grad", adjoint),
        bind: { x, y, gy, gx: node },
        uniform: { count, ...uniformOf(x, y, node.attrs) },
        groups: linear(count),
        flops: elements(y.shape) * node.attrs.size ** 2,
      },
    ];
  },
  rows: (node, from, count, part) =>
    makeNode(
      maxPoolGradOp,
      node.inputs.map((x) => part(x, from, count)),
      node.attrs,
    ),
};

/**
 * The greatest number of each window: y[n, i, j, c] = max x[n, i·stride + a, j·stride + b, c], 0 ≤ a, b < size, as
 * torch.nn.functional.max_pool2d without padding. Among equals the first in row-major order gets the gradient. What
 * comes of NaN is not defined.
 * @param x [N, H, W, C]
 * @returns [N, H', W', C] with H' = ⌊(H − size) / stride⌋ + 1; with ceilMode ⌈…⌉ + 1, less a window that begins outside
 * @throws ShapeError on a size or stride that is no whole number from 1, or where no window fits
 */
export function maxPool2d(x: Node, options: PoolOptions): Node {
  return makeNode(maxPoolOp, [x], options);
}
