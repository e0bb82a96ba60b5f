/** What is to be trained: a preset, and what a file and the command line put in the place of its fields. */
import { readFileSync } from "node:fs";
import { type Command, InvalidArgumentError, Option } from "commander";
import { z } from "zod";
import { UserError } from "../engine/errors.js";
import { checkConfig, type TrainingConfig } from "../faceswap/config.js";
import { CAST_NAMES, type CastName, castNamed } from "../faceswap/identities.js";
import { LATENT_STATISTICS, type LatentStatistics } from "../faceswap/losses.js";
import { LOSS_NAMES } from "../faceswap/lossSlots.js";
import { POSE_KINDS, type PoseKind } from "../faceswap/poses.js";
import { PRESETS, type PresetName, presetNamed } from "../faceswap/presets.js";
import { fileError } from "../storage/files.js";
import { architectureFields, firstIssue, trainingFields } from "../storage/runConfig.js";
import { positiveNumber, wholeNumber } from "./options.js";

/** The options by which a configuration is chosen. */
export interface ConfigOptions {
  preset: string;
  config?: string;
  set?: string[];
  steps?: number;
  batch?: number;
  lr?: number;
  seed?: number;
  pair?: CastName;
  poses?: PoseKind;
  latent?: LatentStatistics;
  loss?: Record<string, number>;
}

/** Their names, as commander has them: what a run to be continued has decided already. */
export const CONFIG_OPTIONS = [
  "preset",
  "config",
  "set",
  "steps",
  "batch",
  "lr",
  "seed",
  "pair",
  "poses",
  "latent",
  "loss",
];

const width = Math.max(...Object.keys(PRESETS).map((name) => name.length));
const presetList = Object.entries(PRESETS).map(([name, { description }]) => `  ${name.padEnd(width)} ${description}`);

/** Lists the presets, for a command's help. */
export const PRESET_HELP = `Presets, which decide what is not given:\n${presetList.join("\n")}`;

function lossWeight(text: string, earlier: Record<string, number> = {}): Record<string, number> {
  const [, name, number] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  const value = Number(number);
  if (!name || number.trim() === "" || !(value >= 0 && Number.isFinite(value))) {
    throw new InvalidArgumentError("It must be NAME=WEIGHT, with a weight from 0.");
  }
  if (!(LOSS_NAMES as readonly string[]).includes(name)) {
    throw new InvalidArgumentError(`There is no loss "${name}": choose one of ${LOSS_NAMES.join(", ")}.`);
  }
  return { ...earlier, [name]: value };
}

export function addConfigOptions(command: Command): Command {
  return command
    .addOption(new Option("--preset <name>", "recipe, see below").default("avatar-64"))
    .option("--config <file.json>", 'fields to put in the place of the preset\'s: an object such as {"batch": 4}')
    .option("--set <field=value...>", "the same for one field: --set architecture.dense=64 batch=8 (null removes one)")
    .option("--steps <n>", "training steps", wholeNumber(1))
    .option("--batch <n>", "pictures per identity and step, at least 2", wholeNumber(1))
    .option("--lr <rate>", "learning rate after warm-up", positiveNumber)
    .option("--seed <n>", "initial weights and poses", wholeNumber(0))
    .addOption(new Option("--pair <name>", "which avatars; trio is three, the bridged ones five").choices(CAST_NAMES))
    .addOption(new Option("--poses <kind>", "how the avatars turn, look and smile").choices(POSE_KINDS))
    .addOption(new Option("--latent <kind>", "statistics of the latent loss").choices(LATENT_STATISTICS))
    .option(
      "--loss <name=weight>",
      `weight of a loss (0: only log it, but for adversary and vib; repeatable): ${LOSS_NAMES.join(", ")}`,
      lossWeight,
    );
}

/** A preset with what was chosen in the place of its fields. */
export interface Chosen {
  readonly preset: PresetName;
  /** The replaced fields, whole. */
  readonly overrides: Partial<TrainingConfig>;
  readonly config: TrainingConfig;
}

type Fields = Record<string, unknown>;
const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * What may be overridden: every field, those of architecture and lossWeights one by one. null removes one of these, or a
 * field that may be absent.
 */
