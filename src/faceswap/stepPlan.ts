/** What a training step would do and need, laid out without a GPU. */

import { UserError } from "../engine/errors.js";
import { type Node, type Target, traced } from "../engine/graph.js";
import { flopsOf, layOut } from "../engine/layout.js";
import { constantOp, inputOp } from "../engine/ops/leaf.js";
import type { ParameterAttrs } from "../engine/parameters.js";
import { passes } from "../engine/passes.js";
import { bytes } from "../engine/shape.js";
import type { TrainingConfig } from "./config.js";
import { castNamed } from "./identities.js";
import type { Model } from "./model.js";
import { type TrainingData, trainingGraph } from "./training.js";

/** Memory of a training step in bytes. */
export interface StepMemory {
  /** Slots that activations, their gradients and the kernels' scratch share. */
  readonly activations: number;
  /** Weights, their gradients, and Adam's two moments. */
  readonly parameters: number;
  /** Numbers that are fixed, such as the weights of a loss's network. */
  readonly constants: number;
  readonly total: number;
  /** The largest single buffer. */
  readonly largestBuffer: number;
  /** Slots, each one buffer, that activations share; and what no plan could go below. */
  readonly slots: number;
  readonly lowerBound: number;
}

export interface StepPlan {
  /** Floating-point operations of a step, counted from the shapes. */
  readonly flops: number;
  readonly dispatches: number;
  readonly memory: StepMemory;
}

const isParameter = (node: Node): node is Node<ParameterAttrs> => node.op.name === "parameter";

/** Drawn avatars; for identities that no avatars are of, a picture each. */
function dataFor({ pair, identities, architecture: { size } }: TrainingConfig): TrainingData {
  if (Object.keys(castNamed(pair)).join() === identities.join()) return "avatars";
  const set = { pictures: new Uint8Array(size * size * 3), count: 1, size };
  return Object.fromEntries(identities.map((identity) => [identity, set]));
}

/** The outputs of a training step as they are laid out. @throws UserError where a tensor cannot be cut to the limit */
export function stepOutputs(model: Model, config: TrainingConfig, maxBindingBytes: number): Node[] {
  const outputs = traced(() => trainingGraph(model, config, dataFor(config)));
  return passes(Object.values(outputs), maxBindingBytes).flat();
}

/**
 * Traces a training step and lays it out. Pictures from folders would be constants beside it, and are not counted.
 * @param model of the configuration; its weights are not drawn
 * @throws UserError where a tensor cannot be cut to what the target binds
 */
export function planStep(model: Model, config: TrainingConfig, target: Target): StepPlan {
  const layout = layOut(stepOutputs(model, config, target.maxBindingBytes), target);
  const { slots, slotOf, lowerBound } = layout.plan;
  const packed = new Set<number>();
  for (const [value, index] of layout.valueOf) if ("op" in value && value.op.kind === "pack") packed.add(slotOf[index]);
  const total = (sizes: readonly number[]) => sizes.reduce((a, b) => a + b, 0);
  const gradients = total(slots.filter((_, i) => packed.has(i)));
  // Values, m and v: one buffer each.
  const state = model.parameters.layout().bytes;
  const nodes = layout.stages.map(({ node }) => node);
  const leaves = nodes.filter(({ op }) => op === constantOp || op === inputOp);
  // Networks that losses look through have frozen parameters of their own.
  const owners = new Set(nodes.filter(isParameter).map(({ attrs }) => attrs.owner));
  owners.delete(model.parameters);
  const constants = [...leaves.map(({ shape }) => bytes(shape)), ...[...owners].map((owner) => owner.layout().bytes)];
  const memory = {
    activations: total(slots) - gradients,
    parameters: 3 * state + gradients,
    constants: total(constants),
  };
  return {
    flops: flopsOf(layout),
    dispatches: total(layout.stages.map(({ dispatches }) => dispatches.length)),
    memory: {
      ...memory,
      total: memory.activations + memory.parameters + memory.constants,
      largestBuffer: Math.max(state, ...slots, ...constants),
      ...{ slots: slots.length - packed.size, lowerBound: lowerBound - gradients },
    },
  };
}

/** What an adapter has, in bytes. */
export interface Room {
  /** The largest buffer. */
  readonly buffer: number;
  /** Memory that is free; undefined where the adapter does not tell. */
  readonly memory?: number;
}

/** Bytes in words, rounded up. */
export function memoryText(n: number): string {
  const [unit, size] = n < 2 ** 20 ? ["KiB", 2 ** 10] : ["MiB", 2 ** 20];
  return `${Math.ceil(n / size).toLocaleString("en")} ${unit}`;
}

/** Why a step does not fit, in words; undefined if it does, as far as is known. */
export function whyTooLarge({ memory }: StepPlan, room: Room): string | undefined {
  if (memory.largestBuffer > room.buffer) {
    return `the largest buffer needs ${memoryText(memory.largestBuffer)}, but one holds at most ${memoryText(room.buffer)}`;
  }
  if (room.memory !== undefined && memory.total > room.memory) {
    return `${memoryText(memory.total)} are needed, but ${memoryText(room.memory)} are free`;
  }
  return undefined;
}

/** A search goes no further. */
const MOST = 65_536;

/**
 * The largest batch that fits, by doubling and then halving the interval; 0 if not even 2 do. At most 65,536.
 * Memory grows with the batch, but not by exactly as much for each picture: where the planner does better for a larger
 * batch, one beyond the answer may fit too.
 */
export function largestBatch(model: Model, config: TrainingConfig, target: Target, room: Room): number {
  const fits = (batch: number): boolean => {
    try {
      return whyTooLarge(planStep(model, { ...config, batch }, target), room) === undefined;
    } catch (error) {
      if (error instanceof UserError) return false;
      throw error;
    }
  };
  if (!fits(2)) return 0;
  let fitting = 2;
  while (fitting < MOST && fits(2 * fitting)) fitting *= 2;
  if (fitting >= MOST) return MOST;
  let beyond = 2 * fitting;
  while (beyond - fitting > 1) {
    const middle = Math.floor((fitting + beyond) / 2);
    if (fits(middle)) fitting = middle;
    else beyond = middle;
  }
  return fitting;
}
