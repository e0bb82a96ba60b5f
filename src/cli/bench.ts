import { loadavg } from "node:os";
import { Command, InvalidArgumentError } from "commander";
import type { Source } from "../bench/profile.js";
import type { BenchRecord, MeasuredStep } from "../bench/record.js";
import { measureRoofs, quickRoofs, roofOf } from "../bench/roofs.js";
import { runSweep, SWEEP_BATCH } from "../bench/sweep.js";
import { UserError } from "../engine/errors.js";
import { PRESETS, presetNamed } from "../faceswap/presets.js";
import { adapterLine } from "../platform/node.js";
import { rooflinePage } from "../report/roofline.js";
import { checkFilePath, writeFileAtomic } from "../storage/files.js";
import { benchText } from "./benchText.js";
import { PRESET_HELP } from "./chosen.js";
import { machineNow, measuredCases, measuredKernels, measureStep, openToMeasure } from "./measured.js";
import { adapterOption, wholeNumber } from "./options.js";
import { type TuneWhen, Tuning, tuneOption } from "./tune.js";

interface Options {
  preset?: string[];
  sweep: boolean;
  json?: string;
  html: string | false;
  rounds?: number;
  quick: boolean;
  tune: TuneWhen;
  adapter?: string;
}

/** Presets that a CPU adapter trains in minutes; the article's want a GPU. */
const AVATARS = Object.keys(PRESETS).filter((name) => name.startsWith("avatar-"));

/** How long is measured, in seconds. */
const FULL = { presets: AVATARS, rounds: 5, step: 1, sweep: 90 };
const QUICK = { presets: AVATARS.slice(0, 1), rounds: 3, step: 0.3, sweep: 15 };

function presets(name: string, earlier: string[] = []): string[] {
  if (name !== "all" && !Object.hasOwn(PRESETS, name)) {
    throw new InvalidArgumentError(`There is no preset "${name}": choose of ${Object.keys(PRESETS).join(", ")}, all.`);
  }
  const chosen = name === "all" ? Object.keys(PRESETS) : [name];
  return [...new Set([...earlier, ...chosen])];
}

export function benchCommand(): Command {
  return new Command("bench")
    .description("Measures the adapter's roofs, every kernel of the presets below them, and whole training steps.")
    .option("--preset <name>", "whose step to measure; repeatable, or all (default: those of avatars)", presets)
    .option("--sweep", "also measure the heavy ops over 3 to 256 channels and 8 to 128 pixels", false)
    .option("--json <file>", "write all figures as JSON")
    .option("--html <file>", "the page with the roofline", "bench.html")
    .option("--no-html", "write no page")
    .option("--rounds <n>", "readings of each time (default: 5)", wholeNumber(1))
    .option("--quick", "shorter: fewer readings, a short sweep, and avatar-64 alone unless presets are named", false)
    .addOption(tuneOption())
    .addOption(adapterOption())
    .addHelpText(
      "after",
      `\n${PRESET_HELP}\n\nHow to read the figures: docs/benchmarks.md. Nothing else should run meanwhile.` +
        "\n\nExamples:\n  shibori bench --quick\n  shibori bench --preset avatar-64 --json bench.json" +
        "\n  shibori bench --preset article-256 --sweep --adapter hardware --html h100.html",
    )
    .action(bench);
}

async function bench(options: Options): Promise<void> {
  const { json, html, adapter, quick, sweep, tune } = options;
  const lengths = quick ? QUICK : FULL;
  const { preset: names = lengths.presets, rounds = lengths.rounds } = options;
  if (html && !/\.html$/i.test(html)) throw new UserError(`--html ${html}: it must end in .html: it is a page`);
  if (json && json === html) throw new UserError(`--json ${json}: the page is written there: give another name`);
  for (const path of [json, html]) if (path) checkFilePath(path);

  const begin = performance.now();
  const before = loadavg()[0];
  const date = new Date().toISOString();
  const gpu = await openToMeasure(adapter);
  console.log(`${adapterLine(gpu)}\nmeasuring the roofs …`);
  const roofs = await measureRoofs(gpu, quick ? quickRoofs(gpu) : {});
  const roof = roofOf(roofs);
  const pass = roofs.pass.median;

  const steps: MeasuredStep[] = [];
  const sources: Source[] = [];
  for (const name of names) {
    console.log(`measuring a training step of ${name} …`);
    const { description, ...config } = presetNamed(name);
    // A device of its own: pipelines of the presets before would be there already.
    const own = await openToMeasure(adapter);
    const readings = { rounds, seconds: lengths.step, pass, tuning: new Tuning(own, tune) };
    const measured = await measureStep(own, { name, description, config }, readings);
    own.destroy();
    steps.push(measured.step);
    sources.push(measured.source);
  }
  let swept: BenchRecord["sweep"];
  if (sweep) {
    console.log(`measuring the sweep, up to ${lengths.sweep} s …`);
    const { timed, leftOut } = await runSweep(gpu, { budget: lengths.sweep, rounds, pass, roof });
    swept = { batch: SWEEP_BATCH, cases: measuredCases(timed, roof), leftOut };
  }
  const record: BenchRecord = {
    what: "shibori bench",
    command: ["shibori", ...process.argv.slice(2)].join(" "),
    date,
    seconds: (performance.now() - begin) / 1e3,
    machine: machineNow(gpu, before),
    ...{ rounds, roofs, steps, kernels: measuredKernels(sources, roof), sweep: swept },
  };
  gpu.destroy();
  console.log(`\n${benchText(record)}`);
  if (json) writeFileAtomic(json, `${JSON.stringify(record, null, 1)}\n`);
  if (html) writeFileAtomic(html, rooflinePage(record));
  const written = [json, html].filter(Boolean);
  if (written.length) console.log(`wrote ${written.join(" and ")}`);
}
