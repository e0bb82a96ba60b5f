import { beforeAll, describe, expect, it } from "vitest";
import { chosen } from "../../../src/engine/candidates.js";
import { type Dispatch, makeNode } from "../../../src/engine/graph.js";
import { type ConvAttrs, withDerivative } from "../../../src/engine/ops/conv2d.js";
import { conv2dWeightGrad } from "../../../src/engine/ops/conv2dWeightGrad.js";
import { conv2dTile, convTranspose2dTile } from "../../../src/engine/ops/tiles/convTiles.js";
import {
  candidate,
  invocations,
  type Product,
  TILES,
  type Variant,
  variants,
} from "../../../src/engine/ops/tiles/tile.js";
import { weightGradTile } from "../../../src/engine/ops/tiles/weightGradTiles.js";
import { conv2d, convTranspose2d, type Node } from "../../../src/index.js";
import { evaluate, expectWithin, leaf } from "../../gpu.js";
import { type Bound, sumBounds } from "../../reference/bounds.js";
import * as conv from "../../reference/conv2d.js";
import * as transposed from "../../reference/convTranspose2d.js";
import { map, randomTensors, type Tensor, zeros } from "../../reference/tensor.js";

const random = randomTensors(800);

const nameOf = (variant: Variant) => candidate(variant, () => []).name;

/** The same node, computed by one variant of a tile kernel. */
function tiled<A>(node: Node, tile: (own: Node<A>, variant: Variant) => Dispatch[], variant: Variant): Node {
  const lower = (own: Node) => tile(own as Node<A>, variant);
  return makeNode({ ...node.op, lower }, node.inputs, node.attrs);
}

describe("every tile of every kernel", () => {
  // Past the edges of every tile: 264 and 300 pixels (of a phase), 133 channels, 306 vec4 rows of a weight gradient. K is no
  // multiple of a step, and 3 splits divide neither the steps nor the taps of a phase.
  const geometry = { stride: 2, padding: { top: 1, bottom: 0, left: 0, right: 0 } };
  const [x, w] = [random([2, 24, 23, 5]), random([3, 3, 5, 133])];
  const [xt, wt] = [random([2, 12, 11, 5]), random([3, 3, 133, 5])];
  const few = { x: random([1, 14, 13, 5]), gy: random([1, 7, 6, 133]), shape: [3, 3, 5, 133] };
  const many = { x: random([1, 14, 13, 133]), gy: random([1, 7, 6, 5]), shape: [3, 3, 133, 5] };
  const weightGrad = (variant: Variant, { x, gy, shape }: typeof few) =>
    tiled(conv2dWeightGrad(leaf(x), leaf(gy), geometry, shape), weightGradTile, variant);
  const nodes: Record<string, (variant: Variant) => Node> = {
    conv2d: (variant) => tiled(conv2d(leaf(x), leaf(w), geometry), conv2dTile, variant),
    convTranspose2d: (variant) => tiled(convTranspose2d(leaf(xt), leaf(wt), geometry), convTranspose2dTile, variant),
    "conv2dWeightGrad, many output channels": (variant) => weightGrad(variant, few),
    "conv2dWeightGrad, many input channels": (variant) => weightGrad(variant, many),
  };
  /** By kernel: the result and its bound. */
  const references: [Tensor, Bound][] = [];
  beforeAll(() => {
    const add = (inputs: [Tensor, Tensor], f: (a: Tensor, b: Tensor) => Tensor) => {
      references.push([f(...inputs), sumBounds((a: Tensor, b: Tensor) => ({ y: f(a, b) }), ...inputs).y]);
    };
    add([x, w], (a, b) => conv.forward(a, b, null, geometry));
    add([xt, wt], (a, b) => transposed.forward(a, b, null, geometry));
    for (const { x, gy, shape } of [few, many]) {
      add([x, gy], (a, b) => conv.backward(a, zeros(shape), null, geometry, b).gw);
    }
  });

  it.each(TILES.map((tile) => [`${tile.M}×${tile.N}`, tile] as const))("%s", async (name, tile) => {
    const ways = [1, 3].map((splits): Variant => ({ tile, splits }));
    const values = await evaluate(() =>
      Object.fromEntries(
        ways.flatMap((way) => Object.entries(nodes).map(([kernel, node]) => [`${kernel} ${way.splits}`, node(way)])),
      ),
    );
    for (const { splits } of ways) {
      Object.keys(nodes).forEach((kernel, i) => {
        expectWithin(`${kernel}, ${name}, ${splits} splits`, values[`${kernel} ${splits}`], ...references[i]);
      });
    }
  });
});

