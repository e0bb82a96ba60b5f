import { type Gpu, STORAGE } from "./gpu.js";
import { aliasRoot, type BoundTo, type Dispatch, type Node, Scratch, type Window } from "./graph.js";
import { constantBuffer, type Location } from "./memory.js";
import { constantOp } from "./ops/leaf.js";
import { bytes } from "./shape.js";

/** Several ways to compute one node, each a list of dispatches. */
export type Ways = readonly (readonly Dispatch[])[];

/** A value that has memory of its own. An optimiser's window counts as one: the state around it is not needed. */
type Owner = Node | Scratch | Window;

/** A buffer that ways need: for one value, or for the k-th scratch memory of each way. */
interface Need {
  readonly owners: Owner[];
  readonly bytes: number;
}

const NOISE_BYTES = 2 ** 20;

/**
 * Memory to time kernels in: buffers of ordinary random numbers in the place of a program's values, since zeros,
 * denormals and NaN can take other times than a training step's numbers. One set of buffers serves one node after the
 * other.
 */
export class Workbench {
  readonly #buffers: GPUBuffer[];
  readonly #noise: GPUBuffer;
  readonly #clock: GPUBuffer;

  /** @param all the ways of every node that will be placed */
  constructor(
    private readonly gpu: Gpu,
    all: readonly Ways[],
  ) {
    const sizes: number[] = [];
    for (const ways of all) {
      needsOf(ways).forEach((need, i) => {
        sizes[i] = Math.max(sizes[i] ?? 0, need.bytes);
      });
    }
    this.#buffers = sizes.map((size, i) => gpu.createBuffer(`workbench ${i}`, size, STORAGE));
    this.#noise = gpu.createBuffer("noise", NOISE_BYTES, STORAGE);
    gpu.write(
      this.#noise,
      Float32Array.from({ length: NOISE_BYTES / 4 }, () => 2 * Math.random() - 1),
    );
    this.#clock = gpu.createBuffer("clock", 16, STORAGE); // all zero: no fault, which would stop an optimiser
  }

  /** Gives everything that the ways of one node bind a place, with new numbers. @returns what Memory.locate does */
  place(ways: Ways): (bound: BoundTo) => Location {
    const encoder = this.gpu.device.createCommandEncoder();
    const placed = new Map<Owner, GPUBuffer>();
    needsOf(ways).forEach(({ owners, bytes: size }, i) => {
      const buffer = this.#buffers[i];
      for (const owner of owners) placed.set(owner, buffer);
      for (let at = 0; at < size; at += NOISE_BYTES) {
        encoder.copyBufferToBuffer(this.#noise, 0, buffer, at, Math.min(NOISE_BYTES, size - at));
      }
    });
    this.gpu.device.queue.submit([encoder.finish()]);
    return (bound) => {
      if (bound === "clock") return { buffer: this.#clock, offset: 0, bytes: 16 };
      const owner = ownerOf(bound);
      // A constant may hold what is no float: indices, pictures.
      return { buffer: placed.get(owner) ?? constantBuffer(this.gpu, owner as Node), ...rangeOf(bound) };
    };
  }

  destroy(): void {
    for (const buffer of [...this.#buffers, this.#noise, this.#clock]) buffer.destroy();
  }
}

/** Bytes of the largest buffer that a way needs. */
export const largestNeed = (way: readonly Dispatch[]): number =>
  Math.max(0, ...needsOf([way]).map((need) => need.bytes));

/** The largest first. */
function needsOf(ways: Ways): Need[] {
  const values = new Map<Owner, number>();
  const scratches: Need[] = [];
  for (const way of ways) {
    const own = new Set<Scratch>();
    for (const bound of way.flatMap(({ bind }) => Object.values(bind))) {
      if (bound === "clock") continue;
      const owner = ownerOf(bound);
      if (owner instanceof Scratch) own.add(owner);
      else if (!("op" in owner && owner.op === constantOp)) {
        const { offset, bytes: size } = rangeOf(bound);
        values.set(owner, Math.max(values.get(owner) ?? 0, offset + size));
      }
    }
    [...own].forEach((scratch, k) => {
      const { owners, bytes: size } = scratches[k] ?? { owners: [], bytes: 0 };
      scratches[k] = { owners: [...owners, scratch], bytes: Math.max(size, scratch.bytes) };
    });
  }
  const needs = [...values].map(([owner, size]): Need => ({ owners: [owner], bytes: size }));
  return [...needs, ...scratches].sort((a, b) => b.bytes - a.bytes);
}

type Placed = Exclude<BoundTo, "clock">;

function ownerOf(bound: Placed): Owner {
  if (bound instanceof Scratch || "state" in bound) return bound;
  return aliasRoot("node" in bound ? bound.node : bound);
}

function rangeOf(bound: Placed): Omit<Location, "buffer"> {
  if (bound instanceof Scratch || "state" in bound) return { offset: 0, bytes: bound.bytes };
  return "node" in bound ? { offset: bound.offset, bytes: bound.bytes } : { offset: 0, bytes: bytes(bound.shape) };
}
