import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import { targetOf } from "../engine/program.js";
import { type DeclaredRun, type Experiment, shardOf } from "../experiment/declare.js";
import { experimentPage } from "../experiment/page.js";
import { csv, epochsOf, rowOf } from "../experiment/results.js";
import { statement } from "../experiment/summary.js";
import { encodePaired, type Leak, leakOf } from "../faceswap/code/leak.js";
import { modelOf } from "../faceswap/model.js";
import { planStep } from "../faceswap/stepPlan.js";
import { count, duration } from "../report/numbers.js";
import { type RunView, viewRun } from "../report/runView.js";
import { checkFolderPath, ensureDir, writeFileAtomic } from "../storage/files.js";
import { trainingFields } from "../storage/runConfig.js";
import { RUN_FILES, RunFolder } from "../storage/runFolder.js";
import { type Chosen, chosenConfig } from "./chosen.js";
import { experimentNamed, OWN_EXPERIMENTS } from "./experimentFiles.js";
import { adapterOption } from "./options.js";
import { openAdapter } from "./session.js";
import { exitCode } from "./signals.js";
import { table } from "./table.js";
import { openTrained } from "./trained.js";
import { type TuneWhen, tuneOption } from "./tune.js";

/** Faces of each identity whose codes are read, an epoch's. */
const READ = 1024;

interface Options {
  out?: string;
  shard?: string;
  plan: boolean;
  report: boolean;
  adapter?: string;
  tune: TuneWhen;
}

export function experimentCommand(): Command {
  return new Command("experiment")
    .description(
      "Trains the runs of an experiment, as far as they are not there yet, and writes what they show together.",
    )
    .argument("<name>", `${OWN_EXPERIMENTS.join(", ")}, or a declaration of your own (FILE.json)`)
    .option("--out <dir>", "folder of the runs and the results (default: runs/NAME)")
    .option("--shard <i/n>", "only every n-th run, from the i-th: for several machines on one folder")
    .option("--plan", "only show what it would cost", false)
    .option("--report", "train nothing: results and report of what is there", false)
    .addOption(adapterOption())
    .addOption(tuneOption())
    .addHelpText(
      "after",
      "\nIt writes OUT/results.csv (a line a run), OUT/epochs.csv (losses by epoch of 1,024 faces) and OUT/report.html, after" +
        "\neach run anew. Started again it goes on: finished runs stay, an interrupted one is resumed. How a declaration is" +
        "\nwritten, and how to spread one over a cluster: docs/experiments.md." +
        "\n\nExamples:\n  shibori experiment trap\n  shibori experiment dissect --plan\n  shibori experiment fixes --shard 2/4 --out /shared/fixes" +
        "\n  shibori experiment mine.json --out runs/mine",
    )
    .action(experiment);
}

/** A run with its configuration and what is there of it. */
interface Planned {
  readonly run: DeclaredRun;
  readonly chosen: Chosen;
  readonly path: string;
  readonly flops: number;
  readonly view: RunView | undefined;
}

const finished = ({ view }: Planned): boolean => view?.metrics.final !== undefined;

/** @throws UserError if a folder holds another run than the one that is declared */
function viewOf(path: string, { name }: DeclaredRun, { config }: Chosen): RunView | undefined {
  if (!existsSync(join(path, RUN_FILES.config))) return undefined;
  const view = viewRun(RunFolder.open(path));
  for (const field of Object.keys(trainingFields) as (keyof typeof trainingFields)[]) {
    const [there, wanted] = [view.config[field], config[field]].map((value) => JSON.stringify(sorted(value)));
    if (there === wanted) continue;
    throw new UserError(
      `${path} holds a run with ${field} ${there}, but ${name} is declared with ${wanted}: move it away, or give another --out`,
    );
  }
  return view;
}

/** With the fields of objects in the order of their names. */
function sorted(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, sorted(v)]),
  );
}

function planOf({ runs }: Experiment, out: string, gpu: Gpu): Planned[] {
  const target = targetOf(gpu);
  const known = new Map<string, number>();
  return runs.map((run) => {
    const { preset, set, seed } = run;
    let chosen: Chosen;
    try {
      chosen = chosenConfig({ preset, set: [...set], seed });
    } catch (error) {
      throw error instanceof UserError ? new UserError(`run ${run.name}: ${error.message}`) : error;
    }
    const path = join(out, run.name);
    const flops = known.get(run.arm) ?? planStep(modelOf(chosen.config), chosen.config, target).flops;
    known.set(run.arm, flops);
    return { run, chosen, path, flops, view: viewOf(path, run, chosen) };
  });
}

/** FLOPs a second of the finished runs on this adapter; NaN if there are none. */
function rateOf(plan: readonly Planned[], gpu: Gpu): number {
  const own = plan.filter((each) => finished(each) && each.view?.config.adapter.name === gpu.name);
  const sum = (of: (each: Planned) => number) => own.reduce((total, each) => total + of(each), 0);
  return sum(({ flops, view }) => flops * (view?.step ?? 0)) / sum(({ view }) => view?.times.at(-1)?.seconds ?? 0);
}

const restOf = ({ flops, chosen, view }: Planned): number => flops * (chosen.config.steps - (view?.step ?? 0));

