import advance from "../../shaders/advance.wgsl";
import { UserError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import { aliasRoot, type BoundTo, type Dispatch, type Node, type Target, topological, traced } from "./graph.js";
import { type History, Ring } from "./history.js";
import { type Encodable, Launches } from "./launch.js";
import { choicesOf, dump, flopsOf, type Layout, layOut } from "./layout.js";
import { Memory } from "./memory.js";
import { Pace } from "./pace.js";
import { passes } from "./passes.js";
import { elements, format, type Shape, unpack } from "./shape.js";
import type { Tuner } from "./tuner.js";

export interface CompileOptions {
  /** Key of the random streams: a non-negative safe integer. Default 0. */
  seed?: number;
  /** Give every node memory of its own, so that `readNode` can read any of them. For debugging. */
  keepAll?: boolean;
  /** The kernel of ops that have several, by signature, by op name, or for all with "*": see candidates.ts. */
  kernels?: Record<string, string>;
  /** Times the kernels of the other ops and chooses; without it the first that suits the adapter is taken. */
  tuner?: Tuner;
  /** Steps of scalar outputs kept on the GPU until `history` reads them. Default 256. */
  history?: number;
}

/** What kernels are lowered for on this device. */
export const targetOf = (gpu: Gpu, kernels: Record<string, string> = {}): Target => ({
  subgroupSize: gpu.subgroupSize,
  cpu: gpu.kind !== "hardware",
  kernels,
  maxBindingBytes: gpu.maxBindingBytes,
});

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
  const named = traced(build);
  const names = Object.keys(named);
  const parts = passes(Object.values(named), gpu.maxBindingBytes, options.keepAll);
  const tuned = await options.tuner?.choose(gpu, topological(parts.flat()), targetOf(gpu, options.kernels));
  const layout = layOut(parts.flat(), targetOf(gpu, { ...tuned, ...options.kernels }), options.keepAll);
  gpu.check();
  const outputs = new Map(
    names.map((name, i) => [name, { node: named[name], shape: named[name].shape, nodes: parts[i] }]),
  );
  return Program.create(gpu, layout, outputs, seed, history);
}

/** A launch of a program, with what it is. */
export interface ProgramLaunch extends Encodable {
  readonly dispatch: Dispatch;
  /** The node that it computes; the clock's launch, the first of a step, has none. */
  readonly node?: Node;
}

/** By name: the node that the caller returned, and those that hold its value, cut along the batch. */
type Outputs = Map<string, { node: Node; shape: Shape; nodes: Node[] }>;

/** A compiled graph. A step encodes ready bind groups and submits once; it creates no buffer, bind group or pipeline. */
export class Program {
  /** Steps run, which is also the number of the latest step. */
  steps = 0;
  readonly #memory: Memory;
  readonly #ring: Ring;
  readonly #pace: Pace;
  #launches: Launches | undefined;

