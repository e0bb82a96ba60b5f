import { freemem, totalmem } from "node:os";
import { Command } from "commander";
import { UserError } from "../engine/errors.js";
import type { AdapterKind, Gpu } from "../engine/gpu.js";
import { targetOf } from "../engine/program.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { type Bottleneck, bottleneckOf, type InspectedLayer, inspectLayers } from "../faceswap/inspect.js";
import { modelOf } from "../faceswap/model.js";
import type { PresetName } from "../faceswap/presets.js";
import {
  largestBatch,
  planStep,
  type Room,
  type StepMemory,
  type StepPlan,
  whyTooLarge,
} from "../faceswap/stepPlan.js";
import { openGpu } from "../platform/node.js";
import { addConfigOptions, type ConfigOptions, chosenConfig, PRESET_HELP } from "./chosen.js";
import { type InspectedKernel, inspectKernels } from "./inspectKernels.js";
import { inspectionText } from "./inspectText.js";
import { adapterOption } from "./options.js";

interface Options extends ConfigOptions {
  json: boolean;
  kernels: boolean;
  adapter?: string;
}

/** The memory of a training step, and whether an adapter has it. All in bytes. */
export interface InspectedMemory extends StepMemory {
  /** Pictures per identity and step. */
  readonly batch: number;
  readonly adapter: {
    readonly name: string;
    readonly kind: AdapterKind;
    /** The largest part of a buffer that a kernel can be given, and the largest buffer. */
    readonly largestBinding: number;
    readonly largestBuffer: number;
    /** Of the machine, where the adapter computes on its CPU; null for GPUs, which do not tell. */
    readonly memory: number | null;
    readonly free: number | null;
  };
  /** Whether the step fits, as far as is known. */
  readonly fits: boolean;
  /** Why it does not. */
  readonly reason: string | null;
  /** The largest batch that fits; null where the adapter's memory is not known. */
  readonly largestBatch: number | null;
}

/** What `shibori inspect --json` prints. */
export interface Inspection {
  readonly preset: PresetName;
  readonly config: TrainingConfig;
  readonly bottleneck: Bottleneck;
  readonly layers: readonly InspectedLayer[];
  /** Trained numbers, with those of a loss's opponent. */
  readonly parameters: number;
  readonly flopsPerStep: number;
  readonly memory: InspectedMemory;
  /** With --kernels. */
  readonly kernels?: readonly InspectedKernel[];
}

export function inspectCommand(): Command {
  const command = new Command("inspect").description(
    "Shows a network's layers and bottleneck, and the work and memory of a training step, before anything runs.",
  );
  return addConfigOptions(command)
    .option("--json", "print JSON", false)
    .option("--kernels", "also which kernels the tuner chose; times here and now what it has not yet timed", false)
    .addOption(adapterOption())
    .addHelpText(
      "after",
      `\n${PRESET_HELP}\n\nMemory is planned for this adapter and (but for --kernels) nothing is allocated; what judging a run needs comes on top.` +
        "\nWith a dense code the grid is the one before it, and the numbers that pass are the dense ones." +
        "\n\nExamples:\n  shibori inspect --preset article-512-naive\n  shibori inspect --preset article-256 --batch 8 --json\n  shibori inspect --preset avatar-128 --kernels" +
        "\n  shibori inspect --preset avatar-128 --set architecture.upsampling=resize architecture.input=64" +
        "\n  shibori inspect --preset avatar-128 --set architecture.kernel=7",
    )
    .action(inspect);
}

/** What the machine has for an adapter that computes on the CPU. */
function machineMemory(): { memory: number; free: number } {
  // In a container both may be less than the machine's. (0 or 2^64: no limit.)
  const limit = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return { memory: Math.min(totalmem(), limit), free: Math.min(freemem(), process.availableMemory()) };
}

/** @throws UserError where a configuration is impossible whatever the adapter */
export function inspectionOf({ preset, config }: Pick<Inspection, "preset" | "config">, gpu: Gpu): Inspection {
  const model = modelOf(config);
  const target = targetOf(gpu);
  const { memory = null, free = null } = gpu.kind === "hardware" ? {} : machineMemory();
  const room: Room = { buffer: gpu.device.limits.maxBufferSize, memory: free ?? undefined };
  let plan: StepPlan;
  let reason: string | undefined;
  try {
    plan = planStep(model, config, target);
    reason = whyTooLarge(plan, room);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    // What an adapter without a limit would need; what no adapter can do is refused once more.
    plan = planStep(model, config, { ...target, maxBindingBytes: Number.POSITIVE_INFINITY });
    reason = error.message;
  }
  const { architecture, identities, batch } = config;
  return {
    ...{ preset, config, bottleneck: bottleneckOf(architecture), layers: inspectLayers(architecture, identities) },
    parameters: model.parameters.count,
    flopsPerStep: plan.flops,
    memory: {
      ...{ batch, ...plan.memory },
      adapter: {
        ...{ name: gpu.name, kind: gpu.kind },
        ...{ largestBinding: gpu.maxBindingBytes, largestBuffer: room.buffer, memory, free },
      },
      ...{ fits: reason === undefined, reason: reason ?? null },
      largestBatch: free === null ? null : largestBatch(model, config, target, room),
    },
  };
}

async function inspect({ json, kernels, adapter, ...options }: Options): Promise<void> {
  const chosen = chosenConfig(options);
  const gpu = await openGpu({ adapter });
  try {
    const planned = inspectionOf(chosen, gpu);
    const inspection = kernels ? { ...planned, kernels: await inspectKernels(chosen.config, gpu) } : planned;
    console.log(json ? JSON.stringify(inspection, null, 2) : inspectionText(inspection));
  } finally {
    gpu.destroy();
  }
}
