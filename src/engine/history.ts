import { type Gpu, STORAGE } from "./gpu.js";
import type { Location } from "./memory.js";

/** The scalar outputs of consecutive steps, the first of which is step number `first`. */
export interface History {
  first: number;
  values: Record<string, Float32Array>;
  /**
   * The first step, of all so far, whose update was not applied because its loss or gradients were not finite. No later
   * one was applied either: parameters and moments are what that step began with.
   */
  fault: number | undefined;
}

/** Scalars of the latest steps, kept on the GPU so that no step waits for the CPU to read them. */
export class Ring {
  readonly #buffer: GPUBuffer;
  /** Bytes of the scalars; the fault word lies behind them. */
  readonly #size: number;
  #read = 0;
  #fault: number | undefined;

  /**
   * @param fault where the step at fault is found, see Memory
   * @param rows steps that are kept
   */
  constructor(
    private readonly gpu: Gpu,
    private readonly scalars: readonly { name: string; at: Location }[],
    private readonly fault: Location,
    private readonly rows: number,
  ) {
    this.#size = scalars.length * rows * 4;
    this.#buffer = gpu.createBuffer("history", this.#size + 4, STORAGE);
  }

  /** Forgets all before a step. */
  startAt(step: number): void {
    this.#read = step;
    this.#fault = undefined;
  }

  /** Encodes the copies that end a step. */
  record(encoder: GPUCommandEncoder, step: number): void {
    this.scalars.forEach(({ at }, i) => {
      const to = ((step % this.rows) * this.scalars.length + i) * 4;
      encoder.copyBufferToBuffer(at.buffer, at.offset, this.#buffer, to, 4);
    });
    encoder.copyBufferToBuffer(this.fault.buffer, this.fault.offset, this.#buffer, this.#size, 4);
  }

  /** What was recorded since the last call, up to `last` steps. */
  async take(last: number): Promise<History> {
    const first = Math.max(this.#read, last - this.rows);
    this.#read = last;
    const values = Object.fromEntries(this.scalars.map(({ name }) => [name, new Float32Array(last - first)]));
    if (last > first) {
      const width = this.scalars.length;
      const bytes = await this.gpu.read(this.#buffer, 0, this.#size + 4);
      this.#fault = new DataView(bytes).getUint32(this.#size, true) || undefined;
      const ring = new Float32Array(bytes, 0, this.#size / 4);
      for (let step = first; step < last; step++) {
        this.scalars.forEach(({ name }, i) => {
          values[name][step - first] = ring[(step % this.rows) * width + i];
        });
      }
    }
    return { first: first + 1, values, fault: this.#fault };
  }

  destroy(): void {
    this.#buffer.destroy();
  }
}
