/** What a network is and what it costs, from its description alone: nothing here needs a GPU. */
import { type Architecture, codeLength, mapSizes } from "./geometry.js";
import { type LayerDescription, layerFlops, layersOf, parametersOf } from "./layerList.js";

/** What passes from the encoder to a decoder. */
export interface Bottleneck {
  /** The grid of cells; before the dense code, where there is one. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Numbers that pass: those of the grid, or of the dense code. */
  readonly floats: number;
  /** Numbers of a picture, three a pixel, for each number that passes. */
  readonly compression: number;
  /** The same as a part of the picture's numbers, in percent. */
  readonly percent: number;
  /** Pixels of a picture for each cell of the grid. */
  readonly spatialCompression: number;
  /** Width in pixels of the picture of what one cell of the grid sees. */
  readonly receptiveField: number;
}

export interface InspectedLayer extends LayerDescription {
  readonly parameters: number;
  /** Floating-point operations forward, for one picture. */
  readonly flops: number;
  /** Pixels of the picture that one output sees, both ways; null in a decoder. */
  readonly receptiveField: number | null;
}

/**
 * The receptive field of each layer of a path that begins at the picture, in pixels: it grows by kernel − 1 steps of the
 * layer's input, and a step is the product of the strides before it (Dumoulin & Visin, "A guide to convolution
 * arithmetic", 2016). A dense layer sees the whole picture.
 */
function receptiveFields(path: readonly LayerDescription[], size: number): number[] {
  let [field, step] = [1, 1];
  return path.map(({ kind, kernel, stride }) => {
    if (kind === "dense") return size;
    field += (kernel - 1) * step;
    step *= stride;
    return field;
  });
}

/** Every layer of a network with its cost, in the order of its parameters. */
export function inspectLayers(architecture: Architecture, identities: readonly string[]): InspectedLayer[] {
  const layers = layersOf(architecture, identities);
  const path = layers.filter(({ role }) => role === "encoder");
  const fields = receptiveFields(path, architecture.size);
  return layers.map((layer) => {
    const inDecoder = layer.role === "decoder" || layer.role === "widen";
    // The second head stands in the place of the encoder's last layer.
    const place = layer.role === "logVariance" ? path.length - 1 : path.indexOf(layer);
    const receptiveField = inDecoder ? null : fields[place];
    return { ...layer, parameters: parametersOf(layer), flops: layerFlops(layer), receptiveField };
  });
}

/** What passes from the encoder to a decoder, against what a picture holds. */
export function bottleneckOf(architecture: Architecture): Bottleneck {
  const { size, code } = architecture;
  const grid = mapSizes(architecture).at(-1) as number;
  const floats = codeLength(architecture);
  const path = layersOf(architecture).filter(({ role, kind }) => role === "encoder" && kind !== "dense");
  return {
    ...{ height: grid, width: grid, channels: code, floats },
    compression: (size * size * 3) / floats,
    percent: (100 * floats) / (size * size * 3),
    spatialCompression: size ** 2 / grid ** 2,
    receptiveField: receptiveFields(path, size).at(-1) as number,
  };
}
