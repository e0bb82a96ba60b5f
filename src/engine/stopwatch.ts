import type { Gpu } from "./gpu.js";
import type { Encodable } from "./launch.js";

/** Launches to be timed, so often in a row that one reading is long beside the clock's step. */
export interface Timed {
  readonly launches: Encodable;
  readonly repeats: number;
  /** Milliseconds that one repetition is expected to take. */
  readonly expected: number;
}

/** When something began and ended, in milliseconds. */
export interface Interval {
  readonly begin: number;
  readonly end: number;
}

/** Launches that ran one after the other, each with its repetitions in a compute pass of its own. */
export interface Timeline {
  /** By the device's clock, from the first pass on, or by the host's. */
  readonly passes: readonly Interval[];
  /** By the host's clock: when each pass was encoded, and the submissions. */
  readonly encodes: readonly Interval[];
  readonly submits: readonly Interval[];
}

/** A query set holds at most 4,096 timestamps, two a pass. */
const PASSES = 2048;

/**
 * Measures how long launches take on a device: by the device's own clock where it has one, else from submitting to being
 * told that the work is done.
 */
export class Stopwatch {
  #stamps: { sets: GPUQuerySet[]; buffer: GPUBuffer } | undefined;

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
    const sets = Array.from({ length: Math.ceil(most / PASSES) }, (_, i) =>
      gpu.device.createQuerySet({ type: "timestamp", count: 2 * Math.min(PASSES, most - i * PASSES) }),
    );
    const buffer = gpu.createBuffer("timestamps", 16 * most, 0x200 | 0x04); // QUERY_RESOLVE | COPY_SRC
    this.#stamps = { sets, buffer };
  }

  /** Whose clock measures. */
  get clock(): "device" | "host" {
    return this.#stamps ? "device" : "host";
  }

  /** Milliseconds of one repetition of each, run one after the other. @throws GpuError */
  async time(all: readonly Timed[]): Promise<number[]> {
    const { passes } = await this.timeline(all);
    return passes.map(({ begin, end }, i) => (end - begin) / all[i].repeats);
  }

  /** When each ran. @throws GpuError */
  async timeline(all: readonly Timed[]): Promise<Timeline> {
    if (this.#stamps) {
      const read = await this.#byDevice(all, this.#stamps);
      if (read.passes.every(({ begin, end }) => end > begin)) return read;
      this.destroy(); // a driver whose clock stands still
    }
    return this.#byHost(all);
  }

  async #byDevice(
    all: readonly Timed[],
    { sets, buffer }: { sets: GPUQuerySet[]; buffer: GPUBuffer },
  ): Promise<Timeline> {
    const { device } = this.gpu;
    const encoder = device.createCommandEncoder();
    const encodes = all.map((each, i) => {
      const beginningOfPassWriteIndex = 2 * (i % PASSES);
      const endOfPassWriteIndex = beginningOfPassWriteIndex + 1;
      const querySet = sets[Math.floor(i / PASSES)];
      return encode(encoder, each, { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex });
    });
    for (let from = 0; from < all.length; from += PASSES) {
      const count = Math.min(PASSES, all.length - from);
      encoder.resolveQuerySet(sets[from / PASSES], 0, 2 * count, buffer, 16 * from);
    }
    const begin = performance.now();
    device.queue.submit([encoder.finish()]);
    const submits = [{ begin, end: performance.now() }];
    // Until all is done: while a promise of the queue is pending, Dawn's node binding polls and takes a core from a CPU
    // adapter (see doze.ts). On two cores that doubled every other reading.
    const expected = all.reduce((total, each) => total + each.repeats * each.expected, 0);
    await new Promise((resolve) => setTimeout(resolve, 1.3 * expected + 1));
    const stamps = new BigUint64Array(await this.gpu.read(buffer, 0, 16 * all.length));
    // From the first one on: a number does not hold 64 bits.
    const ms = (i: number) => Number(stamps[i] - stamps[0]) / 1e6;
    return { passes: all.map((_, i) => ({ begin: ms(2 * i), end: ms(2 * i + 1) })), encodes, submits };
  }

  async #byHost(all: readonly Timed[]): Promise<Timeline> {
    const { device } = this.gpu;
    const passes: Interval[] = [];
    const encodes: Interval[] = [];
    const submits: Interval[] = [];
    for (const timed of all) {
      const encoder = device.createCommandEncoder();
      encodes.push(encode(encoder, timed));
      const commands = encoder.finish();
      const begin = performance.now();
      device.queue.submit([commands]);
      submits.push({ begin, end: performance.now() });
      // No sleep: it would be part of the reading, and nobody knows yet how long a kernel takes.
      await device.queue.onSubmittedWorkDone();
      passes.push({ begin, end: performance.now() });
    }
    return { passes, encodes, submits };
  }

  destroy(): void {
    for (const set of this.#stamps?.sets ?? []) set.destroy();
    this.#stamps?.buffer.destroy();
    this.#stamps = undefined;
  }
}

function encode(
  encoder: GPUCommandEncoder,
  { launches, repeats }: Timed,
  timestampWrites?: GPUComputePassTimestampWrites,
): Interval {
  const begin = performance.now();
  const pass = encoder.beginComputePass({ timestampWrites });
  for (let n = 0; n < repeats; n++) launches.encode(pass);
  pass.end();
  return { begin, end: performance.now() };
}
