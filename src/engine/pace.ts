import type { Gpu } from "./gpu.js";

/** Keeps at most two steps in flight, without keeping the CPU busy while it waits. */
export class Pace {
  #inFlight = 0;
  #settling: Promise<void> | undefined;
  /** What a step is expected to take; 0 if unknown, undefined before the first steps. */
  #stepMs: number | undefined;

  constructor(private readonly gpu: Gpu) {}

  /** To be called after each submit. Resolves when another step may be submitted. */
  submitted(): Promise<void> {
    this.#inFlight++;
    if (this.#inFlight < 2) return Promise.resolve();
    const done = this.settle();
    done.catch(() => {}); // who does not await it gets the error from the next call
    return done;
  }

  /** Resolves when all submitted steps are done. @throws GpuError */
  async settle(): Promise<void> {
    // A step submitted while others are waited for needs a wait of its own.
    while (this.#settling || this.#inFlight) {
      this.#settling ??= this.#wait().finally(() => {
        this.#settling = undefined;
      });
      await this.#settling;
    }
    this.gpu.check();
  }

  async #wait(): Promise<void> {
    const count = this.#inFlight;
    this.#inFlight = 0;
    const begin = performance.now();
    // While a promise of the queue is pending, Dawn's node binding polls and takes a core from a CPU adapter: sleep
    // through most of the expected time first.
    const expected = this.#stepMs ?? 0;
    const sleep = expected * count * 0.9;
    if (sleep > 1) await new Promise((resolve) => setTimeout(resolve, sleep));
    const woke = performance.now();
    await this.gpu.device.queue.onSubmittedWorkDone();
    const each = (performance.now() - begin) / count;
    const overslept = sleep > 1 && performance.now() - woke < 0.05 * sleep;
    // The first steps tell nothing: drivers compile kernels in them. Then in small steps: polling slows a CPU adapter
    // down, so what was measured while much was polled is too long, and to sleep far less would be to poll more.
    if (this.#stepMs === undefined) this.#stepMs = 0;
    else if (overslept) this.#stepMs = expected * 0.75;
    else this.#stepMs = expected ? Math.min(each, expected * 1.25) : each;
    this.gpu.check();
  }
}
