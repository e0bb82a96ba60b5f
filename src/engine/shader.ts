// The bare import of wgsl_reflect 1.6 fails in node.
import { ResourceType, type StructInfo, WgslReflect } from "wgsl_reflect/wgsl_reflect.module.js";
import { GpuError } from "./errors.js";
import type { Gpu } from "./gpu.js";

/** A WGSL kernel as text, ready to compile; its entry point is `main` and all its bindings are in group 0. */
export interface Kernel {
  readonly name: string;
  readonly source: string;
}

export interface Binding {
  readonly name: string;
  readonly index: number;
  readonly type: GPUBufferBindingType;
}

export interface Field {
  readonly name: string;
  readonly offset: number;
  readonly type: "u32" | "i32" | "f32";
}

/** What a dispatch needs to know of a kernel: its bindings by name and the fields of its uniform `p`. */
export interface KernelInterface {
  readonly bindings: readonly Binding[];
  readonly fields: readonly Field[];
  readonly uniformBytes: number;
}

export interface CompiledKernel extends KernelInterface {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/**
 * Rewrites lines `const NAME = value;` (or `alias NAME = type;`): workgroup sizes, tiles, flags. These few are compiled
 * in; extents and loop bounds are not, so that one pipeline serves many shapes and no driver unrolls a long loop. A
 * `let name = p.field;` may be rewritten as a constant where that is wanted.
 * @throws GpuError if the kernel has no such line.
 */
export function specialise(kernel: Kernel, constants: Record<string, number | string>): Kernel {
  let { source } = kernel;
  for (const [name, value] of Object.entries(constants)) {
    const line = new RegExp(`^(const|alias| *let) ${name}(: u32)? = [^;]+;`, "m");
    if (!line.test(source)) throw new GpuError(`kernel ${kernel.name} has no line "const ${name} = …;" to specialise`);
    source = source.replace(line, `$1 ${name}$2 = ${value};`);
  }
  return { name: kernel.name, source };
}

/**
 * Unrolls the loops that a kernel marks with `// unroll`, and turns the arrays marked so into single variables.
 * GPU compilers do this by themselves; SwiftShader does not and would index registers lane by lane. A subgroupShuffle
 * from what is then a constant lane becomes a broadcast. A marked loop has
 * the form `for (var i = 0u; i < BOUND; i++) { // unroll` up to a `}` at the same indentation, and BOUND is a number or
 * a const of the file; a marked array is `var s: array<T, BOUND>; // unroll`.
 */
export function unroll(kernel: Kernel): Kernel {
  let { source } = kernel;
  const bound = (text: string): number => {
    const expression = text.replace(/\b[A-Z][A-Z0-9_]*\b/g, (name) => {
      const value = new RegExp(`^const ${name}(?:: u32)? = ([^;]+);`, "m").exec(source)?.[1];
      if (value === undefined) throw new GpuError(`kernel ${kernel.name}: unroll bound ${text} is not a constant`);
      return String(bound(value));
    });
    const terms = expression.replace(/\s|(?<=\d)u/g, "").split("+");
    const result = terms.reduce((sum, term) => {
      const [first, ...rest] = term.split(/(?=[*/])/);
      const by = (product: number, n: string) =>
        n[0] === "*" ? product * Number(n.slice(1)) : Math.floor(product / Number(n.slice(1)));
      return sum + rest.reduce(by, Number(first));
    }, 0);
    if (!Number.isInteger(result)) throw new GpuError(`kernel ${kernel.name}: unroll cannot compute "${text}"`);
    return result;
  };
  // Innermost loops first: a body holds no further marked loop.
  const loop =
    /^( *)for \(var (\w+) = 0u; \2 < ([^;]+); \2\+\+\) \{ \/\/ unroll\n((?:(?!.*\/\/ unroll\n)(?!\1\}).*\n)*)\1\}\n/m;
  for (let match = loop.exec(source); match; match = loop.exec(source)) {
    const [whole, indent, name, limit, body] = match;
    const copies = Array.from({ length: bound(limit) }, (_, i) => {
      const text = body.replace(new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g"), `${i}u`);
      return `${indent}{\n${text}${indent}}\n`;
    });
    source = source.replace(whole, () => copies.join(""));
  }
  const array = /^( *)var (\w+): array<(\w+), ([^>]+)>; \/\/ unroll\n/m;
  for (let match = array.exec(source); match; match = array.exec(source)) {
    const [whole, indent, name, type, length] = match;
    const single = Array.from({ length: bound(length) }, (_, i) => `${indent}var ${name}_${i}: ${type};\n`).join("");
    source = source.replace(whole, () => single);
    source = source.replace(
      new RegExp(`(?<![\\w.])${name}\\[([^\\]]+)\\]`, "g"),
      (_, index) => `${name}_${bound(index)}`,
    );
  }
  // From a constant lane, of the same quad or of all: CPU drivers do these many times faster than a shuffle.
  source = source.replace(/subgroupShuffle\((\w+), lane \/ 4 \* 4 \+ (\d+u(?: % 4)?)\)/g, "quadBroadcast($1, $2)");
  source = source.replace(/subgroupShuffle\((?=\w+, \d)/g, "subgroupBroadcast(");
  return { name: kernel.name, source };
}

/**
 * Reads a kernel's bindings and uniform fields from its text. wgsl_reflect sees the declarations only: it cannot parse
 * all of WGSL's expressions.
 */
export function reflect(kernel: Kernel): KernelInterface {
  const functions = /^(?:@compute[^\n]*\n)?fn (?:[^\n]*\}\n|[\s\S]*?^\}\n?)/gm;
  const reflection = new WgslReflect(kernel.source.replace(functions, ""));
  const bindings: Binding[] = [];
  let fields: Field[] = [];
  let uniformBytes = 0;
  for (const resource of reflection.getBindGroups()[0] ?? []) {
    if (!resource) continue;
    const { name, binding: index } = resource;
    if (resource.resourceType === ResourceType.Uniform) {
      bindings.push({ name, index, type: "uniform" });
      const struct = resource.type as StructInfo;
      fields = struct.members.map((m) => ({ name: m.name, offset: m.offset, type: m.type.name as Field["type"] }));
      uniformBytes = Math.ceil(struct.size / 16) * 16;
    } else {
      bindings.push({ name, index, type: resource.access === "read_write" ? "storage" : "read-only-storage" });
    }
  }
  return { bindings, fields, uniformBytes };
}

