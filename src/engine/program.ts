import advance from "../../shaders/advance.wgsl";
import { fitBatches } from "./batch.js";
import { GpuError, UserError } from "./errors.js";
import { type Gpu, STORAGE } from "./gpu.js";
import {
  aliasRoot,
  type BoundTo,
  type Dispatch,
  type Node,
  Scratch,
  type Target,
  topological,
  traced,
} from "./graph.js";
import { constantOp, inputOp } from "./ops/leaf.js";
import type { PackAttrs } from "./ops/pack.js";
import type { ParameterAttrs } from "./parameters.js";
import { type Lifetime, planSlots, type SlotPlan } from "./plan.js";
import { type CompiledKernel, compileKernel, encodeUniform, type Kernel } from "./shader.js";
import { bytes, elements, format, pack, type Shape, unpack } from "./shape.js";

export interface CompileOptions {
  /** Key of the random streams: a non-negative safe integer. Default 0. */
  seed?: number;
  /** Give every node memory of its own, so that `readNode` can read any of them. For debugging. */
  keepAll?: boolean;
  /** Force a kernel style by op name, or for all with "*": see tune.ts. */
  kernels?: Record<string, string>;
  /** Steps of scalar outputs kept on the GPU until `history` reads them. Default 256. */
  history?: number;
}

/** The scalar outputs of consecutive steps, the first of which is step number `first`. */
export interface History {
  first: number;
  values: Record<string, Float32Array>;
}

interface Location {
  buffer: GPUBuffer;
  offset: number;
  bytes: number;
}

interface Launch {
  pipeline: GPUComputePipeline;
  bindings: GPUBindGroup;
  groups: readonly [number, number, number];
}

/** A node with the dispatches that compute it. */
interface Stage {
  node: Node;
  dispatches: Dispatch[];
}

/** A graph laid out: what runs in which order, and which memory each value has. Needs no GPU. */
export interface Layout {
  stages: Stage[];
  plan: SlotPlan;
  /** Index of each planned value (node or scratch) in the plan. */
  valueOf: Map<Node | Scratch, number>;
  /** The packed buffer that a node lies in, and where. */
  packedIn: Map<Node, { pack: Node; offset: number }>;
  /** Values whose memory is not used again after them: those that can be read after a step. */
  kept: Set<Node | Scratch>;
}

/** Orders, lowers and plans a graph. */
export function layOut(outputs: readonly Node[], target: Target, keepAll = false): Layout {
  const stages = topological(outputs).map((node) => ({ node, dispatches: node.op.lower?.(node, target) ?? [] }));
  const packedIn: Layout["packedIn"] = new Map();
  for (const { node } of stages) {
    if (node.op.kind !== "pack") continue;
    const { offsets } = node.attrs as PackAttrs;
    node.inputs.forEach((x, i) => {
      packedIn.set(x, { pack: node, offset: offsets[i] });
    });
  }
  // The value that holds a node's numbers: itself, or what it is an alias or a part of; none for leaves and effects.
  const home = (node: Node): Node | undefined => {
    const root = aliasRoot(node);
    if (root.op.kind === "leaf" || root.op.kind === "effect") return undefined;
    return packedIn.get(root)?.pack ?? root;
  };
  const end = stages.length;
  const values: (Node | Scratch)[] = [];
  const lives: { -readonly [K in keyof Lifetime]: Lifetime[K] }[] = [];
  const known: Layout["valueOf"] = new Map();
  const live = (value: Node | Scratch, size: number, at: number) => {
    const index = known.get(value);
    if (index === undefined) {
      known.set(value, values.push(value) - 1);
      lives.push({ bytes: size, first: at, last: at });
    } else {
      lives[index].last = at;
    }
  };
  stages.forEach(({ node, dispatches }, at) => {
    for (const touched of [...node.inputs, node]) {
      const value = home(touched);
      if (value) live(value, bytes(value.shape), at);
    }
    for (const { bind } of dispatches) {
      for (const bound of Object.values(bind)) if (bound instanceof Scratch) live(bound, bound.bytes, at);
    }
  });
  const forever = new Set(outputs.map(home));
  const kept: Layout["kept"] = new Set();
  values.forEach((value, i) => {
    // The gaps of a packed buffer must stay zero, so it shares its slot with nothing.
    const packed = !(value instanceof Scratch) && value.op.kind === "pack";
    if (packed) lives[i].first = -1;
    if (packed || keepAll || forever.has(value as Node)) {
      lives[i].last = end;
      kept.add(value);
    }
  });
  return { stages, plan: planSlots(lives), valueOf: known, packedIn, kept };
}

