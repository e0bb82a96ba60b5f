import { existsSync, readFileSync } from "node:fs";
import { GpuError } from "../../src/engine/errors.js";
import { type Gpu, STORAGE } from "../../src/engine/gpu.js";
import { aliasRoot, type BoundTo, type Dispatch, type Node, Scratch } from "../../src/engine/graph.js";
import { compileKernel, encodeUniform } from "../../src/engine/shader.js";
import { bytes, pack } from "../../src/engine/shape.js";
import type { Tensor } from "../../test/reference/tensor.js";

/** Dispatches made ready for the device, with the memory that only they use. */
export interface Ready {
  encode(pass: GPUComputePassEncoder): void;
  /** Fills the result and all scratch memory with NaN: what is left unwritten, or used unwritten, shows. */
  spoil(): void;
  destroy(): void;
}

/** The memory of one node: its inputs, filled, and its result, which every way to compute it shares. */
export class Workbench {
  readonly #buffers = new Map<Node, GPUBuffer>();

  constructor(
    private readonly gpu: Gpu,
    private readonly node: Node,
    inputs: ReadonlyMap<Node, Tensor>,
  ) {
    for (const [leaf, { data, shape }] of inputs) {
      const buffer = gpu.createBuffer(`input ${shape.join("×")}`, bytes(shape), STORAGE);
      gpu.write(buffer, pack(data, shape));
      this.#buffers.set(leaf, buffer);
    }
    this.#buffers.set(node, gpu.createBuffer("result", bytes(node.shape), STORAGE));
  }

  /** Compiles the kernels and makes bind groups. @throws GpuError */
  async prepare(dispatches: readonly Dispatch[]): Promise<Ready> {
    const { gpu } = this;
    const kernels = await Promise.all(dispatches.map(({ kernel }) => compileKernel(gpu, kernel)));
    const own = new Map<Scratch, GPUBuffer>();
    const uniforms: GPUBuffer[] = [];
    const locate = (bound: BoundTo): GPUBufferBinding => {
      if (bound instanceof Scratch) {
        const buffer = own.get(bound) ?? gpu.createBuffer("scratch", bound.bytes, STORAGE);
        own.set(bound, buffer);
        return { buffer, size: bound.bytes };
      }
      const buffer = typeof bound === "object" && "op" in bound && this.#buffers.get(aliasRoot(bound));
      if (!buffer) throw new GpuError("a rung binds what its problem does not have");
      return { buffer, size: bytes((bound as Node).shape) };
    };
    gpu.device.pushErrorScope("validation");
    const launches = dispatches.map(({ kernel, bind, uniform, groups }, i) => {
      const { bindings, layout, pipeline, uniformBytes } = kernels[i];
      const values = gpu.createBuffer("uniform", Math.max(16, uniformBytes), 0x40 | 0x08); // UNIFORM | COPY_DST
      uniforms.push(values);
      if (uniformBytes) gpu.device.queue.writeBuffer(values, 0, encodeUniform(kernel, kernels[i], uniform));
      const entries = bindings.map(({ name, index, type }) => ({
        binding: index,
        resource: type === "uniform" ? { buffer: values } : locate(bind[name]),
      }));
      return { pipeline, groups, bindings: gpu.device.createBindGroup({ label: kernel.name, layout, entries }) };
    });
    const error = await gpu.device.popErrorScope();
    if (error) throw new GpuError(error.message);
    const result = this.#result;
    return {
      encode(pass) {
        for (const { pipeline, bindings, groups } of launches) {
          pass.setPipeline(pipeline);
          pass.setBindGroup(0, bindings);
          pass.dispatchWorkgroups(...groups);
        }
      },
      spoil() {
        for (const buffer of [...own.values(), result]) {
          gpu.write(buffer, new Float32Array(buffer.size / 4).fill(Number.NaN));
        }
      },
      destroy() {
        for (const buffer of [...own.values(), ...uniforms]) buffer.destroy();
      },
    };
  }

  /** The result as it lies in memory, padding lanes included. */
  async read(): Promise<Float32Array> {
    return new Float32Array(await this.gpu.read(this.#result, 0, bytes(this.node.shape)));
  }

  get #result(): GPUBuffer {
    return this.#buffers.get(this.node) as GPUBuffer;
  }

  destroy(): void {
    for (const buffer of this.#buffers.values()) buffer.destroy();
  }
}

/** What one run takes, in ms. */
export interface Reading {
  readonly wall: number;
  /** Of all threads but this one: on a CPU adapter, the driver's. Other programs slow the wall's clock, not this one. */
  readonly cpu: number;
}

/** Submits `repeats` runs in a row and waits for them; `expected` wall ms a run are slept through: see pace.ts. */
export async function timed(gpu: Gpu, ready: Ready, repeats = 1, expected = 0): Promise<Reading> {
  const encoder = gpu.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  for (let i = 0; i < repeats; i++) ready.encode(pass);
  pass.end();
  const commands = encoder.finish();
  const begin = performance.now();
  const cpu = driverCpu();
  gpu.device.queue.submit([commands]);
  const sleep = 0.8 * repeats * expected;
  if (sleep > 1) await new Promise((resolve) => setTimeout(resolve, sleep));
  await gpu.device.queue.onSubmittedWorkDone();
  gpu.check();
  return { wall: (performance.now() - begin) / repeats, cpu: (driverCpu() - cpu) / repeats };
}

/** CPU ms of the other threads so far. This one polls while it waits. (Without Linux's /proc it counts too.) */
function driverCpu(): number {
  const { user, system } = process.cpuUsage();
  const file = `/proc/self/task/${process.pid}/schedstat`;
  const own = existsSync(file) ? Number(readFileSync(file, "utf8").split(" ")[0]) / 1e6 : 0;
  return (user + system) / 1e3 - own;
}