/** Fills the uniform of one dispatch. @throws GpuError unless `values` names exactly the kernel's fields. */
export function encodeUniform(kernel: Kernel, face: KernelInterface, values: Record<string, number>): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(face.uniformBytes));
  const unknown = Object.keys(values).filter((name) => !face.fields.some((field) => field.name === name));
  const missing = face.fields.filter((field) => !(field.name in values)).map((field) => field.name);
  if (unknown.length || missing.length) {
    throw new GpuError(`kernel ${kernel.name}: uniform fields missing: [${missing}], unknown: [${unknown}]`);
  }
  for (const { name, offset, type } of face.fields) {
    if (type === "f32") view.setFloat32(offset, values[name], true);
    else if (type === "i32") view.setInt32(offset, values[name], true);
    else view.setUint32(offset, values[name], true);
  }
  return view.buffer as ArrayBuffer;
}

/** Compiles a kernel once per device. @throws GpuError with the compiler's message and the line at fault. */
export function compileKernel(gpu: Gpu, kernel: Kernel): Promise<CompiledKernel> {
  let compiled = gpu.kernels.get(kernel.source);
  if (!compiled) {
    compiled = compileNew(gpu, kernel);
    gpu.kernels.set(kernel.source, compiled);
  }
  return compiled;
}

async function compileNew(gpu: Gpu, kernel: Kernel): Promise<CompiledKernel> {
  const { device } = gpu;
  const face = reflect(kernel);
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ label: kernel.name, code: kernel.source });
  const layout = device.createBindGroupLayout({
    label: kernel.name,
    entries: face.bindings.map(({ index, type }) => ({ binding: index, visibility: 4, buffer: { type } })),
  });
  const scope = device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const fault = messages.find((m) => m.type === "error");
  if (fault) {
    const line = kernel.source.split("\n")[fault.lineNum - 1] ?? "";
    throw new GpuError(`kernel ${kernel.name}, line ${fault.lineNum}: ${fault.message}\n  ${line.trim()}`);
  }
  const error = await scope;
  if (error) throw new GpuError(`kernel ${kernel.name}: ${error.message}`);
  try {
    const pipeline = await device.createComputePipelineAsync({
      label: kernel.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main" },
    });
    return { ...face, pipeline, layout };
  } catch (error) {
    throw new GpuError(`kernel ${kernel.name}: ${(error as Error).message}`);
  }
}
