/** The commands that repeat a run, or go on with it. */
import { PRESETS } from "../faceswap/presets.js";
import type { RunConfig } from "../storage/runConfig.js";

const FLAGS: Partial<Record<keyof RunConfig, string>> = {
  steps: "--steps",
  batch: "--batch",
  rate: "--lr",
  seed: "--seed",
  pair: "--pair",
  poses: "--poses",
  latentStatistics: "--latent",
};

type Fields = Readonly<Record<string, unknown>>;

/** Fields as --set has them; those that the preset has and the run has not are removed. */
function settings(name: string, value: unknown, preset: unknown): string[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [`${name}=${JSON.stringify(value)}`];
  const [own, theirs] = [value as Fields, (preset ?? {}) as Fields];
  return [...new Set([...Object.keys(theirs), ...Object.keys(own)])]
    .filter((field) => JSON.stringify(own[field]) !== JSON.stringify(theirs[field]))
    .map((field) => `${name}.${field}=${JSON.stringify(own[field] ?? null)}`);
}

/** A word for a shell. */
const quoted = (word: string): string => (/^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** Trains the same again, into another folder. */
export function repeatCommand(config: RunConfig): string {
  const { data, overrides } = config;
  const words = ["npx", "shibori", "train", "--preset", config.preset];
  const preset: Fields = Object.hasOwn(PRESETS, config.preset) ? PRESETS[config.preset] : {};
  const set: string[] = [];
  for (const [name, value] of Object.entries(overrides)) {
    const flag = FLAGS[name as keyof RunConfig];
    // Avatars bring their names along, and with folders the pictures decide these.
    const decided = name === "identities" || (data.kind === "folders" && (name === "pair" || name === "poses"));
    if (decided) continue;
    if (flag) words.push(flag, String(value));
    else set.push(...settings(name, value, preset[name]));
  }
  if (set.length) words.push("--set", ...set);
  if (data.kind === "folders") {
    for (const [name, path] of Object.entries(data.folders)) {
      if (name === "src" || name === "dst") words.push(`--${name}`, path);
      else words.push("--identity", `${name}=${path}`);
    }
  }
  if (config.lpips) words.push("--lpips-trunk", config.lpips.trunk, "--lpips-lin", config.lpips.lin);
  words.push("--save-every", String(config.saveEvery), "--adapter", config.adapter.kind, "--out", "runs/again");
  return words.map(quoted).join(" ");
}

export const resumeCommand = (path: string): string => `npx shibori train --resume ${quoted(path)}`;
