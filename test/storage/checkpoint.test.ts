import { describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { DamagedCheckpoint, decodeCheckpoint, encodeCheckpoint } from "../../src/storage/checkpoint.js";
import { identityOf } from "../../src/storage/runConfig.js";
import { decodeSafetensors, encodeSafetensors } from "../../src/storage/safetensors.js";
import { runConfig } from "./runs.js";

const shapes = new Map([
  ["enc.weight", [2, 3]],
  ["enc.bias", [3]],
]);
const numbers = (shift: number) =>
  new Map([
    ["enc.weight", Float32Array.from([1, 2, 3, 4, 5, 6], (v) => v + shift)],
    ["enc.bias", Float32Array.from([-0, 1e-45, 3e38])],
  ]);
const states = new Map(["values", "m", "v"].map((state, i) => [state, numbers(i)]));
const config = identityOf({ ...runConfig(), seed: 2 ** 52 });
const whole = encodeCheckpoint({ step: 77, config, shapes, states });
const decode = (bytes: Uint8Array, wanted = ["values", "m", "v"], own: Map<string, number[]> = shapes) =>
  decodeCheckpoint(bytes, config, own, wanted, "run/7.safetensors");

describe("a checkpoint", () => {
  it("comes back to the bit", () => {
    const back = decode(whole);
    expect(back.step).toBe(77);
    expect(back.config).toEqual(config);
    expect(back.states).toEqual(states);
    expect(Object.is(back.states.get("values")?.get("enc.bias")?.[0], -0)).toBe(true);
  });

  it("has the same bytes for the same content, and is a safetensors file", () => {
    expect(encodeCheckpoint({ step: 77, config, shapes, states })).toEqual(whole);
    const { tensors, metadata } = decodeSafetensors(whole);
    expect(Object.keys(tensors)).toEqual(
      ["", "m/", "v/"].flatMap((prefix) => [`${prefix}enc.weight`, `${prefix}enc.bias`]),
    );
    expect(metadata).toMatchObject({ step: "77", generator: "philox4x32-10" });
    expect(metadata.sha256).toMatch(/^(?!0{64})[0-9a-f]{64}$/);
  });

  it("gives only the states that are asked for", () => {
    expect([...decode(whole, ["values"]).states.keys()]).toEqual(["values"]);
  });

  it("notices every flipped bit and every missing byte", () => {
    for (let at = 0; at < whole.length; at++) {
      const flipped = Uint8Array.from(whole);
      flipped[at] ^= 1 << (at % 8);
      expect(() => decode(flipped), `byte ${at}`).toThrow(DamagedCheckpoint);
      expect(() => decode(whole.subarray(0, at)), `cut at ${at}`).toThrow(DamagedCheckpoint);
    }
  });

  it("says what is wrong in a line that names the file", () => {
    const flipped = Uint8Array.from(whole);
    flipped[whole.length - 1] ^= 1;
    expect(() => decode(flipped)).toThrow("run/7.safetensors: damaged (its content does not match its hash)");
    const foreign = encodeSafetensors({ "enc.weight": { shape: [1], data: new Float32Array(1) } });
    expect(() => decode(foreign)).toThrow("run/7.safetensors: it holds no hash of its content");
  });

  it("names the field of a configuration that was changed behind its back", () => {
    const now = (change: object) => () =>
      decodeCheckpoint(whole, { ...config, ...change }, shapes, ["values"], "run/7.safetensors");
    for (const [change, message] of [
      [{ steps: 5 }, "run's steps was 2400, but config.json says 5: change it back, or train anew"],
      [{ saveEvery: 3 }, "run's saveEvery was 240, but config.json says 3"],
      [{ preset: "avatar-64-naive" }, 'run\'s preset was "avatar-64", but config.json says "avatar-64-naive"'],
      [{ overrides: { seed: 7 } }, 'run\'s overrides was {}, but config.json says {"seed":7}'],
      [{ architecture: { ...config.architecture, dense: 8 } }, "run's architecture was"],
    ] as const) {
      expect(now(change), message).toThrow(message);
      expect(now(change)).not.toThrow(DamagedCheckpoint);
    }
  });

  it("tells another network from damage", () => {
    const wider = new Map([...shapes, ["enc.bias", [4]]]);
    const turned = new Map([...shapes, ["enc.weight", [3, 2]]]);
    const deeper = new Map([...shapes, ["more.bias", [4]]]);
    for (const [own, message] of [
      [wider, 'run/7.safetensors: tensor "enc.bias" is [3], but the run\'s network has [4]'],
      [turned, 'run/7.safetensors: tensor "enc.weight" is [2, 3], but the run\'s network has [3, 2]'],
      [deeper, 'run/7.safetensors: tensor "more.bias" is missing; the file belongs to another network'],
    ] as const) {
      expect(() => decode(whole, ["values"], own)).toThrow(new UserError(message));
      expect(() => decode(whole, ["values"], own)).not.toThrow(DamagedCheckpoint);
    }
  });
});