const overridesSchema = z
  .strictObject({
    ...trainingFields,
    apart: trainingFields.apart.nullable(),
    warp: trainingFields.warp.nullable(),
    architecture: z
      .strictObject(
        Object.fromEntries(Object.entries(architectureFields).map(([name, type]) => [name, type.nullable()])),
      )
      .partial(),
    lossWeights: z.partialRecord(z.enum(LOSS_NAMES), z.number().nullable()),
  })
  .partial();

/** `field.path=value`, the value as JSON, as a number without its zero (.06), or as plain text. @throws UserError */
function setting(text: string): Fields {
  const [, path, raw] = /^([^=\s]+)=(.*)$/s.exec(text) ?? [];
  if (!path) throw new UserError(`--set ${text}: it must be field=value, such as architecture.dense=64`);
  let value: unknown = raw;
  try {
    value = JSON.parse(raw);
  } catch {
    if (/^-?\.\d+$/.test(raw)) value = Number(raw);
    // Else a word.
  }
  // Own properties only, whatever their name.
  return path.split(".").reduceRight((inner, name) => Object.fromEntries([[name, inner]]), value) as Fields;
}

function fromFile(path: string): Fields {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw fileError("read", path, error);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path}: ${(error as SyntaxError).message.replaceAll(/\s+/g, " ")}`);
  }
  if (!isFields(json)) throw new UserError(`${path}: it must hold an object of fields, such as {"batch": 4}`);
  return json;
}

/** `over` in the place of `base`, field by field within objects; null removes. */
function merged(base: Fields, over: Fields): Fields {
  const out: Fields = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const below = out[name];
    if (value === null) delete out[name];
    else out[name] = isFields(value) && isFields(below) ? merged(below, value) : value;
  }
  return out;
}

function checkedOverrides(fields: Fields, where: string): Fields {
  const { success, error } = overridesSchema.safeParse(fields);
  if (!success) {
    const unknown = error.issues.find(({ code }) => code === "unrecognized_keys") as {
      keys: string[];
      path: PropertyKey[];
    };
    if (unknown) {
      const [within] = unknown.path;
      const known =
        within === "architecture"
          ? Object.keys(architectureFields)
          : within === "lossWeights"
            ? LOSS_NAMES
            : Object.keys(trainingFields);
      const name = [...unknown.path, unknown.keys[0]].join(".");
      throw new UserError(`${where}: there is no field "${name}"; there are ${known.join(", ")}`);
    }
    throw new UserError(`${where}: ${firstIssue(error)}`);
  }
  return fields;
}

/** @throws UserError naming the field that is unknown or impossible, and why */
export function chosenConfig(options: ConfigOptions): Chosen {
  const { description: _, ...preset } = presetNamed(options.preset);
  const { steps, batch, lr: rate, seed, pair, poses, latent: latentStatistics, loss: lossWeights } = options;
  const flags = { steps, batch, rate, seed, pair, poses, latentStatistics, lossWeights };
  const layers: Fields[] = [
    ...(options.config === undefined ? [] : [checkedOverrides(fromFile(options.config), options.config)]),
    ...(options.set ?? []).map((text) => checkedOverrides(setting(text), `--set ${text}`)),
    Object.fromEntries(Object.entries(flags).filter(([, value]) => value !== undefined)),
  ];
  const chosen = layers.reduce(merged, preset as unknown as Fields);
  // Avatars bring their names along.
  const last = (field: string) => layers.findLastIndex((layer) => layer[field] !== undefined);
  if (last("pair") > last("identities")) chosen.identities = Object.keys(castNamed(chosen.pair as string));
  const named = String(chosen.identities) !== preset.identities.join();
  const config = chosen as unknown as TrainingConfig;
  const required = Object.entries(trainingFields).filter(([, type]) => !type.safeParse(undefined).success);
  const missing = required.find(([name]) => chosen[name] === undefined)?.[0];
  if (missing) throw new UserError(`${missing} cannot be removed: a run needs it`);
  for (const name of ["size", "stages", "mid", "code"] as const) {
    if (config.architecture[name] === undefined)
      throw new UserError(`architecture.${name} cannot be removed: a network needs it`);
  }
  checkConfig(config);
  const given = new Set([...layers.flatMap((layer) => Object.keys(layer)), ...(named ? ["identities"] : [])]);
  const overrides = Object.fromEntries(
    Object.keys(trainingFields).flatMap((name) => (given.has(name) && name in chosen ? [[name, chosen[name]]] : [])),
  ) as Partial<TrainingConfig>;
  return { preset: options.preset as PresetName, overrides, config };
}
