import { readFileSync } from "node:fs";
import { normal, uniform } from "../../src/engine/philox.js";

/** The golden training run of autoencoder.json, and the inputs that it was computed from. See README.md beside it. */
export type Identity = "src" | "dst";

export interface Values {
  shape: number[];
  data: number[];
}

export interface GoldenLayer {
  op: "conv2d" | "convTranspose2d";
  ci: number;
  co: number;
  kernel: number;
  stride: number;
  /** The same on all four sides. */
  padding: number;
  /** Of convTranspose2d. */
  outputPadding?: number;
  activation: "none" | "leakyRelu" | "sigmoid";
}

export interface Golden {
  config: {
    seed: number;
    steps: number;
    batch: number;
    size: number;
    alpha: number;
    weightScale: number;
    biasScale: number;
    imageStreams: Record<Identity, number>;
    networks: Record<"encoder" | Identity, GoldenLayer[]>;
    latentWeight: number;
    latentPooling: "element";
    adam: { learningRate: number; betas: [number, number]; epsilon: number };
  };
  /** One entry per step, before its update. */
  losses: Record<"total" | Identity | "latent", number>[];
  step1: {
    latent: Record<Identity, Values>;
    reconstruction: Record<Identity, Values>;
    /** By parameter name: "encoder.0.weight". */
    gradients: Record<string, Values>;
  };
  /** After the last step. */
  parameters: Record<string, Values>;
  /** PyTorch's float32 run: relative for each total loss, else greatest difference over greatest value. */
  float32Deviation: {
    losses: number[];
    parameters: number;
    latent: number;
    reconstruction: number;
    gradients: number;
  };
}

export interface AdamCase {
  optimiser: "adam" | "adamw";
  lr: number;
  betas: [number, number];
  eps: number;
  weight_decay: number;
  start: number[];
  gradients: number[][];
  /** After each step. */
  parameters: number[][];
}

export const golden: Golden = load("autoencoder.json");

export const adamCases: AdamCase[] = load("adam.json");

/** The parameters before step 1 by name, in the order of their numbers: parameter p is drawn from stream p, step 0. */
export function initialParameters(): Map<string, { shape: number[]; data: Float32Array }> {
  const { networks, seed, weightScale, biasScale } = golden.config;
  const parameters = new Map<string, { shape: number[]; data: Float32Array }>();
  const draw = (name: string, shape: number[], scale: number) => {
    const count = shape.reduce((size, extent) => size * extent, 1);
    const data = normal(count, { seed, step: 0, stream: parameters.size }).map((value) => value * scale);
    parameters.set(name, { shape, data });
  };
  for (const [network, layers] of Object.entries(networks)) {
    layers.forEach(({ op, kernel, ci, co }, i) => {
      const channels = op === "conv2d" ? [ci, co] : [co, ci];
      draw(`${network}.${i}.weight`, [kernel, kernel, ...channels], weightScale);
      draw(`${network}.${i}.bias`, [co], biasScale);
    });
  }
  return parameters;
}

/** The images [batch, size, size, 3] of a step, which is counted from 1. */
export function images(identity: Identity, step: number): Float32Array {
  const { batch, size, seed, imageStreams } = golden.config;
  return uniform(batch * size * size * 3, { seed, step, stream: imageStreams[identity] });
}

function load<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8")) as T;
}
