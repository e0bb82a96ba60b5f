import { Command } from "commander";
import type { AdapterKind } from "../engine/gpu.js";
import { presetNamed } from "../faceswap/presets.js";
import { adapterOption } from "./options.js";
import { openAdapter } from "./session.js";
import { startRun } from "./startRun.js";
import { type TuneWhen, tuneOption } from "./tune.js";

interface DemoOptions {
  out: string;
  overwrite: boolean;
  adapter?: string;
  tune: TuneWhen;
}

/** What the demo trains, and why no more. */
const DEMOS: Record<AdapterKind, { preset: string; why: string }> = {
  hardware: { preset: "avatar-128", why: "" },
  software: { preset: "avatar-128", why: "" },
  embedded: {
    preset: "avatar-64",
    why: " (this adapter is too slow for avatar-128, where eyes and mouth follow too)",
  },
};

export function demoCommand(): Command {
  return new Command("demo")
    .description("Trains avatar-128, or avatar-64 on the slow embedded driver, and says whether the swap passes.")
    .option("--out <dir>", "folder for the run's results", "runs/demo")
    .option("--overwrite", "replace the run that the folder holds", false)
    .addOption(adapterOption())
    .addOption(tuneOption())
    .action(demo);
}

async function demo({ out, overwrite, adapter, tune }: DemoOptions): Promise<void> {
  const gpu = await openAdapter(adapter);
  const { preset, why } = DEMOS[gpu.kind];
  console.log(`demo: ${preset}, ${presetNamed(preset).description}${why}`);
  await startRun(out, { preset, overwrite, adapter, tune, tensorboard: false }, gpu);
}