/**
 * Traces, lays out and compiles a program: everything that can be decided is decided here, before the first step.
 * @param build returns the program's outputs by name; an optimiser's update is one of them
 * @throws ShapeError from the ops, UserError where a tensor does not fit the adapter, GpuError
 */
export async function compile(
  gpu: Gpu,
  build: () => Record<string, Node>,
  options: CompileOptions = {},
): Promise<Program> {
  const { seed = 0, history = 256 } = options;
  if (!Number.isSafeInteger(seed) || seed < 0) throw new UserError(`seed ${seed} must be a whole number from 0`);
  if (!Number.isSafeInteger(history) || history < 1) {
    throw new UserError(`history of ${history} steps must be a whole number from 1`);
  }
  const target: Target = {
    subgroupSize: gpu.subgroupSize,
    cpu: gpu.kind !== "hardware",
    kernels: options.kernels ?? {},
    maxBindingBytes: gpu.maxBindingBytes,
  };
  const named = traced(build);
  const names = Object.keys(named);
  const parts = fitBatches(Object.values(named), gpu.maxBindingBytes);
  const layout = layOut(parts.flat(), target, options.keepAll);
  const inputs = layout.stages.filter(({ node }) => node.op === inputOp).map(({ node }) => inputName(node));
  const twice = inputs.find((name, i) => inputs.indexOf(name) !== i);
  if (twice !== undefined) throw new UserError(`input "${twice}" is made twice: use one node, or two names`);
  gpu.check();
  const outputs = new Map(names.map((name, i) => [name, { shape: named[name].shape, nodes: parts[i] }]));
  return Program.create(gpu, layout, outputs, seed, history);
}

type Outputs = Map<string, { shape: Shape; nodes: Node[] }>;

const inputName = (node: Node): string => (node.attrs as { name: string }).name;

/** A compiled graph. A step encodes ready bind groups and submits once; it creates no buffer, bind group or pipeline. */
export class Program {
  /** Steps run, which is also the number of the latest step. */
  steps = 0;
  readonly #slots: GPUBuffer[];
  readonly #leaves = new Map<Node, GPUBuffer>();
  readonly #clock: GPUBuffer;
  #uniforms: GPUBuffer | undefined;
  readonly #seed: number;
  readonly #launches: Launch[] = [];
  readonly #scalars: { name: string; at: Location }[] = [];
  readonly #ring: GPUBuffer | undefined;
  readonly #ringRows: number;
  #ringRead = 0;
  #inFlight = 0;
  #settling: Promise<void> | undefined;
  /** What a step is expected to take; 0 if unknown, undefined before the first steps. */
  #stepMs: number | undefined;

  private constructor(
    readonly gpu: Gpu,
    readonly layout: Layout,
    readonly outputs: Outputs,
    seed: number,
    history: number,
  ) {
    this.#seed = seed;
    this.#slots = layout.plan.slots.map((size, i) => gpu.createBuffer(`slot ${i}`, size, STORAGE));
    this.#clock = gpu.createBuffer("clock", 16, STORAGE);
    this.setStep(0);
    for (const { node } of layout.stages) {
      const { shape, values, name } = node.attrs as {
        shape: Shape;
        values?: Float32Array | Uint32Array;
        name?: string;
      };
      if (node.op === constantOp) {
        const fill = () => (values instanceof Uint32Array ? values : pack(values as Float32Array, shape));
        this.#leaves.set(node, gpu.resident(node, "constant", bytes(shape), fill));
      } else if (node.op === inputOp) {
        this.#leaves.set(node, gpu.createBuffer(`input ${name}`, bytes(shape), STORAGE));
      }
    }
    for (const [name, { shape, nodes }] of outputs) {
      if (shape.length === 0 && nodes[0].op.kind !== "effect") this.#scalars.push({ name, at: this.#locate(nodes[0]) });
    }
    this.#ringRows = history;
    if (this.#scalars.length) {
      this.#ring = gpu.createBuffer("history", this.#scalars.length * history * 4, STORAGE);
    }
  }

