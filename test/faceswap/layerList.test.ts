import { describe, expect, it } from "vitest";
import { autoencoder, layersOf, UPSAMPLINGS } from "../../src/faceswap/architecture.js";
import { PRESETS } from "../../src/faceswap/presets.js";
import { input } from "../../src/index.js";

const { architecture: small } = PRESETS["avatar-64"];

describe("a smaller input", () => {
  const halves = (size: number, input: number, stages: number[]) =>
    layersOf({ size, input, stages, mid: 20, code: 4 }, ["a"])
      .filter(({ kind }) => kind === "transposed")
      .map(({ to }) => to);

  it("gives the decoders more doublings, of half as many channels each, but not below 8", () => {
    expect(halves(512, 256, [64, 128])).toEqual([20, 128, 64, 32, 3]);
    expect(halves(512, 64, [64])).toEqual([20, 64, 32, 16, 8, 3]);
    expect(halves(1024, 64, [24])).toEqual([20, 24, 12, 8, 8, 8, 3]);
    expect(halves(64, 32, [6])).toEqual([20, 6, 6, 3]);
    expect(halves(64, 32, [])).toEqual([20, 10, 3]);
  });

  it("leaves the encoder as it is", () => {
    const { architecture } = PRESETS["article-512-small-input"];
    const [average, ...rest] = layersOf(architecture).filter(({ role }) => role === "encoder");
    expect(average).toMatchObject({
      kind: "average",
      kernel: 2,
      stride: 2,
      input: { height: 512 },
      output: { height: 256 },
    });
    expect(rest).toEqual(layersOf(PRESETS["article-256"].architecture).filter(({ role }) => role === "encoder"));
  });
});

describe("a stage of stride 1", () => {
  const layers = layersOf({ ...small, size: 128, input: 64, strides: [2, 1] }, ["a"]);
  const extents = (role: string) => layers.filter((layer) => layer.role === role).map(({ output }) => output.height);

  it("keeps the map's extent, in the decoder as well", () => {
    expect(extents("encoder")).toEqual([64, 32, 32, 15, 7]);
    expect(extents("decoder")).toEqual([15, 32, 32, 64, 128]);
  });

  it.each(UPSAMPLINGS)("is a plain convolution there, where maps grow by %s", (upsampling) => {
    const all = layersOf({ ...small, strides: [2, 1], upsampling }, ["a"]);
    const still = all.filter(({ name }) => name.startsWith("a.2"));
    expect(still).toHaveLength(1);
    expect(still[0]).toMatchObject({ name: "a.2", kind: "conv", from: 32, to: 16, kernel: 3, stride: 1, padding: 1 });
  });

  it("is as deep and as wide as one of stride 2", () => {
    const of = (strides?: number[]) => layersOf({ ...small, strides }, ["a"]).filter(({ role }) => role === "encoder");
    const shape = ({ name, from, to, kernel }: (typeof layers)[number]) => ({ name, from, to, kernel });
    expect(of([2, 1]).map(shape)).toEqual(of().map(shape));
    expect(layersOf({ ...small, strides: [2, 2] })).toEqual(layersOf(small));
  });
});

describe("the list of layers", () => {
  it.each(UPSAMPLINGS)("leads from map to map without a gap, growing by %s", (upsampling) => {
    for (const size of [26, 28, 48, 60, 64]) {
      const stages = size % 4 ? [3] : [3, 6];
      const kernel = size === 48 ? 7 : undefined;
      const strides = size === 60 ? [2, 1] : undefined;
      const architecture = { size, stages, strides, kernel, mid: 5, code: 7, dense: 4, upsampling };
      const all = layersOf(architecture, ["a", "b"]);
      for (const identity of ["a", "b"]) {
        const path = all.filter((layer) => layer.identity === undefined || layer.identity === identity);
        let at = { map: { height: size, width: size }, channels: 3 };
        for (const { input, from, output, to } of path) {
          expect(at).toEqual({ map: input, channels: from });
          at = { map: output, channels: to };
        }
        expect(at).toEqual({ map: { height: size, width: size }, channels: 3 });
      }
    }
  });

  it("has the engine's shapes", () => {
    for (const upsampling of UPSAMPLINGS) {
      for (const [size, seen] of [
        [26, 26],
        [52, 26],
        [28, 28],
      ]) {
        const architecture = { size, input: seen, stages: [3], mid: 5, code: 7, upsampling, sampled: true };
        const { encode, decode, encodeDistribution } = autoencoder(architecture, 0);
        const x = input("x", [2, size, size, 3]);
        const { mean, logVariance } = encodeDistribution?.(x) ?? {};
        expect(mean?.shape).toEqual(encode(x).shape);
        expect(logVariance?.shape).toEqual(encode(x).shape);
        expect(decode.src(encode(x)).shape).toEqual(x.shape);
      }
    }
  });

  it("ends in a sigmoid, has a linear code, and leaky units between", () => {
    const activation = (name: string, change: object) =>
      layersOf({ ...small, ...change }).find((layer) => layer.name === name)?.activation;
    for (const upsampling of UPSAMPLINGS) {
      expect(activation("src.3", { upsampling })).toBe("sigmoid");
      expect(activation("dst.2", { upsampling })).toEqual({ leakyRelu: 0.1 });
    }
    expect(activation("encoder.2", {})).toEqual({ leakyRelu: 0.1 });
    expect(activation("encoder.3", {})).toBe("none");
    expect(activation("encoder.down", { dense: 3 })).toBe("none");
    expect(activation("encoder.logVariance", { sampled: true })).toBe("none");
  });
});
