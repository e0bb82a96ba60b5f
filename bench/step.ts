// Times one training step of a preset: `npm run bench:step -- [preset] [adapter] [off|cached|force]`, the last as --tune.
import { type TuneWhen, Tuning } from "../src/cli/tune.js";
import { modelOf } from "../src/faceswap/model.js";
import { presetNamed } from "../src/faceswap/presets.js";
import { compileTraining } from "../src/faceswap/training.js";
import { adapterLine, openGpu } from "../src/platform/node.js";

const [name = "avatar-64", adapter, when = "cached"] = process.argv.slice(2);
const preset = presetNamed(name);
const gpu = await openGpu({ adapter });
console.log(adapterLine(gpu));
const tuning = new Tuning(gpu, when as TuneWhen);
const begin = performance.now();
const program = await compileTraining(gpu, modelOf(preset), preset, "avatars", { tuner: tuning.tuner });
await program.run();
await program.settle();
const compiled = performance.now() - begin - 1e3 * tuning.seconds;
tuning.report();

const STEPS = 20;
const rounds: { wall: number; cpu: number }[] = [];
for (let round = 0; round < 5; round++) {
  const wall = performance.now();
  const cpu = process.cpuUsage();
  for (let i = 0; i < STEPS; i++) await program.run();
  await program.settle();
  const used = process.cpuUsage(cpu);
  rounds.push({ wall: (performance.now() - wall) / STEPS, cpu: (used.user + used.system) / 1e3 / STEPS });
}
const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const wall = median(rounds.map((r) => r.wall));
const cpu = median(rounds.map((r) => r.cpu));
const gflop = program.flops / 1e9;
console.log(
  `${name}: ${gflop.toFixed(3)} GFLOP and ${program.dispatches} dispatches a step; compile and first step ${compiled.toFixed(0)} ms`,
);
console.log(
  `step: ${wall.toFixed(2)} ms wall (median of 5 × ${STEPS}), ${((gflop / wall) * 1e3).toFixed(1)} GFLOP/s, ` +
    `${((gflop / cpu) * 1e3).toFixed(2)} GFLOP per CPU second`,
);
gpu.destroy();
