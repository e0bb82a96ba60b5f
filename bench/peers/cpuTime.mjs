import { readFileSync } from "node:fs";

/**
 * CPU time so far of all threads but the main one, in ms: what a CPU adapter computes with. The main thread encodes, and
 * while a promise of Dawn's queue is pending it polls, which would count waiting as work. Where the system does not tell
 * the threads apart (not Linux) it is counted as well.
 */
export function adapterCpuMs() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e3 - mainThreadMs();
}

function mainThreadMs() {
  try {
    // Nanoseconds on a CPU, nanoseconds waited for one, time slices.
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  } catch {
    return 0;
  }
}
