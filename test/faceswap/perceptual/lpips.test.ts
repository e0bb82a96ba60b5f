import { describe, expect, it } from "vitest";
import { flopsOf, layOut } from "../../../src/engine/layout.js";
import { targetOf } from "../../../src/engine/program.js";
import {
  lpips,
  type PerceptualNetwork,
  perceptualNetwork,
  placeholderNetwork,
} from "../../../src/faceswap/perceptual/lpips.js";
import { leastSize, PERCEPTUAL_KINDS, perceptualShapes } from "../../../src/faceswap/perceptual/trunks.js";
import { constant, gradients, input, mul, ShapeError, UserError } from "../../../src/index.js";
import { evaluate, gpu, leaf, type Value } from "../../gpu.js";
import { randomTensors, type Tensor, zeros } from "../../reference/tensor.js";
import { expectGolden, goldenLpips, goldenPictures, philoxNetwork, philoxTensors } from "./philoxNetwork.js";

/** The loss, and the gradient by x of a number times it. */
async function run(network: PerceptualNetwork, x: Tensor, y: Tensor, gy = 1): Promise<Record<string, Value>> {
  return evaluate(() => {
    const xs = leaf(x);
    const value = lpips(xs, leaf(y), network);
    return { value, gx: gradients(mul(value, constant([gy], [])), [xs])[0] };
  });
}

// Drawing VGG16's 15 million weights takes longer than all the rest.
const COMPARED = PERCEPTUAL_KINDS.filter((kind) => kind !== "vgg" || process.env.SHIBORI_FULL === "1");

describe("LPIPS is PyTorch's, value and gradient", () => {
  it.each(COMPARED)("%s", async (kind) => {
    const gy = kind === "alex" ? 1 : 1.75;
    expectGolden(kind, await run(philoxNetwork(kind), ...goldenPictures(kind), gy), goldenLpips.cases[kind], gy);
  });

  it("not with a planted fault: a kernel lying on its side, or a tap without its weights", async () => {
    const { cases } = goldenLpips;
    const tensors = philoxTensors("squeeze");
    const name = "features.3.expand3x3.weight";
    const { shape, data } = tensors[name];
    const turned = data.map((_, i) => data[i - (i % 9) + 3 * (i % 3) + Math.floor((i % 9) / 3)]);
    const wrong = perceptualNetwork("squeeze", { ...tensors, [name]: { shape, data: turned } });
    const pictures = goldenPictures("squeeze");
    const results = await run(wrong, ...pictures);
    expect(() => expectGolden("planted", results, cases.squeeze)).toThrow(/fraction/);
    const lin = "lin6.model.1.weight";
    const ones = { shape: tensors[lin].shape, data: tensors[lin].data.map(() => 1) };
    const unweighted = await run(perceptualNetwork("squeeze", { ...tensors, [lin]: ones }), ...pictures);
    expect(() => expectGolden("planted", unweighted, cases.squeeze)).toThrow(/fraction/);
  });
});