  static async create(gpu: Gpu, layout: Layout, outputs: Outputs, seed: number, history: number): Promise<Program> {
    gpu.device.pushErrorScope("out-of-memory");
    gpu.device.pushErrorScope("validation");
    let program: Program | undefined;
    try {
      program = new Program(gpu, layout, outputs, seed, history);
      await program.#prepare();
    } finally {
      const errors = [await gpu.device.popErrorScope(), await gpu.device.popErrorScope()];
      const error = errors.find((e) => e);
      if (error) {
        program?.destroy();
        // biome-ignore lint/correctness/noUnsafeFinally: the scope's error is the cause of whatever else was thrown
        throw new GpuError(`compiling the program failed: ${error.message}`);
      }
    }
    gpu.check();
    return program;
  }

  /** Compiles each kernel once, in parallel, fills the uniforms, and makes the bind groups. */
  async #prepare(): Promise<void> {
    const clock: Dispatch = {
      kernel: { name: "advance", source: advance },
      bind: { clock: "clock" },
      uniform: {},
      groups: [1, 1, 1],
    };
    const dispatches = [clock, ...this.layout.stages.flatMap((stage) => stage.dispatches)];
    const kernels = await Promise.all(dispatches.map(({ kernel }) => compileKernel(this.gpu, kernel)));
    const sizes = kernels.map((k) => Math.ceil(k.uniformBytes / 256) * 256);
    const total = sizes.reduce((a, b) => a + b, 0);
    const uniforms = this.gpu.createBuffer("uniforms", Math.max(16, total), 0x40 | 0x08); // UNIFORM | COPY_DST
    this.#uniforms = uniforms;
    const data = new Uint8Array(total);
    let at = 0;
    dispatches.forEach((dispatch, i) => {
      const compiled = kernels[i];
      data.set(new Uint8Array(encodeUniform(dispatch.kernel, compiled, dispatch.uniform)), at);
      const bindings = this.#bind(dispatch, compiled, { buffer: uniforms, offset: at, size: compiled.uniformBytes });
      this.#launches.push({ pipeline: compiled.pipeline, bindings, groups: dispatch.groups });
      at += sizes[i];
    });
    if (total) this.gpu.device.queue.writeBuffer(uniforms, 0, data);
  }

  #bind({ kernel, bind }: Dispatch, compiled: CompiledKernel, uniform: GPUBufferBinding): GPUBindGroup {
    checkNames(kernel, compiled, bind);
    return this.gpu.device.createBindGroup({
      label: kernel.name,
      layout: compiled.layout,
      entries: compiled.bindings.map(({ name, index, type }) => {
        if (type === "uniform") return { binding: index, resource: uniform };
        const { buffer, offset, bytes: size } = this.#locate(bind[name]);
        return { binding: index, resource: { buffer, offset, size } };
      }),
    });
  }

  #locate(bound: BoundTo): Location {
    const whole = (buffer: GPUBuffer, size: number): Location => ({ buffer, offset: 0, bytes: size });
    if (bound === "clock") return whole(this.#clock, 16);
    if (bound instanceof Scratch) return whole(this.#slots[this.#slotOf(bound)], bound.bytes);
    if ("state" in bound) {
      const buffer = this.gpu.resident(bound.state, bound.label, bound.stateBytes, bound.initial);
      return { buffer, offset: bound.offset, bytes: bound.bytes };
    }
    if ("node" in bound) {
      const { buffer, offset } = this.#locate(bound.node);
      return { buffer, offset: offset + bound.offset, bytes: bound.bytes };
    }
    const size = bytes(bound.shape);
    if (bound.op.kind === "alias") return { ...this.#locate(bound.inputs[0]), bytes: size };
    if (bound.op.name === "parameter") {
      const { owner, index } = bound.attrs as ParameterAttrs;
      return this.#locate(owner.window("values", owner.layout().offsets[index], size));
    }
    const leaf = this.#leaves.get(bound);
    if (leaf) return whole(leaf, size);
    const inside = this.layout.packedIn.get(bound);
    if (inside) return { ...this.#locate(inside.pack), offset: inside.offset, bytes: size };
    return whole(this.#slots[this.#slotOf(bound)], size);
  }

  #slotOf(value: Node | Scratch): number {
    const index = this.layout.valueOf.get(value);
    if (index === undefined) throw new UserError("this node is not part of the program");
    return this.layout.plan.slotOf[index];
  }

  /** Sets the number of the latest step, to continue a run: the next step is `step + 1`. @throws UserError */
  setStep(step: number): void {
    if (!Number.isInteger(step) || step < 0 || step >= 2 ** 32) {
      throw new UserError(`step ${step} must be a whole number from 0 to below 2^32`);
    }
    this.steps = step;
    this.#ringRead = step;
    const words = [step, this.#seed >>> 0, Math.floor(this.#seed / 2 ** 32), 0];
    this.gpu.write(this.#clock, Uint32Array.from(words));
  }

  /** Sets an input for the steps to come. @throws UserError on an unknown name or a wrong count of values */
  write(name: string, values: ArrayLike<number>): void {
    const inputs = [...this.#leaves.keys()].filter((node) => node.op === inputOp);
    const node = inputs.find((n) => inputName(n) === name);
    if (!node) {
      const names = inputs.map(inputName).join(", ") || "none";
      throw new UserError(`input "${name}" is not part of the program; there are: ${names}`);
    }
    if (values.length !== elements(node.shape)) {
      throw new UserError(
        `input "${name}": ${values.length} values, but shape ${format(node.shape)} holds ${elements(node.shape)}`,
      );
    }
    this.gpu.write(this.#leaves.get(node) as GPUBuffer, pack(values, node.shape));
  }

  /**
   * Submits one step. The promise resolves when another may be submitted: at most two are in flight, so await it in a
   * long loop. (A short one need not.) @throws GpuError if the device failed
   */
  run(): Promise<void> {
    this.gpu.check();
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    let pipeline: GPUComputePipeline | undefined;
    for (const launch of this.#launches) {
      if (launch.pipeline !== pipeline) {
        pipeline = launch.pipeline;
        pass.setPipeline(pipeline);
      }
      pass.setBindGroup(0, launch.bindings);
      pass.dispatchWorkgroups(...launch.groups);
    }
    pass.end();
    this.#scalars.forEach(({ at }, i) => {
      const row = this.steps % this.#ringRows;
      const to = (row * this.#scalars.length + i) * 4;
      encoder.copyBufferToBuffer(at.buffer, at.offset, this.#ring as GPUBuffer, to, 4);
    });
    this.gpu.device.queue.submit([encoder.finish()]);
    this.steps++;
    this.#inFlight++;
    if (this.#inFlight < 2) return Promise.resolve();
    const done = this.settle();
    done.catch(() => {}); // who does not await it gets the error from the next call
    return done;
  }

  /** Resolves when all submitted steps are done. @throws GpuError */
  async settle(): Promise<void> {
    // A step submitted while others are waited for needs a wait of its own.
    while (this.#settling || this.#inFlight) {
      this.#settling ??= this.#wait().finally(() => {
        this.#settling = undefined;
      });
      await this.#settling;
    }
    this.gpu.check();
  }

  async #wait(): Promise<void> {
    const count = this.#inFlight;
    this.#inFlight = 0;
    const begin = performance.now();
    // While a promise of the queue is pending, Dawn's node binding polls and takes a core from a CPU adapter: sleep
    // through most of the expected time first.
    const expected = this.#stepMs ?? 0;
    const sleep = expected * Math.min(count, 2) * 0.9;
    if (sleep > 1) await new Promise((resolve) => setTimeout(resolve, sleep));
    const woke = performance.now();
    await this.gpu.device.queue.onSubmittedWorkDone();
    const each = (performance.now() - begin) / count;
    const overslept = sleep > 1 && performance.now() - woke < 0.05 * sleep;
    // The first steps tell nothing: drivers compile kernels in them.
    if (this.#stepMs === undefined) this.#stepMs = 0;
    else if (overslept) this.#stepMs = expected / 2;
    else this.#stepMs = expected ? Math.min(each, expected * 1.5) : each;
    this.gpu.check();
  }

  /** An output of the latest step, row-major without padding; a scalar is one number. @throws UserError, GpuError */
  async read(name: string): Promise<Float32Array> {
    const output = this.outputs.get(name);
    if (!output) {
      throw new UserError(
        `output "${name}" is not part of the program; there are: ${[...this.outputs.keys()].join(", ")}`,
      );
    }
    const parts = await Promise.all(output.nodes.map((node) => this.readNode(node)));
    if (parts.length === 1) return parts[0];
    const whole = new Float32Array(elements(output.shape));
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return whole;
  }

  /** Any node's value after the latest step: of an output, or, compiled with keepAll, of every node. */
  async readNode(node: Node): Promise<Float32Array> {
    return unpack(await this.readStorage(node), node.shape);
  }

  /** As `readNode`, but the memory as it is, padding lanes included. */
  async readStorage(node: Node): Promise<Float32Array> {
    if (node.op.kind === "effect") throw new UserError(`${node.op.name} changes state and has no value to read`);
    const root = aliasRoot(node);
    const value = this.layout.packedIn.get(root)?.pack ?? root;
    if (this.layout.valueOf.has(value) && !this.layout.kept.has(value)) {
      throw new UserError(`${node.op.name} ${format(node.shape)} is no output: its memory is used again; set keepAll`);
    }
    const { buffer, offset, bytes: size } = this.#locate(node);
    return new Float32Array(await this.gpu.read(buffer, offset, size));
  }

  /**
   * The scalar outputs of the steps since the last call (at most as many as the ring keeps). Steps submitted after the
   * call do not wait for it: a training loop calls it now and then and looks at the result later.
   */
  async history(): Promise<History> {
    const last = this.steps;
    const first = Math.max(this.#ringRead, last - this.#ringRows);
    this.#ringRead = last;
    const values = Object.fromEntries(this.#scalars.map(({ name }) => [name, new Float32Array(last - first)]));
    if (this.#ring && last > first) {
      const width = this.#scalars.length;
      const ring = new Float32Array(await this.gpu.read(this.#ring, 0, width * this.#ringRows * 4));
      for (let step = first; step < last; step++) {
        this.#scalars.forEach(({ name }, i) => {
          values[name][step - first] = ring[(step % this.#ringRows) * width + i];
        });
      }
    }
    return { first: first + 1, values };
  }

  /** Floating-point operations of one step, counted from the shapes. */
  get flops(): number {
    return this.layout.stages.flatMap((s) => s.dispatches).reduce((total, d) => total + (d.flops ?? 0), 0);
  }

  /** Dispatches of one step. */
  get dispatches(): number {
    return this.#launches.length;
  }

  /** The program in words: each dispatch with kernel, shapes, slot and bytes, then the memory. */
  dump(): string {
    const lines: string[] = [];
    const place = (node: Node): string => {
      if (node.op.kind === "alias") return place(node.inputs[0]);
      if (node.op.kind === "leaf") return node.op.name;
      const inside = this.layout.packedIn.get(node);
      if (inside) return `${place(inside.pack)}+${inside.offset}`;
      return node.op.kind === "effect" ? "state" : `slot ${this.#slotOf(node)}`;
    };
    for (const { node, dispatches } of this.layout.stages) {
      dispatches.forEach(({ kernel, groups, flops }, i) => {
        const inputs = node.inputs.map((x) => format(x.shape)).join(" ");
        const value = `${inputs} → ${format(node.shape)}  ${place(node)}, ${bytes(node.shape)} bytes`;
        const work = flops ? `, ${(flops / 1e6).toFixed(2)} MFLOP` : "";
        const index = String(lines.length + 1).padStart(4);
        lines.push(
          `${index}  ${node.op.name.padEnd(18)} ${kernel.name.padEnd(28)} ${groups.join("×").padEnd(10)} ${i ? "(same node)" : value + work}`,
        );
      });
    }
    const { slots, lowerBound } = this.layout.plan;
    const planned = slots.reduce((a, b) => a + b, 0);
    lines.push(
      `${slots.length} slots, ${planned} bytes (at least ${lowerBound}); ${(this.flops / 1e9).toFixed(4)} GFLOP a step`,
    );
    slots.forEach((size, i) => {
      lines.push(`  slot ${i}: ${size} bytes`);
    });
    return lines.join("\n");
  }

  /** Frees what belongs to this program alone; parameters and constants stay. */
  destroy(): void {
    for (const buffer of [...this.#slots, this.#clock, this.#ring, this.#uniforms]) buffer?.destroy();
    for (const [node, buffer] of this.#leaves) if (node.op === inputOp) buffer.destroy();
  }
}

function checkNames(kernel: Kernel, compiled: CompiledKernel, bind: Dispatch["bind"]): void {
  const wanted = compiled.bindings.filter((b) => b.type !== "uniform").map((b) => b.name);
  const given = Object.keys(bind);
  if (wanted.length !== given.length || wanted.some((name) => !given.includes(name))) {
    throw new GpuError(`kernel ${kernel.name} binds [${wanted.join(", ")}], but was given [${given.join(", ")}]`);
  }
}
