import baseline from "../../../shaders/conv2d_weight_grad.wgsl";
import registers from "../../../shaders/conv2d_weight_grad_registers.wgsl";
import subgroup from "../../../shaders/conv2d_weight_grad_subgroup.wgsl";
import sumPartials from "../../../shaders/sum_partials.wgsl";
import { lowerChosen } from "../candidates.js";
import { type Candidate, type Dispatch, makeNode, type Node, type Op, refuse, Scratch } from "../graph.js";
import { folded, kernel, linear } from "../lower.js";
import { blocks, bytes, lastBlocks, type Shape } from "../shape.js";
import { type ConvGeometry, checkGeometry, conv2d } from "./conv2d.js";
import { convInputGrad } from "./convTranspose2d.js";
import { add } from "./pointwise.js";
import { runsSubgroupKernels, sharing, smallFlag } from "./subgroup.js";
import { weightGradTiles } from "./tiles/weightGradTiles.js";
import { winogradWeightGrad } from "./winograd.js";

interface WeightGradAttrs extends ConvGeometry {
  readonly shape: Shape;
}

const ROWS = 4;

/** gw[ky,kx,c,o] = Σ x[n, oy·s+ky−top, ox·s+kx−left, c] · gy[n,oy,ox,o]: one op for the weights of both layers. */
const weightGradOp: Op<WeightGradAttrs> = {
  name: "conv2dWeightGrad",
  shape(inputs, attrs) {
    const [x, gy] = inputs;
    checkGeometry("conv2dWeightGrad", inputs, attrs);
    const [, , ci, co] = attrs.shape;
    if (x.length !== 4 || gy.length !== 4 || x[0] !== gy[0] || x[3] !== ci || gy[3] !== co) {
      refuse("conv2dWeightGrad", inputs, `x [N, H, W, ${ci}] and gy [N, OH, OW, ${co}] of one batch are needed`);
    }
    return attrs.shape;
  },
  lower: lowerChosen,
  candidates(node, target) {
    const [x, gy] = node.inputs;
    const [kh, kw, ci, co] = node.shape;
    const { stride, padding } = node.attrs;
    const co4 = lastBlocks(gy.shape);
    const ci4 = lastBlocks(x.shape);
    const taps = kh * kw;
    // Kernels walk along rows: a dense layer's batch is seen as one row of pixels.
    const flat = taps === 1 && stride === 1 && gy.shape[1] * gy.shape[2] === 1 && x.shape[1] * x.shape[2] === 1;
    const [n, h, w] = flat ? [1, 1, x.shape[0]] : x.shape;
    const [, oh, ow] = flat ? [1, 1, x.shape[0]] : gy.shape;
    const rows = n * oh;

    /**
     * First pass in `tiles` workgroups a split, each of which makes `each` partial sums; enough splits to fill the adapter,
     * few enough for a cheap second pass.
     */
    const passes = (tiles: number, each: number, first: (splits: number) => Pick<Dispatch, "kernel" | "groups">) => {
      const fitting = Math.max(1, Math.floor(target.maxBindingBytes / (bytes(node.shape) * each)));
      const wanted = Math.min(Math.ceil((target.cpu ? 16 : 512) / tiles), rows, fitting);
      const rowsPerSplit = Math.ceil(rows / Math.max(1, wanted));
      const splits = Math.ceil(rows / rowsPerSplit);
      const partials = splits * each;
      const partial = partials === 1 ? node : new Scratch(bytes(node.shape) * partials);
      const dispatch: Dispatch = {
        ...first(splits),
        bind: { x, gy, partial },
        uniform: {
          ...{ h, w, ci, ci4, oh, ow, co4, kw, taps, stride },
          ...{ padTop: padding.top, padLeft: padding.left, rows, rowsPerSplit },
        },
        flops: 2 * rows * ow * taps * ci * co,
      };
      if (partials === 1) return [dispatch];
      const count = blocks(node.shape);
      const second: Dispatch = {
        kernel: kernel("sum_partials", sumPartials),
        bind: { partial, y: node },
        uniform: { count, splits: partials },
        groups: linear(count),
      };
      return [dispatch, second];
    };

    const invocations = Math.ceil((taps * ci4 * co4) / 64);
    const [foldX, foldZ] = folded(invocations);
    const candidates: Candidate[] = [
      ...weightGradTiles(node, target),
      {
        name: "baseline",
        adapters: "any",
        dispatches: () =>
          passes(invocations, 1, (splits) => ({
            kernel: kernel("conv2d_weight_grad", baseline),
            groups: [foldX, splits, foldZ],
          })),
      },
    ];
    const halves = taps * Math.ceil(ci4 / 2) * Math.ceil(co4 / 2);
    const [across, fold] = folded(Math.ceil(halves / 64));
    candidates.unshift({
      name: "registers",
      adapters: "cpu",
      dispatches: () =>
        passes(Math.ceil(halves / 64), 1, (splits) => ({
          kernel: kernel("conv2d_weight_grad_registers", registers),
          groups: [across, splits, fold],
        })),
    });
    const SG = target.subgroupSize;
    if (runsSubgroupKernels(SG)) {
      const variant = (BLOCKS: number): Candidate => {
        const [across, down] = [Math.ceil(co4 / BLOCKS), Math.ceil((taps * ci4) / ROWS)];
        const small = smallFlag(Math.max(taps * ci4, rows));
        const STEP = SG / ROWS;
        const constants = { SG, STEP, ...sharing(BLOCKS, STEP), ...small };
        return {
          name: `subgroup ${4 * BLOCKS}`,
          adapters: "cpu",
          dispatches: () =>
            passes(across * down, SG / BLOCKS, (splits) => ({
              kernel: kernel("conv2d_weight_grad_subgroup", subgroup, constants),
              groups: [across, down, splits],
            })),
        };
      };
      let fitting = 1;
      while (fitting < Math.min(co4, SG)) fitting *= 2;
      // A group's partial sums are as large as the result.
      const grouped = fitting < SG && (bytes(node.shape) * SG) / fitting <= target.maxBindingBytes;
      candidates.unshift(...(grouped ? [variant(fitting)] : []), variant(SG), ...winogradWeightGrad(node, target));
    }
    return candidates;
  },
  backward(node, g) {
    const [x, gy] = node.inputs;
    const { stride, padding } = node.attrs;
    // Bilinear in x and gy: its gradients are the other two convolutions, with g in the place of the weights.
    return [convInputGrad(gy, g, { stride, padding }, x.shape), conv2d(x, g, { stride, padding })];
  },
  fold(node, ranges, part) {
    const [x, gy] = node.inputs;
    return ranges
      .map(([from, count]): Node => makeNode(weightGradOp, [part(x, from, count), part(gy, from, count)], node.attrs))
      .reduce(add);
  },
};

/** The gradient of conv2d's weights, of shape `shape`, from its input x and the gradient gy of its output. */
export function conv2dWeightGrad(x: Node, gy: Node, geometry: ConvGeometry, shape: Shape): Node {
  return makeNode(weightGradOp, [x, gy], { ...geometry, shape });
}
