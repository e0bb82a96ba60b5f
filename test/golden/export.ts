import { encodeExport } from "../../src/cli/export.js";
import { uniform } from "../../src/engine/philox.js";
import { elements } from "../../src/engine/shape.js";
import { type Architecture, type Autoencoder, autoencoder, SIDES } from "../../src/faceswap/architecture.js";

/**
 * The exported networks behind export.json. export.py bundles this module to have their files, so it must not read
 * export.json itself.
 */
export const SEED = 1234;

/**
 * Odd channels, output paddings 0 and 1 in both orders, and codes of 2×2 cells: in one cell all orders agree. Then what
 * else an architecture may have, 2 → 6 → 13 → 26 pixels, so that maps grow in every proportion.
 */
export const NETWORKS = {
  grid: { size: 48, stages: [3, 5], mid: 6, code: 7 },
  dense: { size: 26, stages: [3], mid: 5, code: 7, dense: 6 },
  subPixel: { size: 26, stages: [3], mid: 5, code: 7, dense: 6, upsampling: "sub-pixel", sampled: true },
  resize: { size: 26, input: 13, stages: [], mid: 5, code: 7, upsampling: "resize", sampled: true },
  input: { size: 52, input: 13, stages: [], mid: 9, code: 3 },
  kernel5: { size: 26, stages: [3], mid: 5, code: 7, kernel: 5 },
  strides: { size: 26, stages: [3, 5], strides: [1, 2], mid: 5, code: 7 },
  kernel7: { size: 28, stages: [3], mid: 5, code: 7, kernel: 7, sampled: true },
} as const satisfies Record<string, Architecture>;
export type NetworkName = keyof typeof NETWORKS;

/** Whose decoders a network has. A name may be one that torch.nn.Module has itself. */
export const identitiesOf = (name: NetworkName): readonly string[] =>
  name === "resize" ? ["src", "dst", "train"] : SIDES;

export interface Trained {
  readonly model: Autoencoder;
  /** By parameter name, in the engine's layouts. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

/** A network as if trained. Parameter p is drawn from stream p, uniform: that is exact on every machine. */
export function trained(name: NetworkName): Trained {
  const model = autoencoder(NETWORKS[name], 0, identitiesOf(name));
  const values = model.parameters.nodes.map(({ attrs, shape }, stream) => {
    const drawn = uniform(elements(shape), { seed: SEED, step: 0, stream });
    return [attrs.name, drawn.map((u) => 0.7 * (u - 0.5))] as const;
  });
  return { model, values: new Map(values) };
}

/** What the file says of the run that trained it. */
export const ABOUT = { preset: "avatar-64", step: 7 } as const;

export function exported(name: NetworkName): Uint8Array {
  const { model, values } = trained(name);
  return encodeExport(model, values, ABOUT);
}

export const BATCH = 2;
const PICTURES = 100;

/** The pictures [2, size, size, 3] that are encoded. */
export const pictures = ({ size }: Architecture): Float32Array =>
  uniform(BATCH * size * size * 3, { seed: SEED, step: 0, stream: PICTURES });
