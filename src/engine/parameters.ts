import { UserError } from "./errors.js";
import type { Gpu } from "./gpu.js";
import { makeNode, type Node, type Op, type Window } from "./graph.js";
import { flatLayout } from "./ops/pack.js";
import { blocks, bytes, elements, format, pack, type Shape, unpack } from "./shape.js";

export interface ParameterAttrs {
  readonly owner: Parameters;
  readonly index: number;
  readonly name: string;
  readonly shape: Shape;
}

const parameterOp: Op<ParameterAttrs> = { name: "parameter", kind: "leaf", shape: (_, a) => a.shape };

/** One flat buffer that holds a number for each number of the parameters: their values, or an optimiser's moments. */
class FlatState {
  constructor(readonly name: string) {}
}

/**
 * The trained numbers of a model, by name. Values and moments live in flat GPU buffers, shared by every program of one
 * device: an update is few dispatches, a checkpoint few reads. The initial values are the caller's.
 */
export class Parameters implements Iterable<Node> {
  readonly nodes: Node<ParameterAttrs>[] = [];
  readonly #initial: (() => Float32Array)[] = [];
  readonly #states = new Map<string, FlatState>();
  #layout: { offsets: number[]; bytes: number } | undefined;

  [Symbol.iterator](): Iterator<Node> {
    return this.nodes[Symbol.iterator]();
  }

  /**
   * Adds a parameter with its initial values, row-major. A function draws them when they are first needed: a network
   * can be inspected without them.
   * @throws UserError on a name used twice, a wrong count of values, or after the first program was compiled.
   */
  create(name: string, shape: Shape, values: ArrayLike<number> | (() => ArrayLike<number>)): Node {
    if (this.#layout) throw new UserError(`parameter "${name}": parameters must be made before the first program`);
    if (this.nodes.some((p) => p.attrs.name === name)) throw new UserError(`parameter "${name}" exists already`);
    const checked = (drawn: ArrayLike<number>) => {
      checkValues(name, shape, drawn);
      return pack(drawn, shape);
    };
    const given = typeof values === "function" ? undefined : checked(values);
    this.#initial.push(() => given ?? checked((values as () => ArrayLike<number>)()));
    const node = makeNode(parameterOp, [], { owner: this, index: this.nodes.length, name, shape });
    this.nodes.push(node);
    return node;
  }

  /** Trained numbers, without padding. */
  get count(): number {
    return this.nodes.reduce((total, p) => total + elements(p.shape), 0);
  }

  /** Names of the flat buffers: "values", and what optimisers added. */
  get states(): string[] {
    return [...this.#states.keys()];
  }

  /** Fixes the layout. */
  layout(): { offsets: number[]; bytes: number } {
    this.#layout ??= flatLayout(this.nodes.map((p) => bytes(p.shape)));
    return this.#layout;
  }

  /** A range of a flat buffer, the whole by default. */
  window(state: string, offset = 0, size = this.layout().bytes): Window {
    let flat = this.#states.get(state);
    if (!flat) {
      flat = new FlatState(state);
      this.#states.set(state, flat);
    }
    const initial = state === "values" ? () => this.#flatInitial() : undefined;
    const stateBytes = this.layout().bytes;
    return { state: flat, label: `parameters.${state}`, stateBytes, offset, bytes: size, initial };
  }

  #flatInitial(): Float32Array {
    const { offsets, bytes: total } = this.layout();
    const flat = new Float32Array(total / 4);
    for (const [i, values] of this.#initial.entries()) flat.set(values(), offsets[i] / 4);
    return flat;
  }

  #buffer(gpu: Gpu, state: string): GPUBuffer {
    const { state: owner, label, stateBytes, initial } = this.window(state);
    return gpu.resident(owner, label, stateBytes, initial);
  }

  /** The numbers of one flat buffer by parameter name, row-major without padding. Waits for the steps submitted so far. */
  async read(gpu: Gpu, state = "values"): Promise<Map<string, Float32Array>> {
    if (state !== "values" && !this.#states.has(state)) {
      throw new UserError(`parameters have no state "${state}"; there are: ${this.states.join(", ") || "none yet"}`);
    }
    const { offsets, bytes: total } = this.layout();
    const flat = new Float32Array(await gpu.read(this.#buffer(gpu, state), 0, total));
    return new Map(
      this.nodes.map(({ attrs: { name, shape } }, i) => {
        const start = offsets[i] / 4;
        return [name, unpack(flat.subarray(start, start + blocks(shape) * 4), shape)];
      }),
    );
  }

  /** Replaces one parameter's numbers on the GPU. @throws UserError on an unknown name or a wrong count. */
  write(gpu: Gpu, name: string, values: ArrayLike<number>, state = "values"): void {
    const index = this.nodes.findIndex((p) => p.attrs.name === name);
    if (index < 0) throw new UserError(`parameter "${name}" does not exist; there are ${this.names().join(", ")}`);
    const { shape } = this.nodes[index];
    checkValues(name, shape, values);
    gpu.write(this.#buffer(gpu, state), pack(values, shape), this.layout().offsets[index]);
  }

  names(): string[] {
    return this.nodes.map((p) => p.attrs.name);
  }
}

function checkValues(name: string, shape: Shape, values: ArrayLike<number>): void {
  if (values.length !== elements(shape)) {
    throw new UserError(
      `parameter "${name}": ${values.length} values, but shape ${format(shape)} holds ${elements(shape)}`,
    );
  }
}