describe("LPIPS", () => {
  it("of a picture with itself is 0, and so is its gradient", async () => {
    const x = randomTensors(7000)([1, 17, 17, 3], 0, 1);
    const { value, gx } = await run(philoxNetwork("squeeze"), x, x);
    expect(value.data[0]).toBe(0);
    expect(gx.data.every((v) => v === 0)).toBe(true);
  });

  it("has a gradient where all features are zero", async () => {
    const random = randomTensors(7001);
    const [x, y] = [random([1, 19, 17, 3], 0, 1), random([1, 19, 17, 3], 0, 1)];
    const without = (prefix: string) => {
      const changed = Object.entries(philoxTensors("squeeze")).map(([name, { shape, data }]) => [
        name,
        { shape, data: name.startsWith(prefix) ? new Float32Array(data.length) : data },
      ]);
      return perceptualNetwork("squeeze", Object.fromEntries(changed));
    };
    const last = await run(without("features.12."), x, y);
    expect(Number.isFinite(last.value.data[0]) && last.value.data[0] > 0).toBe(true);
    expect(last.gx.data.every(Number.isFinite)).toBe(true);
    expect(last.gx.data.some((v) => v !== 0)).toBe(true);
    const all = await run(without("features."), x, y);
    expect(all.value.data[0]).toBe(0);
    expect(all.gx.data.every((v) => v === 0)).toBe(true);
  });

  it.each(PERCEPTUAL_KINDS)(
    "computes no gradient that is not asked for, and needs no weights to be laid out: %s",
    (kind) => {
      const network = placeholderNetwork(kind);
      expect(network.parameters.names()).toEqual(Object.keys(perceptualShapes(kind)));
      const [x, y] = [input("x", [2, 64, 64, 3]), input("y", [2, 64, 64, 3])];
      const loss = lpips(x, y, network);
      const layout = (wanted: (typeof x)[]) => layOut([loss, ...gradients(loss, wanted)], targetOf(gpu));
      const names = (of: ReturnType<typeof layout>) => of.stages.map(({ node }) => node.op.name);
      expect(names(layout([x]))).not.toContain("conv2dWeightGrad");
      const forward = flopsOf(layOut([loss], targetOf(gpu)));
      // Two passes forward and one back, each convolution once; a transposed one counts the pixels that it leaves out.
      expect(flopsOf(layout([x])) / forward).toBeGreaterThan(1.4);
      expect(flopsOf(layout([x])) / forward).toBeLessThan(1.7);
      expect(flopsOf(layout([x, y]))).toBeGreaterThan(flopsOf(layout([x])));
    },
  );

  it("of a placeholder refuses to run", async () => {
    const pixels = zeros([1, 17, 17, 3]);
    const built = evaluate(() => ({ value: lpips(leaf(pixels), leaf(pixels), placeholderNetwork("squeeze")) }));
    await expect(built).rejects.toThrow("LPIPS (SqueezeNet 1.1) has no weights: features.0.weight was never given");
  });

  it.each(PERCEPTUAL_KINDS)("takes pictures from the trunk's least size on: %s", (kind) => {
    const { leastSize: least } = goldenLpips.cases[kind];
    expect(leastSize(kind)).toBe(least);
    const of = (h: number, w: number) =>
      lpips(leaf(zeros([1, h, w, 3])), leaf(zeros([1, h, w, 3])), placeholderNetwork(kind));
    expect(of(least, least).shape).toEqual([]);
    expect(() => of(least, least - 1)).toThrow(ShapeError);
    expect(() => of(least - 1, 99)).toThrow(
      `${least - 1}×99 pixels are too few: at least ${least}×${least} are needed`,
    );
  });

  it("refuses what are no two pictures of one shape", () => {
    const of = (a: number[], b: number[]) => () => lpips(leaf(zeros(a)), leaf(zeros(b)), placeholderNetwork("alex"));
    const message = "lpips (AlexNet)([1, 64, 64, 3], [2, 64, 64, 3]): both must have one shape [N, H, W, 3]";
    expect(of([1, 64, 64, 3], [2, 64, 64, 3])).toThrow(message);
    expect(of([1, 64, 64, 4], [1, 64, 64, 4])).toThrow(ShapeError);
    expect(of([64, 64, 3], [64, 64, 3])).toThrow(ShapeError);
  });
});

describe("perceptualNetwork", () => {
  it("lays weights out for the engine, and keeps them as they came", async () => {
    const tensors = philoxTensors("squeeze");
    const { parameters, tensors: kept } = perceptualNetwork("squeeze", tensors);
    expect(kept.map(({ name }) => name)).toEqual(Object.keys(perceptualShapes("squeeze")));
    expect(kept[0].data).toBe(tensors["features.0.weight"].data);
    const values = await parameters.read(gpu);
    const native = values.get("features.0.weight") as Float32Array;
    const { data } = tensors["features.0.weight"];
    // [kh, kw, in, out] from [out, in, kh, kw] of 64, 3, 3, 3.
    for (const [ky, kx, i, o] of [
      [0, 0, 0, 0],
      [2, 1, 0, 5],
      [1, 2, 2, 63],
    ]) {
      expect(native[((ky * 3 + kx) * 3 + i) * 64 + o]).toBe(data[((o * 3 + i) * 3 + ky) * 3 + kx]);
    }
    expect(values.get("lin3.model.1.weight")).toEqual(tensors["lin3.model.1.weight"].data);
  });

  it("has as many weights as the published networks", () => {
    const count = (kind: "alex" | "vgg" | "squeeze") => placeholderNetwork(kind).parameters.count;
    // torchvision's features, and the channels of the taps.
    expect(count("alex")).toBe(2469696 + 1152);
    expect(count("vgg")).toBe(14714688 + 1472);
    expect(count("squeeze")).toBe(722496 + 2240);
  });

  it("refuses tensors that are not its own", () => {
    const tensors = philoxTensors("squeeze");
    const { "lin0.model.1.weight": _, ...rest } = tensors;
    expect(() => perceptualNetwork("squeeze", rest)).toThrow(UserError);
    expect(() => perceptualNetwork("alex", tensors)).toThrow("LPIPS (AlexNet): tensor");
  });
});