  private constructor(
    readonly gpu: Gpu,
    readonly layout: Layout,
    readonly outputs: Outputs,
    private readonly seed: number,
    history: number,
  ) {
    this.#memory = new Memory(gpu, layout);
    this.#memory.writeClock(0, seed);
    const scalars = [...outputs]
      .filter(([, { shape, nodes }]) => shape.length === 0 && nodes[0].op.kind !== "effect")
      .map(([name, { nodes }]) => ({ name, at: this.#memory.locate(nodes[0]) }));
    this.#ring = new Ring(gpu, scalars, this.#memory.fault, history);
    this.#pace = new Pace(gpu);
  }

  static async create(gpu: Gpu, layout: Layout, outputs: Outputs, seed: number, history: number): Promise<Program> {
    let program: Program | undefined;
    try {
      program = await gpu.scoped("compiling the program", async () => {
        program = new Program(gpu, layout, outputs, seed, history);
        await program.#prepare();
        return program;
      });
    } catch (error) {
      program?.destroy();
      throw error;
    }
    gpu.check();
    return program;
  }

  async #prepare(): Promise<void> {
    const dispatches = this.#dispatches.map(({ dispatch }) => dispatch);
    this.#launches = await Launches.prepare(this.gpu, dispatches, (bound) => this.#memory.locate(bound));
  }

  get #dispatches(): Omit<ProgramLaunch, "encode">[] {
    const clock: Dispatch = {
      kernel: { name: "advance", source: advance },
      bind: { clock: "clock" },
      uniform: {},
      groups: [1, 1, 1],
    };
    const { stages } = this.layout;
    return [
      { dispatch: clock },
      ...stages.flatMap(({ node, dispatches }) => dispatches.map((dispatch) => ({ node, dispatch }))),
    ];
  }

  /** Sets the number of the latest step, to continue a run: the next step is `step + 1`. @throws UserError */
  setStep(step: number): void {
    if (!Number.isInteger(step) || step < 0 || step >= 2 ** 32) {
      throw new UserError(`step ${step} must be a whole number from 0 to below 2^32`);
    }
    this.steps = step;
    this.#ring.startAt(step);
    this.#memory.writeClock(step, this.seed);
  }

  /** Sets an input for the steps to come. @throws UserError on an unknown name or a wrong count of values */
  write(name: string, values: ArrayLike<number>): void {
    this.#memory.writeInput(name, values);
  }

  /**
   * Submits one step. The promise resolves when another may be submitted: at most two are in flight, so await it in a
   * long loop. (A short one need not.) @throws GpuError if the device failed
   */
  run(): Promise<void> {
    this.gpu.check();
    const encoder = this.gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.encode(pass);
    pass.end();
    this.#ring.record(encoder, this.steps);
    this.gpu.device.queue.submit([encoder.finish()]);
    this.steps++;
    return this.#pace.submitted();
  }

  /** Puts a step into a pass: for measuring. Whoever runs it moves the program's state on, but not `steps`. */
  encode(pass: GPUComputePassEncoder): void {
    this.#launches?.encode(pass);
  }

  /** The launches of a step in order, each by itself: as `encode`. */
  get launches(): readonly ProgramLaunch[] {
    const each = this.#launches?.each ?? [];
    return this.#dispatches.map((one, i) => ({ ...one, ...each[i] }));
  }

  /** Resolves when all submitted steps are done. @throws GpuError */
  settle(): Promise<void> {
    return this.#pace.settle();
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
  async readStorage(traced: Node): Promise<Float32Array> {
    const output = [...this.outputs.values()].find(({ node, nodes }) => node === traced && nodes.length === 1);
    const node = output?.nodes[0] ?? traced;
    if (node.op.kind === "effect") throw new UserError(`${node.op.name} changes state and has no value to read`);
    const root = aliasRoot(node);
    const value = this.layout.packedIn.get(root)?.pack ?? root;
    if (value.op.kind !== "leaf" && !this.layout.kept.has(value)) {
      const what = `${node.op.name} ${format(node.shape)}`;
      throw new UserError(`${what} is no output: it is fused with others or its memory is used again; set keepAll`);
    }
    return new Float32Array(await this.readBound(node));
  }

  /** The bytes that a dispatch's binding lies on, after the latest step. */
  readBound(bound: BoundTo): Promise<ArrayBuffer> {
    const { buffer, offset, bytes: size } = this.#memory.locate(bound);
    return this.gpu.read(buffer, offset, size);
  }

  /**
   * The scalar outputs of the steps since the last call (at most as many as the ring keeps). Steps submitted after the
   * call do not wait for it: a training loop calls it now and then and looks at the result later.
   */
  history(): Promise<History> {
    return this.#ring.take(this.steps);
  }

  /** The kernels that were chosen where there are several: `kernels` of a program that is to have the same bits. */
  get choices(): Record<string, string> {
    return choicesOf(this.layout);
  }

  /** Floating-point operations of one step, counted from the shapes. */
  get flops(): number {
    return flopsOf(this.layout);
  }

  /** Dispatches of one step. */
  get dispatches(): number {
    return this.#launches?.count ?? 0;
  }

  /** The program in words: each dispatch with kernel, shapes, slot and bytes, then the memory. */
  dump(): string {
    return dump(this.layout);
  }

  /** Frees what belongs to this program alone; parameters and constants stay. */
  destroy(): void {
    this.#memory.destroy();
    this.#ring.destroy();
    this.#launches?.destroy();
  }
}
