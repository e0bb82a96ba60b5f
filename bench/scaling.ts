// How a training step's cost grows with batch, resolution and channels: `npm run bench:scaling -- --help`.
import { loadavg } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { spreadOf } from "../src/bench/statistics.js";
import { timeSteps } from "../src/bench/step.js";
import type { TrainingConfig } from "../src/faceswap/config.js";
import { modelOf } from "../src/faceswap/model.js";
import { presetNamed } from "../src/faceswap/presets.js";
import { compileTraining } from "../src/faceswap/training.js";
import { adapterLine, openGpu } from "../src/platform/node.js";
import { checkFilePath, writeFileAtomic } from "../src/storage/files.js";
import { type Curve, scalingChart } from "./scalingChart.js";
import { runScript } from "./script.js";

const { description: _, ...base } = presetNamed("avatar-64");
const { size, stages, mid, code } = base.architecture;

/** One thing grows, the rest is the demo's. The code's grid grows with the picture, as in the article's naive step. */
const SWEEPS: Record<string, { values: readonly number[]; config: (value: number) => TrainingConfig }> = {
  batch: { values: [2, 4, 8, 16, 32], config: (batch) => ({ ...base, batch }) },
  resolution: {
    values: [64, 128, 256, 512],
    config: (pixels) => ({ ...base, architecture: { ...base.architecture, size: pixels } }),
  },
  "channels, ×": {
    values: [1, 2, 4, 8],
    config: (times) => ({
      ...base,
      architecture: { size, stages: stages.map((n) => n * times), mid: mid * times, code: code * times },
    }),
  },
};

const command = new Command("bench:scaling")
  .description("Times training steps of the demo's network as batch, resolution and channels grow, and draws them.")
  .configureHelp({ helpWidth: 110 })
  .option("--adapter <name>", "auto, hardware, software, embedded, or a part of an adapter's name")
  .option("--out <dir>", "folder for scaling.json and scaling.svg", ".")
  .addHelpText("after", "\nWith the default kernels, not the tuner's. Nothing else should run meanwhile.")
  .allowExcessArguments(false)
  .exitOverride();

async function main(): Promise<number> {
  const { adapter, out } = command.parse().opts<{ adapter?: string; out: string }>();
  const [json, svg] = ["scaling.json", "scaling.svg"].map((name) => join(out, name));
  for (const path of [json, svg]) checkFilePath(path);
  const gpu = await openGpu({ adapter });
  console.log(adapterLine(gpu));
  console.log(
    `load ${loadavg()[0].toFixed(1)}; the demo's network, batch 2 of each identity where nothing else is said\n`,
  );
  console.log("grows                   GFLOP      ms          GFLOP/s  dispatches  compile + first step, ms");
  const curves: Curve[] = [];
  for (const [name, { values, config }] of Object.entries(SWEEPS)) {
    const points: Curve["points"] = [];
    for (const value of values) {
      const begin = performance.now();
      const program = await compileTraining(gpu, modelOf(config(value)), config(value));
      await program.run();
      await program.settle();
      const compile = performance.now() - begin;
      const { wall } = await timeSteps(program, { rounds: 5, seconds: 1 });
      const point = { value, flops: program.flops, ms: wall.median * 1e3, spread: spreadOf(wall), compile };
      points.push(point);
      const rate = program.flops / wall.median / 1e9;
      const before = points.at(-2);
      const slower = before && before.flops / before.ms / 1e6 > 1.5 * rate ? "  a cliff?" : "";
      console.log(
        `${`${name} ${value}`.padEnd(22)} ${(program.flops / 1e9).toFixed(3).padStart(6)} ${point.ms.toFixed(1).padStart(7)} ` +
          `±${(point.spread * 100).toFixed(0).padStart(2)} % ${rate.toFixed(1).padStart(11)} ${String(program.dispatches).padStart(11)} ` +
          `${compile.toFixed(0).padStart(25)}${slower}`,
      );
      program.destroy();
    }
    curves.push({ name, points });
  }
  const about = `${adapterLine(gpu).replace(/^adapter: | \(.*/g, "")}, ${new Date().toISOString().slice(0, 10)}`;
  writeFileAtomic(json, `${JSON.stringify({ about, load: loadavg(), curves }, null, 2)}\n`);
  writeFileAtomic(svg, scalingChart(curves, about));
  console.log(`\nwrote ${json} and ${svg}`);
  gpu.destroy();
  return 0;
}

await runScript("bench:scaling", main);
