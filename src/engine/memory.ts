import { UserError } from "./errors.js";
import { type Gpu, STORAGE } from "./gpu.js";
import { type BoundTo, type Node, Scratch } from "./graph.js";
import { type Layout, slotOf } from "./layout.js";
import { constantOp, inputOp } from "./ops/leaf.js";
import type { ParameterAttrs } from "./parameters.js";
import { bytes, elements, format, pack, type Shape } from "./shape.js";

/** Where a value lies. */
export interface Location {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly bytes: number;
}

/** The buffer of a constant, shared by all programs. */
export function constantBuffer(gpu: Gpu, node: Node): GPUBuffer {
  const { shape, values } = node.attrs as { shape: Shape; values: Float32Array | Uint32Array };
  const fill = () => (values instanceof Uint32Array ? values : pack(values, shape));
  return gpu.resident(node, "constant", bytes(shape), fill);
}

const inputName = (node: Node): string => (node.attrs as { name: string }).name;

/** The buffers of one program: a buffer per slot, the inputs, the clock; and where every value lies in them. */
export class Memory {
  readonly #slots: GPUBuffer[];
  readonly #leaves = new Map<Node, GPUBuffer>();
  readonly #inputs = new Map<string, Node>();
  readonly #clock: GPUBuffer;

  /** @throws UserError if two inputs have one name */
  constructor(
    private readonly gpu: Gpu,
    private readonly layout: Layout,
  ) {
    const nodes = layout.stages.map(({ node }) => node);
    for (const node of nodes.filter(({ op }) => op === inputOp)) {
      const name = inputName(node);
      if (this.#inputs.has(name)) throw new UserError(`input "${name}" is made twice: use one node, or two names`);
      this.#inputs.set(name, node);
    }
    this.#slots = layout.plan.slots.map((size, i) => gpu.createBuffer(`slot ${i}`, size, STORAGE));
    this.#clock = gpu.createBuffer("clock", 16, STORAGE);
    for (const [name, node] of this.#inputs) {
      this.#leaves.set(node, gpu.createBuffer(`input ${name}`, bytes(node.shape), STORAGE));
    }
    for (const node of nodes.filter(({ op }) => op === constantOp)) this.#leaves.set(node, constantBuffer(gpu, node));
  }

  /** @throws UserError if the value is not part of the program */
  locate(bound: BoundTo): Location {
    const whole = (buffer: GPUBuffer, size: number): Location => ({ buffer, offset: 0, bytes: size });
    if (bound === "clock") return whole(this.#clock, 16);
    if (bound instanceof Scratch) return whole(this.#slot(bound), bound.bytes);
    if ("state" in bound) {
      const buffer = this.gpu.resident(bound.state, bound.label, bound.stateBytes, bound.initial);
      return { buffer, offset: bound.offset, bytes: bound.bytes };
    }
    if ("node" in bound) {
      const { buffer, offset } = this.locate(bound.node);
      return { buffer, offset: offset + bound.offset, bytes: bound.bytes };
    }
    const size = bytes(bound.shape);
    if (bound.op.kind === "alias") return { ...this.locate(bound.inputs[0]), bytes: size };
    if (bound.op.name === "parameter") {
      const { owner, index } = bound.attrs as ParameterAttrs;
      return this.locate(owner.window("values", owner.layout().offsets[index], size));
    }
    const leaf = this.#leaves.get(bound);
    if (leaf) return whole(leaf, size);
    const inside = this.layout.packedIn.get(bound);
    if (inside) return { ...this.locate(inside.pack), offset: inside.offset, bytes: size };
    return whole(this.#slot(bound), size);
  }

  #slot(value: Node | Scratch): GPUBuffer {
    const slot = slotOf(this.layout, value);
    if (slot === undefined) throw new UserError("this node is not part of the program");
    return this.#slots[slot];
  }

  /** Where the clock keeps the first step with a non-finite number (see watch.wgsl), 0 while there is none. */
  get fault(): Location {
    return { buffer: this.#clock, offset: 12, bytes: 4 };
  }

  /** Sets the step counter and the key of the random streams, and forgets a fault. */
  writeClock(step: number, seed: number): void {
    this.gpu.write(this.#clock, Uint32Array.from([step, seed >>> 0, Math.floor(seed / 2 ** 32), 0]));
  }

  /** @throws UserError on an unknown name or a wrong count of values */
  writeInput(name: string, values: ArrayLike<number>): void {
    const node = this.#inputs.get(name);
    if (!node) {
      const names = [...this.#inputs.keys()].join(", ") || "none";
      throw new UserError(`input "${name}" is not part of the program; there are: ${names}`);
    }
    if (values.length !== elements(node.shape)) {
      throw new UserError(
        `input "${name}": ${values.length} values, but shape ${format(node.shape)} holds ${elements(node.shape)}`,
      );
    }
    this.gpu.write(this.#leaves.get(node) as GPUBuffer, pack(values, node.shape));
  }

  /** Frees what belongs to the program alone; parameters and constants stay. */
  destroy(): void {
    for (const buffer of [...this.#slots, this.#clock]) buffer.destroy();
    for (const node of this.#inputs.values()) this.#leaves.get(node)?.destroy();
  }
}
