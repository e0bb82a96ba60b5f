import { GpuError } from "../../src/engine/errors.js";
import { type Gpu, STORAGE } from "../../src/engine/gpu.js";
import { aliasRoot, type BoundTo, type Dispatch, type Node, Scratch } from "../../src/engine/graph.js";
import { Launches } from "../../src/engine/launch.js";
import type { Location } from "../../src/engine/memory.js";
import { bytes, pack } from "../../src/engine/shape.js";
import type { Tensor } from "../../test/reference/tensor.js";

/** Dispatches made ready for the device, with the memory that only they use. */
export interface Ready {
  readonly launches: Launches;
  /** Fills the result and all scratch memory with NaN: what is left unwritten, or used unwritten, shows. */
  spoil(): void;
  destroy(): void;
}

/** The memory of one node: its inputs, filled, and its result, which every way to compute it shares. */
export class ProblemMemory {
  readonly #inputs = new Map<Node, GPUBuffer>();
  readonly #result: GPUBuffer;

  constructor(
    private readonly gpu: Gpu,
    private readonly node: Node,
    inputs: ReadonlyMap<Node, Tensor> = new Map(),
  ) {
    for (const [leaf, { data, shape }] of inputs) {
      const buffer = gpu.createBuffer(`input ${shape.join("×")}`, bytes(shape), STORAGE);
      gpu.write(buffer, pack(data, shape));
      this.#inputs.set(leaf, buffer);
    }
    this.#result = gpu.createBuffer("result", bytes(node.shape), STORAGE);
  }

  /** Compiles the kernels and makes bind groups. @throws GpuError */
  async prepare(dispatches: readonly Dispatch[]): Promise<Ready> {
    const { gpu } = this;
    const scratch = new Map<Scratch, GPUBuffer>();
    const locate = (bound: BoundTo): Location => {
      if (bound instanceof Scratch) {
        const buffer = scratch.get(bound) ?? gpu.createBuffer("scratch", bound.bytes, STORAGE);
        scratch.set(bound, buffer);
        return { buffer, offset: 0, bytes: bound.bytes };
      }
      if (typeof bound === "string" || !("op" in bound)) throw new GpuError("a rung binds what no problem has");
      const buffer = bound === this.node ? this.#result : this.#inputs.get(aliasRoot(bound));
      if (!buffer) throw new GpuError(`a rung binds ${bound.op.name}, which its problem does not have`);
      return { buffer, offset: 0, bytes: bytes(bound.shape) };
    };
    const launches = await Launches.prepare(gpu, dispatches, locate);
    return {
      launches,
      spoil: () => {
        for (const buffer of [...scratch.values(), this.#result]) {
          gpu.write(buffer, new Float32Array(buffer.size / 4).fill(Number.NaN));
        }
      },
      destroy() {
        launches.destroy();
        for (const buffer of scratch.values()) buffer.destroy();
      },
    };
  }

  /** The result as it lies in memory, padding lanes included. */
  async read(): Promise<Float32Array> {
    return new Float32Array(await this.gpu.read(this.#result, 0, bytes(this.node.shape)));
  }

  destroy(): void {
    for (const buffer of [...this.#inputs.values(), this.#result]) buffer.destroy();
  }
}
