import { CommanderError } from "commander";
import { GpuError, UserError } from "../src/engine/errors.js";

/**
 * Runs a script to its end. Exit codes as the command line's: what `main` returns (0: all right), 1 if the machine failed,
 * 2 for the caller's mistake, which gets one line.
 */
export async function runScript(name: string, main: () => Promise<number>): Promise<void> {
  process.exitCode = await exitCode(name, main);
  process.stdout.write("", () => process.exit());
}

async function exitCode(name: string, main: () => Promise<number>): Promise<number> {
  try {
    return await main();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2; // commander has printed its message
    if (!(error instanceof UserError || error instanceof GpuError)) throw error;
    console.error(`${name}: ${error.message}`);
    return error instanceof UserError ? 2 : 1;
  }
}
