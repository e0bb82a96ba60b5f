import { describe, expect, it } from "vitest";
import { makeNode } from "../../../src/engine/graph.js";
import { type ConvAttrs, withDerivative } from "../../../src/engine/ops/conv2d.js";
import { convTranspose2dFew, type FewVariant, fewVariants } from "../../../src/engine/ops/tiles/fewChannels.js";
import { convTranspose2d, input, type Node } from "../../../src/index.js";
import { evaluate, expectWithin, gpu, leaf } from "../../gpu.js";
import type { Activation } from "../../reference/activation.js";
import { sumBounds } from "../../reference/bounds.js";
import * as oracle from "../../reference/convTranspose2d.js";
import { map, randomTensors, type Tensor } from "../../reference/tensor.js";

const all = (n: number) => ({ top: n, bottom: n, left: n, right: n });

interface Case {
  x: number[];
  /** [kh, kw, Co, Ci] */
  w: number[];
  options?: Partial<oracle.ConvTranspose2dOptions>;
}

/** Strides 1 to 4, 1 to 4 channels of output, more positions than a block either way, and channels of x around a step. */
const cases: Record<string, Case> = {
  "1 pixel, 1 to 1 channels": { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
  "3×3, stride 1, 5 to 3": { x: [2, 9, 35, 5], w: [3, 3, 3, 5], options: { padding: all(1) } },
  "5×2, stride 1, 8 to 4, other padding on each side": {
    x: [1, 7, 6, 8],
    w: [5, 2, 4, 8],
    options: { padding: { top: 3, bottom: 0, left: 0, right: 1 } },
  },
  "7×7, stride 2, 3 to 2": { x: [1, 5, 13, 3], w: [7, 7, 2, 3], options: { stride: 2, padding: all(3) } },
  "4×4, stride 2, 64 to 3": { x: [1, 5, 7, 64], w: [4, 4, 3, 64], options: { stride: 2, padding: all(1) } },
  "4×4, stride 2, 12 to 3, several blocks": {
    x: [2, 33, 34, 12],
    w: [4, 4, 3, 12],
    options: { stride: 2, padding: all(1) },
  },
  "3×3, stride 2, 9 to 4, output padding": {
    x: [2, 6, 11, 9],
    w: [3, 3, 4, 9],
    options: { stride: 2, padding: all(1), outputPadding: 1 },
  },
  "5×3, stride 2, 5 to 1, padding of more than a stride": {
    x: [1, 8, 5, 5],
    w: [5, 3, 1, 5],
    options: { stride: 2, padding: { top: 3, bottom: 1, left: 0, right: 2 } },
  },
  "5×5, stride 3, 4 to 3, other padding on each side": {
    x: [1, 3, 12, 4],
    w: [5, 5, 3, 4],
    options: { stride: 3, padding: { top: 2, bottom: 0, left: 1, right: 3 }, outputPadding: 2 },
  },
  "2×2, stride 3, 3 to 2: phases without a tap": {
    x: [1, 6, 4, 3],
    w: [2, 2, 2, 3],
    options: { stride: 3, outputPadding: 1 },
  },
  "11×11, stride 4, 8 to 3": { x: [2, 7, 9, 8], w: [11, 11, 3, 8], options: { stride: 4, padding: all(2) } },
  "11×11, stride 4, 3 to 4, output padding": {
    x: [1, 19, 3, 3],
    w: [11, 11, 4, 3],
    options: { stride: 4, padding: { top: 2, bottom: 3, left: 5, right: 0 }, outputPadding: 3 },
  },
  "1×2, stride 2, 3 to 4: a phase that does not exist": { x: [1, 1, 3, 3], w: [1, 2, 4, 3], options: { stride: 2 } },
};

/** CPU drivers take seconds to compile a variant, the more the more positions it has: there all of this is a full run's. */
const FULL = gpu.kind === "hardware" || process.env.SHIBORI_FULL === "1";
/** Computed by every variant. */
const THOROUGH = ["4×4, stride 2, 12 to 3, several blocks", "11×11, stride 4, 8 to 3"];
/** Computed in a short run too. */
const SHORT = [
  "3×3, stride 1, 5 to 3",
  THOROUGH[0],
  "5×3, stride 2, 5 to 1, padding of more than a stride",
  "2×2, stride 3, 3 to 2: phases without a tap",
];

const random = randomTensors(900);
const resolve = (options: Case["options"] = {}) => ({ stride: 1, padding: all(0), ...options });

/**
 * The same node, computed by the variants; where `one` is given by one of them, in a short run by the smallest. That one
 * has its loop unrolled, as GPUs get it, where all are computed.
 */
function byVariants(node: () => Node, one?: number): Record<string, Node> {
  const variants = fewVariants(node() as Node<ConvAttrs>);
  const own = FULL
    ? variants.filter((_, i) => one === undefined || i === one % variants.length)
    : variants.filter(({ Q }) => Q === 2);
  return Object.fromEntries(
    own.map((variant) => {
      const { op, inputs, attrs } = node();
      const way: FewVariant = { ...variant, unroll: one === undefined && variant.Q === 2 };
      const lower = (own: Node) => convTranspose2dFew(own as Node<ConvAttrs>, way);
      return [`few ${variant.Q}`, makeNode({ ...op, lower }, inputs, attrs)];
    }),
  );
}

describe("a transposed convolution to few channels", () => {
  const some = Object.entries(cases).filter(([name]) => FULL || SHORT.includes(name));
  it.each(some)("%s", async (name, { x: xs, w: ws, options }) => {
    const [x, w] = [random(xs), random(ws)];
    const one = THOROUGH.includes(name) ? undefined : Object.keys(cases).indexOf(name);
    const values = await evaluate(() => byVariants(() => convTranspose2d(leaf(x), leaf(w), options), one));
    const forward = (x: Tensor, w: Tensor) => ({ y: oracle.forward(x, w, null, resolve(options)) });
    expect(Object.keys(values).length).toBe(FULL && one === undefined ? 3 : 1);
    for (const [variant, value] of Object.entries(values)) {
      expectWithin(`${name}, ${variant}`, value, forward(x, w).y, sumBounds(forward, x, w).y);
    }
  });
});

describe("what follows the sum", () => {
  const options = { stride: 2, padding: all(1) };
  const [x, w, b] = [random([1, 5, 3, 6]), random([4, 4, 3, 6]), random([3])];
  const y = random([1, 10, 6, 3]);
  const alpha = 0.25;

  it.each<Activation>(FULL ? ["none", "tanh", "sigmoid", { leakyRelu: alpha }] : ["sigmoid"])(
    "is a bias and an activation, %o",
    async (activation) => {
      const own = { ...options, activation };
      const values = await evaluate(() =>
        byVariants(() => convTranspose2d(leaf(x), leaf(w), { ...own, bias: leaf(b) }), 2),
      );
      const expected = oracle.forward(x, w, b, own);
      // Their slopes are at most 1; their own errors are a few units of a value below 1.
      const bound = oracle.bounds(x, w, b, own, y).y;
      const magnitude = map(bound.magnitude, (m) => (activation === "sigmoid" || activation === "tanh" ? m + 1 : m));
      for (const [variant, value] of Object.entries(values)) {
        expectWithin(`bias, ${variant}`, value, expected, { ...bound, magnitude });
      }
    },
  );

  it("is an activation's derivative", async () => {
    const node = () => {
      const bare = convTranspose2d(leaf(x), leaf(w), options) as Node<ConvAttrs>;
      return withDerivative(bare, { leakyRelu: alpha }, leaf(y)) as Node;
    };
    const values = await evaluate(() => byVariants(node, 1));
    const slope = map(y, (v) => (v > 0 ? 1 : alpha));
    const expected = map(oracle.forward(x, w, null, options), (v, i) => v * slope.data[i]);
    for (const [variant, value] of Object.entries(values)) {
      expectWithin(`derivative, ${variant}`, value, expected, oracle.bounds(x, w, null, options, y).y);
    }
  });
});

describe("variants", () => {
  const names = (xs: number[], ws: number[], stride: number) => {
    const node = convTranspose2d(input("x", xs), input("w", ws), { stride });
    const candidates = node.op.candidates?.(node, {
      cpu: false,
      subgroupSize: 32,
      kernels: {},
      maxBindingBytes: 2 ** 27,
    });
    return candidates?.map(({ name }) => name).filter((name) => name.startsWith("few"));
  };
  it("are three for a decoder's last layer and for the input gradient of a network's first", () => {
    expect(names([4, 256, 256, 64], [4, 4, 3, 64], 2)).toEqual(["few 8", "few 4", "few 2"]);
    expect(names([8, 63, 63, 64], [11, 11, 3, 64], 4)).toEqual(["few 8", "few 4", "few 2"]);
  });
  it("are none for more channels, longer strides, wide halos and a handful of pixels", () => {
    expect(names([4, 64, 64, 64], [4, 4, 5, 64], 2)).toEqual([]);
    expect(names([4, 64, 64, 64], [4, 4, 3, 64], 5)).toEqual([]);
    expect(names([4, 2, 2, 64], [4, 4, 3, 64], 2)).toEqual([]);
    expect(names([4, 64, 64, 64], [11, 11, 3, 64], 1)).toEqual([]);
  });
});
