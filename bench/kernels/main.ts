// The ladder of kernels: checks and times every rung. `npm run bench:kernels -- --help`; how to read it: README.md here.
import { Command, InvalidArgumentError, Option } from "commander";
import { measureRoofs } from "../../src/bench/roofs.js";
import { adapterOf } from "../../src/cli/machine.js";
import { UserError } from "../../src/engine/errors.js";
import { adapterLine, openGpu } from "../../src/platform/node.js";
import { versions } from "../../src/platform/versions.js";
import { checkFilePath, writeFileAtomic } from "../../src/storage/files.js";
import { runScript } from "../script.js";
import { type Climb, checkOdd, climb } from "./climb.js";
import { type Figures, figuresOf } from "./figures.js";
import type { Ladder, Sizes } from "./ladder.js";
import { LADDERS } from "./ladders.js";
import { sizesFor } from "./sizes.js";
import { climbText, summaryText } from "./text.js";

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
  // The op refuses what is no problem of it.
  for (const [ladder, sizes] of work) for (const [, each] of sizes) ladder.problem(each, 0);
  return work;
}

/** @returns the exit code: 1 if a rung is wrong */
async function main(): Promise<number> {
  const options = command.parse().opts<Options>();
  const work = plan(options);
  if (options.json) checkFilePath(options.json);
  const gpu = await openGpu({ adapter: options.adapter });
  console.log(adapterLine(gpu));
  const roofs = await measureRoofs(gpu);
  const { peak, cache } = roofs;
  console.log(
    `roofs: ${(peak.rate.most / 1e9).toFixed(1)} GFLOP/s of multiply-adds (${peak.name}), ` +
      `${(cache.rate.most / 1e9).toFixed(1)} GB/s of copying (${cache.name})`,
  );
  const by = gpu.kind === "hardware" ? "wall" : "cpu";
  if (by === "cpu") console.log("cpu-s: seconds of CPU in the driver's threads; × before and × first compare them");
  const date = new Date().toISOString();
  const climbs: (Climb & { figures: (Figures | null)[] })[] = [];
  for (const [ladder, shapes] of work) {
    if (shapes.length === 0) continue;
    const odd = await checkOdd(gpu, ladder);
    const right = [...odd.values()].filter(({ fault }) => !fault);
    const margin = Math.max(0, ...right.map((verdict) => verdict.margin)).toPrecision(2);
    console.log(
      `\n${ladder.op}: ${right.length} of ${odd.size} kernels are right at ${ladder.odd.length} odd sizes, ` +
        `the worst error at ${margin} of its bound`,
    );
    const roof = (ladder.limit === "arithmetic" ? peak : cache).rate.most / 1e9;
    const own: typeof climbs = [];
    for (const each of shapes) {
      const found = await climb(gpu, ladder, each, odd, options.rounds);
      const figuresBy = figuresOf(found, roof, by);
      const figures = found.results.map((result) => figuresBy.get(result) ?? null);
      own.push({ ...found, figures });
      console.log(`\n${climbText(ladder, found, figures, by)}`);
    }
    if (shapes.length > 1) console.log(`\n${summaryText(ladder, own, by)}`);
    climbs.push(...own);
  }
  const machine = { adapter: adapterOf(gpu), versions: versions() };
  const record = { date, command: process.argv.slice(2), ...machine, roofs, climbs };
  if (options.json) writeFileAtomic(options.json, `${JSON.stringify(record, null, 2)}\n`);
  const wrong = climbs.flatMap(({ results }) => results).filter((result) => result.wrong);
  if (wrong.length) console.error(`bench:kernels: ${wrong.length} wrong, see above`);
  return wrong.length ? 1 : 0;
}

await runScript("bench:kernels", main);
