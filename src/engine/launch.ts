import { GpuError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import type { BoundTo, Dispatch } from "./graph.js";
import type { Location } from "./memory.js";
import { type CompiledKernel, compileKernel, encodeUniform } from "./shader.js";

/** What can be put into a compute pass. */
export interface Encodable {
  encode(pass: GPUComputePassEncoder): void;
}

/** A dispatch made ready for a device. */
interface Launch {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly groups: readonly [number, number, number];
}

/** Dispatches made ready for a device: each kernel compiled once, uniforms filled, bind groups made. */
export class Launches implements Encodable {
  private constructor(
    private readonly list: readonly Launch[],
    private readonly uniforms: GPUBuffer,
  ) {}

  /**
   * @param locate says where in the device's memory a value lies
   * @throws GpuError where a kernel does not compile, or is not given what it binds
   */
  static async prepare(
    gpu: Gpu,
    dispatches: readonly Dispatch[],
    locate: (bound: BoundTo) => Location,
  ): Promise<Launches> {
    const kernels = await Promise.all(dispatches.map(({ kernel }) => compileKernel(gpu, kernel)));
    const sizes = kernels.map((k) => Math.ceil(k.uniformBytes / 256) * 256);
    const total = sizes.reduce((a, b) => a + b, 0);
    const uniforms = gpu.createBuffer("uniforms", Math.max(16, total), 0x40 | 0x08); // UNIFORM | COPY_DST
    try {
      const data = new Uint8Array(total);
      let at = 0;
      const list = dispatches.map((dispatch, i): Launch => {
        const compiled = kernels[i];
        data.set(new Uint8Array(encodeUniform(dispatch.kernel, compiled, dispatch.uniform)), at);
        const uniform = { buffer: uniforms, offset: at, size: compiled.uniformBytes };
        at += sizes[i];
        const bindings = bind(gpu, dispatch, compiled, uniform, locate);
        return { pipeline: compiled.pipeline, bindings, groups: dispatch.groups };
      });
      if (total) gpu.device.queue.writeBuffer(uniforms, 0, data);
      return new Launches(list, uniforms);
    } catch (error) {
      uniforms.destroy();
      throw error;
    }
  }

  get count(): number {
    return this.list.length;
  }

  /** Each by itself, in order. They live as long as this does. */
  get each(): readonly Encodable[] {
    return this.list.map((launch) => ({ encode: (pass) => encodeList(pass, [launch]) }));
  }

  encode(pass: GPUComputePassEncoder): void {
    encodeList(pass, this.list);
  }

  destroy(): void {
    this.uniforms.destroy();
  }
}

function encodeList(pass: GPUComputePassEncoder, list: readonly Launch[]): void {
  let pipeline: GPUComputePipeline | undefined;
  for (const launch of list) {
    if (launch.pipeline !== pipeline) {
      pipeline = launch.pipeline;
      pass.setPipeline(pipeline);
    }
    pass.setBindGroup(0, launch.bindings);
    pass.dispatchWorkgroups(...launch.groups);
  }
}

function bind(
  gpu: Gpu,
  { kernel, bind: given }: Dispatch,
  compiled: CompiledKernel,
  uniform: GPUBufferBinding,
  locate: (bound: BoundTo) => Location,
): GPUBindGroup {
  const wanted = compiled.bindings.filter((b) => b.type !== "uniform").map((b) => b.name);
  const names = Object.keys(given);
  if (wanted.length !== names.length || wanted.some((name) => !names.includes(name))) {
    throw new GpuError(`kernel ${kernel.name} binds [${wanted.join(", ")}], but was given [${names.join(", ")}]`);
  }
  return gpu.device.createBindGroup({
    label: kernel.name,
    layout: compiled.layout,
    entries: compiled.bindings.map(({ name, index, type }) => {
      if (type === "uniform") return { binding: index, resource: uniform };
      const { buffer, offset, bytes: size } = locate(given[name]);
      return { binding: index, resource: { buffer, offset, size } };
    }),
  });
}
