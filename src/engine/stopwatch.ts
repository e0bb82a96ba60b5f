import type { Gpu } from "./gpu.js";
import type { Launches } from "./launch.js";

/** Launches to be timed, so often in a row that one reading is long beside the clock's step. */
export interface Timed {
  readonly launches: Launches;
  readonly repeats: number;
  /** Milliseconds that one repetition is expected to take. */
  readonly expected: number;
}

/**
 * Measures how long launches take on a device: by the device's own clock where it has one, else from submitting to being
 * told that the work is done.
 */
export class Stopwatch {
  #stamps: { set: GPUQuerySet; buffer: GPUBuffer } | undefined;

  /**
   * @param most launches that can be timed at once
   * @param deviceClock false: do without
   */
  constructor(
    private readonly gpu: Gpu,
    most: number,
    deviceClock = gpu.device.features.has("timestamp-query"),
  ) {
    if (!deviceClock) return;
    const set = gpu.device.createQuerySet({ type: "timestamp", count: 2 * most });
    const buffer = gpu.createBuffer("timestamps", 16 * most, 0x200 | 0x04); // QUERY_RESOLVE | COPY_SRC
    this.#stamps = { set, buffer };
  }

  /** Milliseconds of one repetition of each, run one after the other. @throws GpuError */
  async time(all: readonly Timed[]): Promise<number[]> {
    if (this.#stamps) {
      const read = await this.#byDevice(all, this.#stamps);
      if (read.every((ms) => ms > 0)) return read;
      this.destroy(); // a driver whose clock stands still
    }
    const read: number[] = [];
    for (const each of all) read.push(await this.#byHost(each));
    return read;
  }

  async #byDevice(all: readonly Timed[], { set, buffer }: { set: GPUQuerySet; buffer: GPUBuffer }): Promise<number[]> {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    all.forEach((each, i) => {
      const [beginningOfPassWriteIndex, endOfPassWriteIndex] = [2 * i, 2 * i + 1];
      encode(encoder, each, { querySet: set, beginningOfPassWriteIndex, endOfPassWriteIndex });
    });
    encoder.resolveQuerySet(set, 0, 2 * all.length, buffer, 0);
    device.queue.submit([encoder.finish()]);
    // Until all is done: while a promise of the queue is pending, Dawn's node binding polls and takes a core from a CPU
    // adapter (see pace.ts). On two cores that doubled every other reading.
    await sleep(1.3 * expectedOf(all) + 1);
    const stamps = new BigUint64Array(await this.gpu.read(buffer, 0, 16 * all.length));
    return all.map(({ repeats }, i) => Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6 / repeats);
  }

  async #byHost(timed: Timed): Promise<number> {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    encode(encoder, timed);
    const commands = encoder.finish();
    const begin = performance.now();
    device.queue.submit([commands]);
    await sleep(0.8 * expectedOf([timed]));
    await device.queue.onSubmittedWorkDone();
    return (performance.now() - begin) / timed.repeats;
  }

  destroy(): void {
    this.#stamps?.set.destroy();
    this.#stamps?.buffer.destroy();
    this.#stamps = undefined;
  }
}

function encode(
  encoder: GPUCommandEncoder,
  { launches, repeats }: Timed,
  timestampWrites?: GPUComputePassTimestampWrites,
) {
  const pass = encoder.beginComputePass({ timestampWrites });
  for (let n = 0; n < repeats; n++) launches.encode(pass);
  pass.end();
}

const expectedOf = (all: readonly Timed[]): number =>
  all.reduce((total, { repeats, expected }) => total + repeats * expected, 0);

const sleep = async (ms: number): Promise<void> => {
  if (ms > 1) await new Promise((resolve) => setTimeout(resolve, ms));
};
