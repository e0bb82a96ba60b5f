import { isMainThread } from "node:worker_threads";
import { UserError } from "../engine/errors.js";
import { type EmbeddedDriver, unpackEmbedded } from "./embedded.js";
import { quietly } from "./quiet.js";

export interface DawnOptions {
  /**
   * false drops the bounds checks that Dawn adds to shaders: up to 1.7x faster on SwiftShader. Default: true, but false
   * on the embedded adapter, which needs the speed most. No kernel reads or writes out of bounds: the tests run with the
   * checks, and the trained demo's bits are the same without.
   */
  robustness?: boolean;
  /** Further options for Dawn, as `key=value`. SHIBORI_DAWN adds to them, separated by semicolons. */
  dawnOptions?: string[];
}

export interface OpenedAdapter {
  adapter: GPUAdapter;
  /** Dawn's instance. Once V8 collects it, the next call into Dawn crashes the process. */
  keepAlive: GPU;
}

const RTLD_NOW = 2;
const RTLD_GLOBAL = 0x100;
const RTLD_NODELETE = 0x1000;

/** A substring that no adapter's name contains. */
const NO_NAME = "\u0001";

/** Whether the loader of this process is the embedded driver's, for want of one on the machine. */
let preloaded = false;

/** Every instance made, on globalThis: a module's own variable does not save it from V8 (see keepAlive). */
const instances: GPU[] = [];
Object.assign(globalThis, { shiboriDawnInstances: instances });

/** Asks Dawn for an adapter of the machine's own drivers: the best one, or the one whose name contains `name`. */
export async function openInstalled(options: DawnOptions, name?: string): Promise<OpenedAdapter | undefined> {
  if (!hasVulkanLoader() || preloaded) return undefined; // Dawn would only print warnings
  return request(options, name);
}

/** Names of the adapters of the machine's own drivers, the way Dawn spells them. */
export async function listInstalled(): Promise<string[]> {
  if (!hasVulkanLoader() || preloaded) return [];
  try {
    await request({}, NO_NAME);
    return [];
  } catch (error) {
    // Dawn's answer to a name that it does not have is a list of those that it has.
    const names = [...(error as Error).message.matchAll(/^ \* backend: '.*?', name: '(.*)'$/gm)].map(
      (match) => match[1],
    );
    if (names.length === 0) throw error;
    return [...new Set(names)];
  }
}

/** Opens the embedded SwiftShader. @throws UserError if it is not there or cannot be unpacked or loaded. */
export async function openEmbedded(options: DawnOptions): Promise<OpenedAdapter> {
  if (!isMainThread) throw new UserError("the embedded adapter opens in the main thread only, not in a worker thread");
  const driver = unpackEmbedded();
  if (!hasVulkanLoader()) {
    preload(driver);
    preloaded = true;
  }
  const { robustness = false } = options;
  // SwiftShader's own zeroing of workgroup memory is an instruction a word: kernels compiled 4 to 6 times as long.
  const dawnOptions = [
    "disable-dawn-features=use_vulkan_zero_initialize_workgroup_memory_extension",
    ...(options.dawnOptions ?? []),
  ];
  const opened = await request({ ...options, robustness, dawnOptions }, undefined, driver.manifest);
  if (!opened) throw new UserError(`Dawn cannot use the embedded adapter in ${driver.directory}: run "shibori doctor"`);
  return opened;
}

/**
 * Dawn opens the Vulkan loader by its bare name, and so does this. Node loads it, then complains that it is no addon.
 * Only Linux needs the question: Dawn's Metal and D3D12 are always there.
 */
export function hasVulkanLoader(): boolean {
  if (process.platform !== "linux") return true;
  try {
    process.dlopen({ exports: {} }, "libvulkan.so.1");
  } catch (error) {
    return (error as Error).message.includes("did not self-register");
  }
  return true;
}

/** Maps the embedded loader and leaves it there, so that Dawn's search for its name finds it. No restart is needed. */
function preload({ loader }: EmbeddedDriver): void {
  try {
    process.dlopen({ exports: {} }, loader, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    const { message } = error as Error;
    if (!message.includes("did not self-register")) {
      throw new UserError(`cannot load ${loader}: ${message}; set SHIBORI_CACHE to a folder that allows it`);
    }
  }
}

async function request(options: DawnOptions, name?: string, manifest?: string): Promise<OpenedAdapter | undefined> {
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals);
  const list = optionList(options);
  if (name !== undefined) list.push(`adapter=${name}`);
  // Drivers are looked for within this call; only the answer comes later.
  const { instance, answer } = quietly(() =>
    withDriver(manifest, () => {
      const instance = create(list);
      instances.push(instance);
      return { instance, answer: instance.requestAdapter({ powerPreference: "high-performance" }) };
    }),
  );
  const adapter = await answer;
  return adapter ? { adapter, keepAlive: instance } : undefined;
}

async function loadDawn(): Promise<typeof import("webgpu")> {
  try {
    return await import("webgpu");
  } catch (error) {
    const platform = `${process.platform} on ${process.arch}`;
    const [reason] = (error as Error).message.split("\n");
    throw new UserError(
      `Dawn (npm webgpu) does not load here, ${platform}: ${reason}; it needs Linux with glibc 2.34, macOS or Windows`,
    );
  }
}

/** Lets the Vulkan loader see only this driver during `work`: it reads the variables when an instance is made. */
function withDriver<T>(manifest: string | undefined, work: () => T): T {
  if (manifest === undefined) return work();
  const names = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"]; // the second for loaders before 1.3.207
  const before = names.map((name) => process.env[name]);
  for (const name of names) process.env[name] = manifest;
  try {
    return work();
  } finally {
    names.forEach((name, i) => {
      if (before[i] === undefined) delete process.env[name];
      else process.env[name] = before[i];
    });
  }
}

/** Dawn obeys only the last option of a key, so the feature lists are joined. */
function optionList({ robustness = true, dawnOptions = [] }: DawnOptions): string[] {
  const given = [...dawnOptions, ...(process.env.SHIBORI_DAWN ?? "").split(";")].map((option) => option.trim());
  if (!robustness) given.push("enable-dawn-features=disable_robustness");
  // Dawn would round the device's clock to .07 ms, which is there to keep web pages from spying on each other.
  given.push("disable-dawn-features=timestamp_quantization");
  const values = new Map<string, string[]>();
  for (const option of given.filter(Boolean)) {
    const [, key, value] = /^([^=]+)=(.+)$/.exec(option) ?? [];
    if (!key) throw new UserError(`Dawn option "${option}" (SHIBORI_DAWN) is not of the form key=value`);
    const joins = key.endsWith("-dawn-features");
    values.set(key, joins ? [...(values.get(key) ?? []), value] : [value]);
  }
  return [...values].map(([key, value]) => `${key}=${value.join(",")}`);
}
