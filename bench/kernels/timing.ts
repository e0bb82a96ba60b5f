import { existsSync, readFileSync } from "node:fs";
import type { Gpu } from "../../src/engine/gpu.js";
import { Stopwatch } from "../../src/engine/stopwatch.js";
import type { Ready } from "./problemMemory.js";

/** What one run takes, in ms. */
export interface Reading {
  readonly wall: number;
  /** Of all threads but this one: on a CPU adapter, the driver's. Another load on the machine adds little to it. */
  readonly cpu: number;
}

/** Reads the times of kernels, one by one. */
export class Timer {
  readonly #stopwatch: Stopwatch;

  constructor(gpu: Gpu) {
    this.#stopwatch = new Stopwatch(gpu, 1);
  }

  /** Runs `repeats` times in a row. @param expected ms that one run takes, roughly; 0 if unknown */
  async read({ launches }: Ready, repeats = 1, expected = 0): Promise<Reading> {
    const before = driverCpu();
    const [wall] = await this.#stopwatch.time([{ launches, repeats, expected }]);
    return { wall, cpu: (driverCpu() - before) / repeats };
  }

  destroy(): void {
    this.#stopwatch.destroy();
  }
}

/** CPU ms of the other threads so far. This one may poll while it waits. (Without Linux's /proc it counts too.) */
function driverCpu(): number {
  const { user, system } = process.cpuUsage();
  const file = `/proc/self/task/${process.pid}/schedstat`;
  const own = existsSync(file) ? Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6 : 0;
  return (user + system) / 1e3 - own;
}
