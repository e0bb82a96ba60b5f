import { closeSync, openSync, readlinkSync } from "node:fs";
import { isatty } from "node:tty";
import { isMainThread } from "node:worker_threads";

/**
 * Runs `work` with the process's stderr pointed at /dev/null, for the few synchronous milliseconds in which Dawn and the
 * Vulkan loader look for adapters: on most drivers, NVIDIA's and lavapipe included, Dawn prints warnings from C++ there
 * that no option turns off ("maxDynamicUniformBuffersPerPipelineLayout artificially reduced ..."), and more for every
 * driver that it refuses. JavaScript cannot write meanwhile, so nothing else is lost.
 *
 * Node has no dup2, but open() takes the lowest free number, and /proc/self/fd reopens a terminal or an anonymous pipe.
 * A socket cannot be reopened, and a reopened file would lose the offset that it may share with stdout (`>log 2>&1`
 * would overwrite itself): there the warnings stay. They also stay in worker threads and with SHIBORI_VERBOSE=1.
 */
export function quietly<T>(work: () => T): T {
  const saved = reopenStderr();
  if (saved === undefined) return work();
  pointStderrTo("/dev/null");
  try {
    return work();
  } finally {
    pointStderrTo(`/proc/self/fd/${saved}`);
    closeSync(saved);
  }
}

function reopenStderr(): number | undefined {
  if (process.platform !== "linux" || !isMainThread || process.env.SHIBORI_VERBOSE) return undefined;
  try {
    if (!isatty(2) && !readlinkSync("/proc/self/fd/2").startsWith("pipe:")) return undefined;
    return openSync("/proc/self/fd/2", "a");
  } catch {
    return undefined; // closed, or a terminal of another user (after su): it could not be brought back
  }
}

function pointStderrTo(path: string): void {
  closeSync(2);
  openSync(path, "a");
}
