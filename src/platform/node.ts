import { Gpu } from "../engine/gpu.js";
import { remedy, selectAdapter } from "./adapters.js";
import type { DawnOptions } from "./dawn.js";
import { dozeUntil } from "./doze.js";

export { type TunedFor, TuneFile, tunedFor } from "./tuneCache.js";

export interface OpenGpuOptions extends DawnOptions {
  /**
   * `auto`, `hardware`, `software` (an installed CPU driver), `embedded` (the CPU driver that came with npm), or a part
   * of an adapter's name. Default: the environment variable SHIBORI_ADAPTER, else `auto`.
   */
  adapter?: string;
  /** Lowers the adapter's limit on one storage binding, in bytes. */
  maxBindingBytes?: number;
}

/**
 * Opens the best adapter of this machine, or the one asked for.
 * @throws UserError if it is not there: the message lists what is.
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const { adapter: spec = process.env.SHIBORI_ADAPTER || "auto", maxBindingBytes, ...dawn } = options;
  const { adapter, kind, keepAlive } = await selectAdapter(spec, dawn);
  // Of a GPU's machine a core can be spared to notice at once that a step is done.
  const patiently = kind === "hardware" ? undefined : dozeUntil;
  return Gpu.open(adapter, { kind, keepAlive, maxBindingBytes, patiently });
}

/** One line for the screen: which adapter runs and, where it is a slow one, how to get a faster one. */
export function adapterLine(gpu: Pick<Gpu, "kind" | "adapter">): string {
  const { device, description } = gpu.adapter.info;
  if (gpu.kind === "hardware") return `adapter: ${[device, description].filter(Boolean).join(", ")}`;
  if (gpu.kind === "software") {
    return `adapter: ${description || device} (installed software driver, CPU): a GPU with its driver would be far faster`;
  }
  return `adapter: SwiftShader (embedded, CPU; slow). For a faster one, ${remedy("software")}`;
}
