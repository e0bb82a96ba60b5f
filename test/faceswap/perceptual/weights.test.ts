import { describe, expect, it } from "vitest";
import {
  linShapes,
  PERCEPTUAL_KINDS,
  type PerceptualKind,
  perceptualShapes,
  trunkShapes,
} from "../../../src/faceswap/perceptual/trunks.js";
import { checkLpipsWeights, missingWeights } from "../../../src/faceswap/perceptual/weights.js";
import { UserError } from "../../../src/index.js";
import { sizeOf } from "../../reference/tensor.js";

type Tensors = Record<string, { shape: readonly number[]; data: Float32Array | Float64Array }>;

const NAMES = { trunk: "trunk.pth", lin: "lin.pth" };

const filled = (shape: readonly number[], value: number) => ({
  shape,
  data: new Float32Array(sizeOf([...shape])).fill(value),
});
const allOf = (shapes: Record<string, readonly number[]>): Tensors =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape], i) => [name, filled(shape, i / 8)]));

const trunk = (kind: PerceptualKind) => allOf(trunkShapes(kind));
const lin = (kind: PerceptualKind) => allOf(linShapes(kind));
const check = (own: Tensors, linear: Tensors, kind: PerceptualKind = "squeeze") =>
  checkLpipsWeights(kind, own, linear, NAMES);

/** The state_dict of the lpips package's model, with the slices of its pretrained_networks.py. */
function whole(): Tensors {
  const slices: Record<string, number> = { 0: 1, 3: 2, 4: 2, 6: 3, 7: 3, 9: 4, 10: 5, 11: 6, 12: 7 };
  const net = Object.entries(trunk("squeeze")).map(([name, tensor]) => {
    const at = name.split(".")[1];
    return [name.replace("features.", `net.slice${slices[at]}.`), tensor];
  });
  const linear = Object.entries(lin("squeeze"));
  const again = linear.map(([name, tensor]) => [name.replace(/^lin(\d)/, "lins.$1"), tensor]);
  const scaling = (values: number[]) => ({ shape: [1, 3, 1, 1], data: Float32Array.from(values) });
  return Object.fromEntries([
    ["scaling_layer.shift", scaling([-0.03, -0.088, -0.188])],
    ["scaling_layer.scale", scaling([0.458, 0.448, 0.45])],
    ...net,
    ...linear,
    ...again,
  ]);
}

const changed = (tensors: Tensors, name: string, by?: Tensors[string]): Tensors => {
  const { [name]: _, ...rest } = tensors;
  return by ? { ...rest, [name]: by } : rest;
};

describe("checkLpipsWeights takes", () => {
  // VGG16's 15 million numbers take some seconds.
  const kinds = PERCEPTUAL_KINDS.filter((kind) => kind !== "vgg" || process.env.SHIBORI_FULL === "1");
  it.each(kinds)("two files, of a trunk with its classifier: %s", (kind) => {
    const classified = { ...trunk(kind), "classifier.1.weight": filled([4], 0), "classifier.1.bias": filled([1], 0) };
    const network = check(classified, lin(kind), kind);
    expect(network.kind).toBe(kind);
    expect(network.tensors.map(({ name }) => name)).toEqual(Object.keys(perceptualShapes(kind)));
  });

  it("a whole model, for either and for both", () => {
    const apart = check(trunk("squeeze"), lin("squeeze"));
    for (const network of [check(whole(), whole()), check(whole(), lin("squeeze")), check(trunk("squeeze"), whole())]) {
      expect(network.tensors.map(({ name }) => name)).toEqual(apart.tensors.map(({ name }) => name));
      // toEqual takes half a minute for a million numbers.
      const same = network.tensors.every(({ data }, i) => data.every((v, k) => v === apart.tensors[i].data[k]));
      expect(same).toBe(true);
    }
  });

  it("float64 numbers, rounded", () => {
    const name = "features.0.bias";
    const double = { shape: [64], data: new Float64Array(64).fill(0.1) };
    const { tensors } = check(changed(trunk("squeeze"), name, double), lin("squeeze"));
    expect(tensors.find((each) => each.name === name)?.data[0]).toBe(Math.fround(0.1));
  });
});

