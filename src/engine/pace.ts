import type { Gpu } from "./gpu.js";

/** Steps that may be submitted before the first of them is done: the next is ready when one ends, and no more wait. */
const IN_FLIGHT = 2;

/** Keeps at most two steps in flight. */
export class Pace {
  /** One for each submitted step that nobody has waited for, the oldest first. */
  readonly #steps: Promise<unknown>[] = [];

  constructor(private readonly gpu: Gpu) {}

  /** To be called after each submit. Resolves when another step may be submitted. @throws GpuError */
  submitted(): Promise<void> {
    const step = this.gpu.patiently(this.gpu.device.queue.onSubmittedWorkDone());
    step.catch(() => {}); // the device's fault is what `check` throws
    this.#steps.push(step);
    if (this.#steps.length < IN_FLIGHT) return Promise.resolve();
    const done = this.#wait(this.#steps.shift());
    done.catch(() => {}); // who does not await it gets the error from the next call
    return done;
  }

  /** Resolves when all submitted steps are done. @throws GpuError */
  settle(): Promise<void> {
    return this.#wait(Promise.all(this.#steps.splice(0)));
  }

  async #wait(done: Promise<unknown> | undefined): Promise<void> {
    await done;
    this.gpu.check();
  }
}
