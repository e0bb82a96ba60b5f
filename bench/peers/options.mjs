import { parseArgs } from "node:util";
import { userError } from "./userError.mjs";

export const HELP = `Usage: npm run bench:peers -- [options]

Times convolutions and a training step of Shibori, TensorFlow.js and jax-js in turns on one adapter, after comparing
their results. Install the peers first: npm ci --prefix bench/peers

  --only PATTERN   benchmarks whose name contains it, e.g. "conv", "transposed", "weight", "training step"
  --rounds N       samples of each library, in turns (default 7)
  --adapter NAME   auto, hardware, software, embedded, or a part of a name (default: SHIBORI_ADAPTER, else auto)
  --json FILE      writes all samples, adapter, driver and versions
  --help`;

/** Time of the rounds of one benchmark, after which no further round starts. */
export const LIMIT_MS = 60_000;

/** @param {string[]} argv @throws UserError */
export function parseOptions(argv) {
  const options = Object.fromEntries(["only", "rounds", "adapter", "json"].map((name) => [name, { type: "string" }]));
  let values;
  try {
    ({ values } = parseArgs({ args: argv, options: { ...options, help: { type: "boolean" } } }));
  } catch (error) {
    throw userError(`${error.message.split(". ")[0]}; see npm run bench:peers -- --help`);
  }
  const rounds = Number(values.rounds ?? 7);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw userError(`--rounds ${values.rounds} must be a whole number from 1`);
  }
  return { ...values, rounds };
}

/** @param {string[]} names @param {string | undefined} pattern @throws UserError if it fits none */
export function chosen(names, pattern) {
  const found = names.filter((name) => name.includes(pattern?.toLowerCase() ?? ""));
  if (!found.length) throw userError(`--only "${pattern}" fits no benchmark; there are: ${names.join(", ")}`);
  return found;
}