describe("what follows the sum", () => {
  const geometry = { stride: 1, padding: { top: 0, bottom: 0, left: 0, right: 0 } };
  const [x, w, b, y] = [random([1, 5, 7, 6]), random([1, 1, 6, 9]), random([9]), random([1, 5, 7, 9])];
  const alpha = 0.25;
  const tile = TILES.find(({ M, N }) => M === 32 && N === 32)!;
  const { y: bound } = conv.bounds(x, w, null, geometry, y);

  it.each([1, 2])("is a bias and an activation, with %i splits", async (splits) => {
    const options = { ...geometry, activation: { leakyRelu: alpha } };
    const node = () => conv2d(leaf(x), leaf(w), { ...options, bias: leaf(b) });
    const { value } = await evaluate(() => ({ value: tiled(node(), conv2dTile, { tile, splits }) }));
    expectWithin(`bias, ${splits}`, value, conv.forward(x, w, b, options), conv.bounds(x, w, b, options, y).y);
  });

  it.each([1, 2])("is an activation's derivative, with %i splits", async (splits) => {
    const node = () => {
      const bare = conv2d(leaf(x), leaf(w)) as Node<ConvAttrs>;
      return withDerivative(bare, { leakyRelu: alpha }, leaf(y)) as Node;
    };
    const { value } = await evaluate(() => ({ value: tiled(node(), conv2dTile, { tile, splits }) }));
    const slope = map(y, (v) => (v > 0 ? 1 : alpha));
    const expected = map(conv.forward(x, w, null, geometry), (v, i) => v * slope.data[i]);
    expectWithin(`derivative, ${splits}`, value, expected, bound);
  });
});

describe("variants", () => {
  const names = (product: Omit<Product, "maxSplits">, maxSplits = 1000) =>
    variants({ ...product, maxSplits }).map(nameOf);

  it("are what a GPU takes without a tuner, and a CPU does not", () => {
    const node = conv2d(leaf(random([1, 9, 9, 5])), leaf(random([3, 3, 5, 9])));
    const kernelOf = (cpu: boolean) =>
      chosen(node, { cpu, subgroupSize: 8, kernels: {}, maxBindingBytes: 2 ** 27 }).name;
    expect(kernelOf(false)).toMatch(/^tile /);
    expect(kernelOf(true)).toMatch(/^subgroup/);
  });
  it("of a large product is the largest tile without splits", () => {
    expect(names({ m: 65536, n: 128, k: 1600 })[0]).toBe("tile 128×128");
  });
  it("of a small output with a long sum splits it, as far as memory allows", () => {
    const dense = { m: 16, n: 1024, k: 9216 };
    expect(names(dense)[0]).toBe("tile 16×128 split 33");
    expect(names(dense, 5)[0]).toMatch(/ split 5$/);
    expect(names(dense, 1).join()).not.toContain("split");
  });
  it("of few channels is a narrow tile", () => {
    expect(names({ m: 65536, n: 3, k: 576 })[0]).toBe("tile 256×4");
    expect(names({ m: 65536, n: 16, k: 144 })[0]).toBe("tile 256×16");
  });
  it("are between two and eight of different names, and fit what WebGPU grants everywhere", () => {
    for (const m of [1, 16, 144, 784, 65536]) {
      for (const n of [1, 3, 16, 24, 64, 1024]) {
        for (const k of [4, 36, 1152, 9216]) {
          const found = names({ m, n, k });
          expect(found.length).toBeGreaterThanOrEqual(2);
          expect(found.length).toBeLessThanOrEqual(8);
          expect(new Set(found).size).toBe(found.length);
        }
      }
    }
    for (const tile of TILES) expect(invocations(tile)).toBeLessThanOrEqual(256);
  });
});
