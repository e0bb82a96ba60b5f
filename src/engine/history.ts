import { type Gpu, STORAGE } from "./gpu.js";
import type { Location } from "./memory.js";

/** The scalar outputs of consecutive steps, the first of which is step number `first`. */
export interface History {
  first: number;
  values: Record<string, Float32Array>;
}

/** Scalars of the latest steps, kept on the GPU so that no step waits for the CPU to read them. */
export class Ring {
  readonly #buffer: GPUBuffer | undefined;
  #read = 0;

  /** @param rows steps that are kept */
  constructor(
    private readonly gpu: Gpu,
    private readonly scalars: readonly { name: string; at: Location }[],
    private readonly rows: number,
  ) {
    if (scalars.length) this.#buffer = gpu.createBuffer("history", scalars.length * rows * 4, STORAGE);
  }

  /** Forgets all before a step. */
  startAt(step: number): void {
    this.#read = step;
  }

  /** Encodes the copies that end a step. */
  record(encoder: GPUCommandEncoder, step: number): void {
    this.scalars.forEach(({ at }, i) => {
      const to = ((step % this.rows) * this.scalars.length + i) * 4;
      encoder.copyBufferToBuffer(at.buffer, at.offset, this.#buffer as GPUBuffer, to, 4);
    });
  }

  /** What was recorded since the last call, up to `last` steps. */
  async take(last: number): Promise<History> {
    const first = Math.max(this.#read, last - this.rows);
    this.#read = last;
    const values = Object.fromEntries(this.scalars.map(({ name }) => [name, new Float32Array(last - first)]));
    if (this.#buffer && last > first) {
      const width = this.scalars.length;
      const ring = new Float32Array(await this.gpu.read(this.#buffer, 0, width * this.rows * 4));
      for (let step = first; step < last; step++) {
        this.scalars.forEach(({ name }, i) => {
          values[name][step - first] = ring[(step % this.rows) * width + i];
        });
      }
    }
    return { first: first + 1, values };
  }

  destroy(): void {
    this.#buffer?.destroy();
  }
}
