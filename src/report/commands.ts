/** The commands that repeat a run, or go on with it. */
import type { RunConfig } from "../storage/runConfig.js";

const FLAGS: Partial<Record<keyof RunConfig, string>> = {
  steps: "--steps",
  batch: "--batch",
  rate: "--lr",
  seed: "--seed",
  pair: "--pair",
  poses: "--poses",
  latentStatistics: "--latent",
  latentWeight: "--latent-weight",
};

/** A word for a shell. */
const quoted = (word: string): string => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Trains the same again, into another folder. */
export function repeatCommand(config: RunConfig): string {
  const { data, overrides } = config;
  const words = ["npx", "shibori", "train", "--preset", config.preset];
  for (const [name, value] of Object.entries(overrides)) {
    const flag = FLAGS[name as keyof RunConfig];
    // With folders the pictures decide these two.
    const decided = data.kind === "folders" && (name === "pair" || name === "poses");
    if (flag && !decided) words.push(flag, String(value));
  }
  if (data.kind === "folders") words.push("--src", data.src, "--dst", data.dst);
  words.push("--save-every", String(config.saveEvery), "--adapter", config.adapter.kind, "--out", "runs/again");
  return words.map(quoted).join(" ");
}

export const resumeCommand = (path: string): string => `npx shibori train --resume ${quoted(path)}`;
