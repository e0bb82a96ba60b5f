import { UserError } from "../engine/errors.js";
import { Gpu } from "../engine/gpu.js";
import { classify } from "./classify.js";

export interface OpenGpuOptions {
  /** Lowers the adapter's limit on one storage binding, in bytes. */
  maxBindingBytes?: number;
  /** Which GPU of several. Default "high-performance". */
  powerPreference?: GPUPowerPreference;
}

/**
 * Opens the browser's GPU.
 * @throws UserError if this browser, or the machine behind it, has no WebGPU
 */
export async function openGpu(options: OpenGpuOptions = {}): Promise<Gpu> {
  const { maxBindingBytes, powerPreference = "high-performance" } = options;
  const instance = navigator.gpu as GPU | undefined;
  if (!instance) {
    throw new UserError("this browser has no WebGPU here: use a current one, and a page from https or localhost");
  }
  const adapter = await instance.requestAdapter({ powerPreference });
  if (!adapter) {
    throw new UserError("this browser gives no GPU adapter: turn on hardware acceleration, or update the GPU's driver");
  }
  return Gpu.open(adapter, { kind: classify(adapter.info), maxBindingBytes });
}