function planText(plan: readonly Planned[], gpu: Gpu): string {
  const rate = rateOf(plan, gpu);
  const rows = plan.map((each) => {
    const { run, chosen, flops, view } = each;
    const { steps, batch } = chosen.config;
    const state = finished(each) ? "finished" : view ? `at step ${count(view.step)}` : "to do";
    const seconds = finished(each) ? (view?.times.at(-1)?.seconds ?? Number.NaN) : restOf(each) / rate;
    const work = (flops * steps) / 1e12;
    return [
      run.name,
      state,
      count(steps),
      String(batch),
      work.toFixed(2),
      `${finished(each) ? "" : "about "}${duration(seconds)}`.replace("about –", "–"),
    ];
  });
  const open = plan.filter((each) => !finished(each));
  const rest = open.reduce((sum, each) => sum + restOf(each), 0);
  const time = Number.isFinite(rate)
    ? `, about ${duration(rest / rate)} on this adapter`
    : "; how long is known when the first is finished";
  const left = open.length
    ? `${open.length} of ${plan.length} runs to do: ${(rest / 1e12).toFixed(2)} TFLOP${time}`
    : `all ${plan.length} runs are finished`;
  return `${table([["run", "state", "steps", "batch", "TFLOP", "time"], ...rows])}\n${left}`;
}

/** Trains one run in a process of its own: whatever happens to it, the others go on. @returns its exit code */
function train({ run, path, view }: Planned, { adapter, tune }: Options): Promise<number> {
  const args = view
    ? ["--resume", path]
    : [
        "--out",
        path,
        "--preset",
        run.preset,
        ...run.set.flatMap((text) => ["--set", text]),
        "--seed",
        String(run.seed),
      ];
  const command = [
    process.argv[1],
    "train",
    ...args,
    "--tune",
    tune,
    ...(adapter === undefined ? [] : ["--adapter", adapter]),
  ];
  // In a group of its own, so that Ctrl-C comes once: from here.
  const child = spawn(process.execPath, command, { stdio: "inherit", detached: true });
  const forward = (signal: NodeJS.Signals) => child.kill(signal);
  for (const signal of SIGNALS) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      for (const name of SIGNALS) process.off(name, forward);
      resolve(code ?? exitCode(signal as (typeof SIGNALS)[number]));
    });
  });
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** What a finished run's codes tell: read from its folder, or measured and kept there. */
async function leakThere(gpu: Gpu, { path, chosen: { config }, view }: Planned): Promise<Leak> {
  const file = join(path, RUN_FILES.code);
  if (existsSync(file)) {
    const { step, ...leak } = JSON.parse(readFileSync(file, "utf8")) as Leak & { step: number };
    if (step === view?.step) return leak;
  }
  const { model, values, step } = openTrained(path);
  const leak = leakOf(await encodePaired(gpu, model, values, config, READ));
  writeFileAtomic(file, `${JSON.stringify({ step, ...leak })}\n`);
  return leak;
}

/** Writes the results of all runs that are finished, whoever trained them. */
async function report(gpu: Gpu, declaration: Experiment, plan: readonly Planned[], out: string): Promise<string[]> {
  const { factors } = declaration;
  const rows = [];
  const epochs = [];
  const views: RunView[] = [];
  for (const each of plan.filter(finished)) {
    const view = each.view as RunView;
    rows.push(rowOf(each.run, view, await leakThere(gpu, each), factors));
    epochs.push(...epochsOf(each.run, view));
    views.push(view);
  }
  ensureDir(out);
  writeFileAtomic(join(out, "results.csv"), csv(rows));
  writeFileAtomic(join(out, "epochs.csv"), csv(epochs));
  writeFileAtomic(join(out, "report.html"), experimentPage(declaration, rows, views, epochs));
  return statement(rows);
}

async function experiment(name: string, options: Options): Promise<void> {
  const declaration = experimentNamed(name);
  const out = options.out ?? join("runs", declaration.name);
  if (out === "") throw new UserError("--out is empty: give a folder");
  if (options.plan && options.report) throw new UserError("--plan and --report: give one of them");
  checkFolderPath(out);
  const own = new Set(options.shard === undefined ? declaration.runs : shardOf(declaration.runs, options.shard));
  const gpu = await openAdapter(options.adapter);
  const look = () => planOf(declaration, out, gpu);
  let plan = look();
  const mine = () => plan.filter(({ run }) => own.has(run));
  console.log(`${declaration.title}\n${declaration.question}\n\n${planText(mine(), gpu)}`);
  if (options.plan) return gpu.destroy();
  const failed: string[] = [];
  let stopped = 0;
  const open = options.report ? [] : mine().filter((each) => !finished(each));
  for (const [i, each] of open.entries()) {
    console.log(`\nrun ${i + 1} of ${open.length}: ${each.run.name}`);
    const code = await train(each, options);
    if (code === 2) throw new UserError(`run ${each.run.name} was refused, see above`);
    if (code > 128) {
      stopped = code;
      break;
    }
    if (code) failed.push(each.run.name);
    plan = look();
    await report(gpu, declaration, plan, out);
    const rest = mine().filter((other) => !finished(other) && !failed.includes(other.run.name));
    const seconds = rest.reduce((sum, other) => sum + restOf(other), 0) / rateOf(plan, gpu);
    if (rest.length) console.log(`${rest.length} runs to do, about ${duration(seconds)}`);
  }
  plan = look();
  const lines = await report(gpu, declaration, plan, out);
  const done = plan.filter(finished).length;
  console.log(
    `\n${done} of ${plan.length} runs are finished.\n${lines.join("\n")}\nwrote ${["results.csv", "epochs.csv", "report.html"].map((file) => join(out, file)).join(", ")}`,
  );
  if (failed.length) console.error(`failed: ${failed.join(", ")}; started again they are tried again`);
  gpu.destroy();
  if (stopped) process.exitCode = stopped;
  else if (failed.length) process.exitCode = 1;
}