describe("checkLpipsWeights refuses in one line", () => {
  const own = trunk("squeeze");
  const linear = lin("squeeze");
  const LIN = "lin2.model.1.weight";
  const trunkFile = "the trunk of LPIPS (SqueezeNet 1.1), trunk.pth: tensor";
  const linFile = "the linear weights of LPIPS (SqueezeNet 1.1), lin.pth: tensor";
  const dark = filled([1, 256, 1, 1], 1);
  dark.data[7] = -0.25;
  const broken = filled([64], 1);
  broken.data[3] = Number.NaN;
  it.each<[string, Tensors, Tensors, string]>([
    [
      "a trunk without a tensor",
      changed(own, "features.7.squeeze.bias"),
      linear,
      `${trunkFile} "features.7.squeeze.bias" of shape [32] is missing`,
    ],
    [
      "a trunk with one more",
      { ...own, "features.13.weight": dark },
      linear,
      `${trunkFile} "features.13.weight" does not belong there`,
    ],
    [
      "another trunk",
      trunk("alex"),
      linear,
      `${trunkFile} "features.3.weight" does not belong there; is it the file of another network?`,
    ],
    [
      "a misshapen one",
      changed(own, "features.0.bias", filled([65], 1)),
      linear,
      `${trunkFile} "features.0.bias" has shape [65], not [64]`,
    ],
    [
      "one with a NaN",
      changed(own, "features.0.bias", broken),
      linear,
      `${trunkFile} "features.0.bias" holds NaN at 3; all must be finite`,
    ],
    [
      "fewer numbers than a shape says",
      changed(own, "features.0.bias", { shape: [64], data: new Float32Array(63) }),
      linear,
      "holds 63 numbers, not the 64 of its shape",
    ],
    ["no linear weights of a tap", own, changed(linear, LIN), `${linFile} "${LIN}" of shape [1, 256, 1, 1] is missing`],
    ["the trunk as linear weights", own, own, `${linFile} "features.0.weight" does not belong there`],
    [
      "misshapen linear weights",
      own,
      changed(linear, LIN, filled([256], 1)),
      `${linFile} "${LIN}" has shape [256], not [1, 256, 1, 1]`,
    ],
    [
      "negative linear weights",
      own,
      changed(linear, LIN, dark),
      `${linFile} "${LIN}" holds -0.25 at 7; trained weights are never negative, these look randomly initialised`,
    ],
    [
      "a model without dropout",
      own,
      { ...changed(linear, LIN), "lin2.model.0.weight": dark },
      `${linFile} "lin2.model.0.weight" is of a model without dropout (use_dropout=False), which leaves its linear weights random`,
    ],
    [
      "a key in the wrong slice",
      { ...changed(whole(), "net.slice2.3.squeeze.bias"), "net.slice3.3.squeeze.bias": filled([16], 1) },
      linear,
      `${trunkFile} "net.slice3.3.squeeze.bias" does not belong there`,
    ],
    [
      "a whole model scaled otherwise",
      changed(whole(), "scaling_layer.shift", { shape: [1, 3, 1, 1], data: new Float32Array(3) }),
      linear,
      'trunk.pth: tensor "scaling_layer.shift" holds 0,0,0, not LPIPS\'s -0.03,-0.088,-0.188',
    ],
    [
      "a whole model at odds with itself",
      own,
      changed(whole(), "lins.2.model.1.weight", dark),
      'lin.pth: tensors "lin…" and "lins…" differ: "lin2.model.1.weight" is there twice',
    ],
    [
      "a name of every object",
      Object.fromEntries([...Object.entries(own), ["constructor", dark]]),
      linear,
      `${trunkFile} "constructor" does not belong there`,
    ],
  ])("%s", (_, given, givenLin, message) => {
    const refused = () => check(given, givenLin);
    expect(refused).toThrow(UserError);
    expect(refused).toThrow(message);
    try {
      refused();
    } catch (error) {
      expect((error as Error).message).not.toContain("\n");
    }
  });
});

describe("missingWeights", () => {
  it.each([
    ["alex", "alexnet-owt-7be5be79.pth", "lpips/weights/v0.1/alex.pth"],
    ["vgg", "vgg16-397923af.pth", "lpips/weights/v0.1/vgg.pth"],
    ["squeeze", "squeezenet1_1-b8a52dc0.pth", "lpips/weights/v0.1/squeeze.pth"],
  ] as const)("says what to get, how to pass it, and what needs none: %s", (kind, own, linear) => {
    const error = missingWeights(kind);
    expect(error).toBeInstanceOf(UserError);
    for (const text of [own, linear, "--lpips-trunk FILE --lpips-lin FILE", "random-features"]) {
      expect(error.message).toContain(text);
    }
    expect(error.message).not.toContain("\n");
  });
});
