import { loadavg } from "node:os";
import { Command } from "commander";
import type { BenchMachine, MeasuredKernel, MeasuredStep } from "../bench/record.js";
import { measureRoofs, quickRoofs, type Roofs, roofOf } from "../bench/roofs.js";
import { type Figure, figureOf } from "../bench/statistics.js";
import { traceOf } from "../bench/trace.js";
import { UserError } from "../engine/errors.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { PRESETS } from "../faceswap/presets.js";
import { adapterLine } from "../platform/node.js";
import { checkFilePath, writeFileAtomic } from "../storage/files.js";
import { addConfigOptions, type ConfigOptions, chosenConfig, PRESET_HELP } from "./chosen.js";
import { machineNow, measuredKernels, measureStep, openToMeasure } from "./measured.js";
import { adapterOption, wholeNumber } from "./options.js";
import { profileText } from "./profileText.js";
import { type TuneWhen, Tuning, tuneOption } from "./tune.js";

interface Options extends ConfigOptions {
  json: boolean;
  trace?: string;
  rounds: number;
  tune: TuneWhen;
  adapter?: string;
}

/** What `shibori profile --json` prints. Times in seconds, rates per second, memory in bytes. */
export interface ProfileRecord {
  readonly what: "shibori profile";
  readonly command: string;
  readonly date: string;
  readonly machine: BenchMachine;
  readonly config: TrainingConfig;
  readonly rounds: number;
  readonly roofs: Roofs;
  readonly step: MeasuredStep;
  /** By kernel and shapes; what takes most of the step comes first. */
  readonly kernels: readonly MeasuredKernel[];
  /** Every dispatch, in the order in which they run. */
  readonly dispatches: readonly {
    readonly op: string;
    readonly kernel: string;
    readonly groups: readonly number[];
    readonly repeats: number;
    readonly seconds: Figure;
  }[];
}

export function profileCommand(): Command {
  const command = new Command("profile").description(
    "Shows where the time of one training step goes: every dispatch by the GPU's own clock, below the adapter's roofs.",
  );
  return addConfigOptions(command)
    .option("--trace <file.json>", "write one step for Perfetto (ui.perfetto.dev) or chrome://tracing")
    .option("--json", "print JSON", false)
    .option("--rounds <n>", "steps that are timed", wholeNumber(1), 7)
    .addOption(tuneOption())
    .addOption(adapterOption())
    .addHelpText(
      "after",
      `\n${PRESET_HELP}\n\nHow to read the figures: docs/benchmarks.md. Nothing else should run meanwhile.` +
        "\n\nExamples:\n  shibori profile --preset avatar-64\n  shibori profile --preset avatar-128 --trace trace.json" +
        "\n  shibori profile --set architecture.stages=[32,64] batch=8 --json",
    )
    .action(profile);
}

async function profile({ json, trace, rounds, tune, adapter, ...options }: Options): Promise<void> {
  const { preset, config } = chosenConfig(options);
  if (trace) {
    if (!/\.json$/i.test(trace)) throw new UserError(`--trace ${trace}: it must end in .json: traces are JSON`);
    checkFilePath(trace);
  }
  const say = (text: string) => {
    if (!json) console.log(text);
  };
  const before = loadavg()[0];
  const date = new Date().toISOString();
  const gpu = await openToMeasure(adapter);
  say(`${adapterLine(gpu)}\nmeasuring the roofs …`);
  const roofs = await measureRoofs(gpu, quickRoofs(gpu));
  const roof = roofOf(roofs);
  say(`measuring a training step of ${preset} …`);
  const { description } = PRESETS[preset];
  const lengths = { rounds, seconds: 0.3, pass: roofs.pass.median, tuning: new Tuning(gpu, tune, say) };
  const measured = await measureStep(gpu, { name: preset, description, config }, lengths);
  const record: ProfileRecord = {
    what: "shibori profile",
    command: ["shibori", ...process.argv.slice(2)].join(" "),
    ...{ date, machine: machineNow(gpu, before), config, rounds, roofs },
    step: measured.step,
    kernels: measuredKernels([measured.source], roof),
    dispatches: measured.profile.dispatches.map(({ launch: { node, dispatch }, repeats, readings }) => ({
      op: node?.op.name ?? "clock",
      kernel: dispatch.kernel.name,
      groups: dispatch.groups,
      repeats,
      seconds: figureOf(readings),
    })),
  };
  if (trace) {
    const about = { preset, date, adapter: gpu.name, driver: record.machine.adapter.driver };
    writeFileAtomic(trace, JSON.stringify(traceOf(measured.profile, roof, about)));
  }
  gpu.destroy();
  console.log(json ? JSON.stringify(record, null, 2) : `\n${profileText(record)}`);
  if (trace) say(`wrote ${trace}: open it in ui.perfetto.dev or chrome://tracing`);
}
