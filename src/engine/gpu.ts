/// <reference types="@webgpu/types" />
import { GpuError, UserError } from "./errors.js";
import type { CompiledKernel } from "./shader.js";

/** Where an adapter's work runs: a GPU, an installed CPU driver, or the CPU driver that comes with this package. */
export type AdapterKind = "hardware" | "software" | "embedded";

export interface GpuOptions {
  kind: AdapterKind;
  /** Held as long as the Gpu lives: Dawn's node binding crashes once V8 collects the object that made the adapter. */
  keepAlive?: unknown;
  /** How to wait for the GPU, where merely to await is not well: see src/platform/doze.ts. */
  patiently?: <T>(done: Promise<T>) => Promise<T>;
  /** Lowers the adapter's limit on one storage binding, in bytes: for tests of batch slicing. */
  maxBindingBytes?: number;
}

const FEATURES: GPUFeatureName[] = ["subgroups", "shader-f16", "timestamp-query"];
const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxStorageBuffersPerShaderStage",
] as const;

/** Every open device stays reachable for the life of the process (see GpuOptions.keepAlive). */
const holder = globalThis as { shibori?: unknown[] };
holder.shibori ??= [];
const alive = holder.shibori;

/** A device, its limits, the buffers that outlive one program, and the first error that the device reported. */
export class Gpu {
  /** Largest storage binding in bytes, a multiple of 256. Every tensor's slot stays within it. */
  readonly maxBindingBytes: number;
  /** Lanes of a subgroup, or 0 where the adapter has no subgroups or no single size. */
  readonly subgroupSize: number;
  /** Compiled kernels by their full source text. */
  readonly kernels = new Map<string, Promise<CompiledKernel>>();
  readonly #resident = new WeakMap<object, GPUBuffer>();
  #fault: GpuError | undefined;

  private constructor(
    readonly adapter: GPUAdapter,
    readonly device: GPUDevice,
    readonly kind: AdapterKind,
    maxBindingBytes: number,
    /** Settles as a promise of the queue or of a mapping does. */
    readonly patiently: <T>(done: Promise<T>) => Promise<T>,
  ) {
    const limit = Math.min(device.limits.maxStorageBufferBindingSize, maxBindingBytes);
    this.maxBindingBytes = Math.floor(limit / 256) * 256;
    const { subgroupMinSize: min, subgroupMaxSize: max } = adapter.info;
    this.subgroupSize = device.features.has("subgroups") && min === max ? min : 0;
    device.lost.then(({ reason, message }) => {
      this.#fail(
        reason === "destroyed" ? "the GPU device was closed" : `the GPU device was lost: ${message || reason}`,
      );
    });
    device.addEventListener("uncapturederror", (event) => {
      event.preventDefault();
      this.#fail(`the GPU reported an error: ${event.error.message}`);
    });
  }

  /**
   * Requests a device with the adapter's own limits and the features that kernels can use.
   * @throws GpuError when the adapter gives no device.
   */
  static async open(adapter: GPUAdapter, options: GpuOptions): Promise<Gpu> {
    const { maxBindingBytes = Number.POSITIVE_INFINITY, patiently = (done) => done } = options;
    if (!(maxBindingBytes >= 256)) throw new UserError(`maxBindingBytes ${maxBindingBytes} must be at least 256`);
    const requiredFeatures = FEATURES.filter((name) => adapter.features.has(name));
    const requiredLimits = Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]]));
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ requiredFeatures, requiredLimits });
    } catch (error) {
      throw new GpuError(`adapter "${adapter.info.device}" gave no device: ${(error as Error).message}`);
    }
    const gpu = new Gpu(adapter, device, options.kind, maxBindingBytes, patiently);
    alive.push([gpu, options.keepAlive]);
    return gpu;
  }

  /** The adapter's name as its driver gives it. */
  get name(): string {
    const { device, description, vendor } = this.adapter.info;
    return device || description || vendor || "unnamed adapter";
  }

  #fail(message: string): void {
    this.#fault ??= new GpuError(message.trim());
  }

  /** @throws GpuError if the device was lost or reported an error since it was opened. */
  check(): void {
    if (this.#fault) throw this.#fault;
  }

  /** Runs `work`; an error that the device reports meanwhile is thrown, before whatever `work` throws. @throws GpuError */
  async scoped<T>(what: string, work: () => Promise<T>): Promise<T> {
    this.device.pushErrorScope("out-of-memory");
    this.device.pushErrorScope("validation");
    try {
      return await work();
    } finally {
      const errors = [await this.device.popErrorScope(), await this.device.popErrorScope()];
      const error = errors.find((e) => e);
      // biome-ignore lint/correctness/noUnsafeFinally: the scope's error is the cause of whatever else was thrown
      if (error) throw new GpuError(`${what} failed: ${error.message}`);
    }
  }

  /** @throws UserError if the size is beyond the adapter's largest buffer. */
  createBuffer(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    if (bytes > this.device.limits.maxBufferSize) {
      const limit = this.device.limits.maxBufferSize;
      throw new UserError(`${label} needs ${bytes} bytes in one buffer, but adapter "${this.name}" allows ${limit}`);
    }
    return this.device.createBuffer({ label, size: Math.ceil(bytes / 16) * 16, usage });
  }

  /** The buffer that belongs to `owner` on this device, made and filled on first use; shared by all programs. */
  resident(owner: object, label: string, bytes: number, initial?: () => Float32Array | Uint32Array): GPUBuffer {
    let buffer = this.#resident.get(owner);
    if (!buffer) {
      buffer = this.createBuffer(label, bytes, STORAGE);
      if (initial) this.write(buffer, initial());
      this.#resident.set(owner, buffer);
    }
    return buffer;
  }

  write(buffer: GPUBuffer, data: Float32Array | Uint32Array, offset = 0): void {
    this.device.queue.writeBuffer(buffer, offset, data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  }

  /** Copies bytes back to the CPU; resolves after all work submitted so far. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.check();
    const staging = this.createBuffer("staging", bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const encoder = this.device.createCommandEncoder();
    encoder.copyBufferToBuffer(buffer, offset, staging, 0, bytes);
    this.device.queue.submit([encoder.finish()]);
    try {
      await this.patiently(staging.mapAsync(GPUMapMode.READ));
    } catch (error) {
      this.#fail(`reading from the GPU failed: ${(error as Error).message}`);
    }
    this.check();
    const copy = staging.getMappedRange().slice(0, bytes);
    staging.destroy();
    return copy;
  }

  /** Frees the device; programs on it throw from now on. */
  destroy(): void {
    this.#fail("the GPU device was closed");
    this.device.destroy();
  }
}

/** Usage of every buffer that kernels work on. (STORAGE | COPY_SRC | COPY_DST: the flags are fixed by the standard.) */
export const STORAGE = 0x80 | 0x04 | 0x08;
