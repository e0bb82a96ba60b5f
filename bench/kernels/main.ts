// The ladder of kernels: checks and times every rung. `npm run bench:kernels -- --help`; how to read it: README.md here.
import { writeFileSync } from "node:fs";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { adapterOf } from "../../src/cli/machine.js";
import { GpuError, UserError } from "../../src/engine/errors.js";
import { bytes } from "../../src/engine/shape.js";
import { adapterLine, openGpu } from "../../src/platform/node.js";
import { versions } from "../../src/platform/versions.js";
import { type Climb, checkOdd, climb, READING_MS } from "./climb.js";
import type { Ladder, Sizes } from "./ladder.js";
import { LADDERS } from "./ladders.js";
import { copyRoof, fmaRoof } from "./roof.js";
import { sizesFor } from "./sizes.js";
import { type Figures, figuresOf, table } from "./table.js";

interface Options {
  op?: string[];
  shape?: string;
  adapter?: string;
  rounds: number;
  json?: string;
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError("It must be a whole number from 1.");
  return value;
}

const names = LADDERS.map(({ op }) => op);
const command = new Command("bench:kernels")
  .description("Checks every rung of the ladders of kernels against float64, then times those that are right.")
  .configureHelp({ helpWidth: 110 })
  .addOption(new Option("--op <name...>", "only these ladders").choices(names))
  .option("--shape <text>", 'a shape by name, or "x=8x32x32x32 w=3x3x32x64 stride=1 padding=1" with one --op')
  .option("--adapter <name>", "auto, hardware, software, embedded, or a part of an adapter's name")
  .option("--rounds <n>", "readings of each rung", wholeNumber, 7)
  .option("--json <file>", "write all figures and readings there")
  .exitOverride();

/** What to climb. @throws UserError */
function plan({ op, shape }: Options): [Ladder, [string, Sizes][]][] {
  const chosen = LADDERS.filter((ladder) => !op || op.includes(ladder.op));
  if (shape?.includes("=") && chosen.length > 1) throw new UserError("--shape: sizes need one --op to belong to");
  const work = chosen.map((ladder): [Ladder, [string, Sizes][]] => [ladder, sizesFor(ladder, shape)]);
  if (work.every(([, sizes]) => sizes.length === 0)) {
    const known = [...new Set(chosen.flatMap(({ shapes }) => Object.keys(shapes)))];
    throw new UserError(`--shape: there is no "${shape}"; there are ${known.join(", ")}, or give sizes (see --help)`);
  }
  for (const [ladder, sizes] of work) for (const [, each] of sizes) ladder.problem(each, 0); // refuses what does not fit
  return work;
}

/** @returns the exit code: 1 if a rung is wrong */
async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const work = plan(options);
  const gpu = await openGpu({ adapter: options.adapter });
  console.log(adapterLine(gpu));
  const fma = await fmaRoof(gpu, READING_MS);
  console.log(`roof of arithmetic: FMAs of ${fma.chains} chains of vec4s an invocation, measured beside the rungs`);
  const date = new Date().toISOString();
  const climbs: (Climb & { figures: (Figures | null)[] })[] = [];
  for (const [ladder, sizes] of work) {
    if (sizes.length === 0) continue;
    const odd = await checkOdd(gpu, ladder);
    const margin = Math.max(...[...odd.values()].map((verdict) => verdict.margin));
    console.log(
      `\n${ladder.op}: ${odd.size} rungs at ${ladder.odd.length} odd sizes, worst margin ${margin.toPrecision(2)} of 1`,
    );
    for (const [shape, each] of sizes) {
      const roof = ladder.roof === "fma" ? fma : await copyRoof(gpu, bytes(each.x));
      const own = await climb(gpu, ladder, shape, each, odd, roof, options.rounds);
      if (roof !== fma) roof.destroy();
      console.log(`\n${table(ladder, own, gpu.kind !== "hardware").join("\n")}`);
      const figures = figuresOf(own);
      climbs.push({ ...own, figures: own.results.map((result) => figures.get(result) ?? null) });
    }
  }
  if (options.json) {
    const machine = { adapter: adapterOf(gpu), versions: versions() };
    const text = JSON.stringify({ date, command: process.argv.slice(2), ...machine, climbs }, null, 2);
    try {
      writeFileSync(options.json, `${text}\n`);
    } catch (error) {
      throw new UserError(`--json: cannot write ${options.json}: ${(error as Error).message}`);
    }
  }
  const wrong = climbs.flatMap(({ results }) => results).filter((result) => result.wrong);
  if (wrong.length) console.error(`bench:kernels: ${wrong.length} wrong, see above`);
  return wrong.length ? 1 : 0;
}

/** Exit codes as the command line's: 0 all right, 1 a rung is wrong or the machine failed, 2 the caller's mistake. */
async function exitCode(): Promise<number> {
  try {
    return await main();
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UserError || error instanceof GpuError)) throw error;
    console.error(`bench:kernels: ${error.message}`);
    return error instanceof UserError ? 2 : 1;
  }
}

process.exitCode = await exitCode();
process.stdout.write("", () => process.exit());
