import { type ExecFileException, execFile } from "node:child_process";
import { createRequire } from "node:module";
import { delimiter } from "node:path";
import { pathToFileURL } from "node:url";
import type { AdapterKind } from "../engine/gpu.js";
import { remedy } from "./adapters.js";
import { classify } from "./classify.js";
import { type EmbeddedDriver, unpackEmbedded } from "./embedded.js";

export interface UsableAdapter {
  usable: true;
  kind: AdapterKind;
  name: string;
  vendor: string;
  architecture: string;
  /** Driver and version as Dawn gives them. */
  driver: string;
  subgroupMinSize: number;
  subgroupMaxSize: number;
  features: string[];
  /** The limits that decide which kernels and tensor sizes fit, in bytes or counts. */
  limits: Record<(typeof LIMITS)[number], number>;
}

export interface MissingAdapter {
  usable: false;
  kind: AdapterKind;
  /** What is wrong, in the words of Dawn or the Vulkan loader where they had any. */
  reason: string;
  remedy: string;
}

export type AdapterReport = UsableAdapter | MissingAdapter;

const LIMITS = [
  "maxStorageBufferBindingSize",
  "maxBufferSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupStorageSize",
  "maxComputeWorkgroupsPerDimension",
  "maxStorageBuffersPerShaderStage",
] as const;

/** Runs in a child process; argv: Dawn's module URL, the limits' names. Prints one JSON line per adapter name. */
const PROBE = `
const [url, ...limits] = process.argv.slice(1);
const { create, globals } = await import(url);
Object.assign(globalThis, globals);
const alive = (globalThis.alive = []);
async function request(name) {
  const gpu = create(["adapter=" + name]);
  alive.push(gpu);
  return gpu.requestAdapter();
}
let names = [];
try {
  await request("\\u0001");
} catch (error) {
  names = [...error.message.matchAll(/^ \\* backend: '.*?', name: '(.*)'$/gm)].map((match) => match[1]);
  if (names.length === 0) throw error;
}
for (const name of new Set(names)) {
  const adapter = await request(name);
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } = adapter.info;
  console.log(JSON.stringify({
    name,
    info: { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize },
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(limits.map((limit) => [limit, adapter.limits[limit]])),
  }));
}
`;

interface Found extends Pick<UsableAdapter, "name" | "features" | "limits"> {
  info: GPUAdapterInfo;
}

/**
 * Looks at every adapter that can be reached, best first; each kind that is not there has an entry that says why.
 *
 * The installed drivers are asked in one child process and the embedded one in another: a driver that crashes takes only
 * the child with it, the variables that select a driver stay out of this process, and a child's stderr can be read,
 * which is the only place where Dawn says why it refused a driver.
 */
export async function inspectAdapters(): Promise<AdapterReport[]> {
  const { found, complaint } = await probe(process.env);
  const installed = found.map((each) => usable(classify(each.info), each));
  const ofKind = (kind: "hardware" | "software", instead: string): AdapterReport[] => {
    const reports = installed.filter((report) => report.kind === kind);
    if (reports.length > 0) return reports;
    const reason = `no usable ${kind} driver is installed${complaint && `: ${complaint}`}`;
    return [{ usable: false, kind, reason, remedy: instead }];
  };
  const hardware = ofKind("hardware", remedy("hardware"));
  const software = ofKind("software", hardware[0].usable ? "none needed: a GPU is here" : remedy("software"));
  return [...hardware, ...software, await inspectEmbedded()];
}

async function inspectEmbedded(): Promise<AdapterReport> {
  const missing = (reason: string): MissingAdapter => {
    return { usable: false, kind: "embedded", reason, remedy: remedy("software") };
  };
  let driver: EmbeddedDriver;
  try {
    driver = unpackEmbedded();
  } catch (error) {
    return missing((error as Error).message);
  }
  const { directory, manifest } = driver;
  // The embedded loader goes with it: in a child LD_LIBRARY_PATH still counts.
  const path = [directory, process.env.LD_LIBRARY_PATH].filter(Boolean).join(delimiter);
  const env = { ...process.env, VK_DRIVER_FILES: manifest, VK_ICD_FILENAMES: manifest, LD_LIBRARY_PATH: path };
  const { found, complaint } = await probe(env);
  return found.length > 0
    ? usable("embedded", found[0])
    : missing(complaint || `Dawn found no adapter in ${directory}`);
}

async function probe(env: NodeJS.ProcessEnv): Promise<{ found: Found[]; complaint: string }> {
  const dawn = pathToFileURL(createRequire(import.meta.url).resolve("webgpu")).href;
  const child = ["--input-type=module", "--eval", PROBE, dawn, ...LIMITS];
  const { error, stdout, stderr } = await new Promise<{
    error: ExecFileException | null;
    stdout: string;
    stderr: string;
  }>((resolve) =>
    execFile(process.execPath, child, { env, timeout: 60_000 }, (...[error, stdout, stderr]) =>
      resolve({ error, stdout, stderr }),
    ),
  );
  const found = stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Found);
  const complaints = [...stderr.matchAll(/^(?:Warning|[A-Za-z]*Error): (.*)$/gm)].map((match) => match[1]);
  if (error?.signal) complaints.push(`the driver ended the process with ${error.signal}`);
  return { found, complaint: complaints.filter((line) => !line.includes("artificially reduced")).join("; ") };
}

function usable(kind: AdapterKind, { name, info, features, limits }: Found): UsableAdapter {
  const { vendor, architecture, description, subgroupMinSize, subgroupMaxSize } = info;
  return {
    usable: true,
    kind,
    name,
    vendor,
    architecture,
    driver: description,
    subgroupMinSize,
    subgroupMaxSize,
    features,
    limits,
  };
}
