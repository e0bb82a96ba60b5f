import { existsSync, realpathSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { UserError } from "../engine/errors.js";
import { comparePage } from "../report/compare.js";
import { type Compared, MOST_RUNS, viewRuns } from "../report/compared.js";
import { headline, lossesLine } from "../report/headline.js";
import { part } from "../report/numbers.js";
import { parts } from "../report/runView.js";
import { verdictOf } from "../report/verdict.js";
import { checkFilePath, writeFileAtomic } from "../storage/files.js";
import { RUN_FILES, RunFolder } from "../storage/runFolder.js";

export function compareCommand(): Command {
  return new Command("compare")
    .description(
      "Sets runs beside each other: what differs, pictures at equal poses, measures, curves; in one HTML file.",
    )
    .argument("<run...>", `folders of 2 to ${MOST_RUNS} runs, finished or not`)
    .requiredOption("-o, --out <page.html>", "the file to write; it needs nothing beside it")
    .addHelpText(
      "after",
      "\nLosses are ranked only where they are one quantity: of one formula, on the same pictures, of codes of one shape." +
        "\n\nExamples:\n  shibori compare runs/demo runs/trap -o demo-and-trap.html" +
        "\n  shibori compare runs/seed-* -o seeds.html",
    )
    .action(compare);
}

/** @throws UserError for what no page can be made of */
function openRuns(paths: readonly string[]): RunFolder[] {
  if (paths.length < 2) throw new UserError(`${paths[0]} alone cannot be compared: name another run`);
  if (paths.length > MOST_RUNS)
    throw new UserError(`${paths.length} runs are too many for one page: at most ${MOST_RUNS}`);
  const folders = paths.map((path) => RunFolder.open(path));
  const real = paths.map((path) => realpathSync(path));
  const twice = paths.find((_, i) => real.indexOf(real[i]) !== i);
  if (twice !== undefined) throw new UserError(`${twice} is named twice: name each run once`);
  return folders;
}

function checkOut(out: string, runs: readonly RunFolder[]): void {
  if (!/\.html$/i.test(out)) throw new UserError(`${out} must end in .html: the comparison is a page`);
  checkFilePath(out);
  const real = (path: string) => (existsSync(path) ? realpathSync(path) : resolve(path));
  const own = runs.find(({ path }) => real(join(path, RUN_FILES.report)) === real(out));
  if (own) throw new UserError(`${out} is the report of ${own.path}: give another --out`);
}

function compare(paths: string[], { out }: { out: string }): void {
  const folders = openRuns(paths);
  checkOut(out, folders);
  const runs = viewRuns(folders);
  const { page, problems } = comparePage(runs);
  writeFileAtomic(out, page);
  for (const problem of problems) console.error(`passed over ${problem}`);
  console.log(verdictTable(runs));
  console.log([headline(runs), lossesLine(runs)].filter((line) => line !== undefined).join(" "));
  console.log(`wrote ${out}`);
}

function verdictTable(runs: readonly Compared[]): string {
  const measured = runs.some(({ look }) => look?.showsExpression !== undefined);
  const head = ["run", "steps", "reconstruction", "t", "swap error", "pose corr.", "verdict"];
  if (measured) head.push("expression");
  const rows = runs.map((run) => {
    const { name, step, config, look } = run;
    const { reconstruction, t, swapError, poseCorrelation } = look ? parts(look.measures) : NOTHING;
    const figures = [reconstruction, t, swapError, poseCorrelation].map(part);
    const shows = look?.showsExpression;
    const expression = measured ? [shows === undefined ? part(undefined) : shows ? "shown" : "not shown"] : [];
    return [name, `${step}/${config.steps}`, ...figures, verdictOf(run).word.toLowerCase(), ...expression];
  });
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  // Names and verdicts stand to the left, figures to the right.
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, i) => (i === 0 || i >= 6 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd();
  return [head, ...rows].map(line).join("\n");
}

const NOTHING = { reconstruction: NaN, t: NaN, swapError: NaN, poseCorrelation: NaN };
