#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { DivergedError, GpuError, UserError } from "../engine/errors.js";
import { avatarsCommand } from "./avatars.js";
import { benchCommand } from "./bench.js";
import { compareCommand } from "./compare.js";
import { demoCommand } from "./demo.js";
import { doctorCommand } from "./doctor.js";
import { experimentCommand } from "./experiment.js";
import { exportCommand } from "./export.js";
import { inspectCommand } from "./inspect.js";
import { profileCommand } from "./profile.js";
import { swapCommand } from "./swap.js";
import { trainCommand } from "./train.js";

const program = new Command("shibori")
  .description("Trains face-swap autoencoders in WGSL kernels, and measures whether they swap.")
  .configureHelp({ helpWidth: 110 })
  .showHelpAfterError("(add --help for the options)");
for (const command of [
  demoCommand(),
  trainCommand(),
  inspectCommand(),
  swapCommand(),
  compareCommand(),
  experimentCommand(),
  exportCommand(),
  avatarsCommand(),
  benchCommand(),
  profileCommand(),
  doctorCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program));
}
program.addHelpText(
  "after",
  "\nExamples:\n  shibori doctor\n  shibori demo\n  shibori train --preset avatar-64 --out runs/demo" +
    "\n  shibori inspect --preset article-512-naive" +
    "\n  shibori swap --run runs/demo --from src --to dst face.png -o swapped.png" +
    "\n  shibori compare runs/demo runs/trap -o compared.html" +
    "\n  shibori experiment trap" +
    "\n  shibori export --run runs/demo -o weights.safetensors" +
    "\n  shibori bench --quick" +
    "\n\nEnvironment: SHIBORI_ADAPTER (as --adapter), SHIBORI_TUNE (as --tune)," +
    "\n             SHIBORI_CACHE (folder of the unpacked embedded driver and of the kernels' times)," +
    "\n             SHIBORI_VERBOSE=1 (show the drivers' own messages).",
);

/** Exit codes: 0 done, 1 the machine failed or the training diverged, 2 the caller's mistake, 128 + n signal n. */
async function main(): Promise<number> {
  for (const command of [program, ...program.commands]) command.exitOverride();
  try {
    await program.parseAsync();
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed its message
    if (error instanceof UserError || error instanceof GpuError || error instanceof DivergedError) {
      console.error(`shibori: ${error.message}`);
      return error instanceof UserError ? 2 : 1;
    }
    throw error;
  }
}

// Whoever read what is printed may be gone (`| head`, a closed terminal, a full disk): work goes on, and is saved, unseen.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
process.exitCode = await main();
// An open device does not keep node alive, but a pending promise of its queue may.
process.stdout.write("", () => process.exit());
