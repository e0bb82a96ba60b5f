/** `config.json`: what a run is, and the rules that its file must meet. */
import { z } from "zod";
import { UserError } from "../engine/errors.js";
import { UPSAMPLINGS } from "../faceswap/architecture.js";
import { checkConfig, type TrainingConfig } from "../faceswap/config.js";
import { CAST_NAMES } from "../faceswap/identities.js";
import { LATENT_STATISTICS } from "../faceswap/losses.js";
import { LOSS_NAMES } from "../faceswap/lossSlots.js";
import { POSE_KINDS } from "../faceswap/poses.js";
import { PRESETS, type PresetName } from "../faceswap/presets.js";

const count = z.int().min(1);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const names = <Name extends string>(of: Record<Name, unknown>) => z.enum(Object.keys(of) as [Name, ...Name[]]);

/** The fields of an architecture; those that may be absent are optional. */
export const architectureFields = {
  size: count,
  input: count.optional(),
  stages: z.array(count).readonly(),
  strides: z.array(count).readonly().optional(),
  kernel: count.optional(),
  mid: count,
  code: count,
  dense: count.optional(),
  upsampling: z.enum(UPSAMPLINGS).optional(),
  sampled: z.boolean().optional(),
};

/** The fields of a training configuration. Their ranges are checked by `checkConfig`. */
export const trainingFields = {
  architecture: z.strictObject(architectureFields),
  identities: z.array(z.string()).readonly(),
  batch: count,
  steps: count,
  rate: z.number(),
  seed: z.int().min(0),
  lossWeights: z.partialRecord(z.enum(LOSS_NAMES), z.number()),
  latentStatistics: z.enum(LATENT_STATISTICS),
  regionWeight: z.number(),
  pair: z.enum(CAST_NAMES),
  poses: z.enum(POSE_KINDS),
  apart: z.boolean().optional(),
  warp: z.number().optional(),
} satisfies Record<keyof TrainingConfig, unknown>;

/** Where a run's pictures come from. The fingerprint is a SHA-256 of what the network is shown. */
const dataSource = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("avatars"), fingerprint: hash }),
  z.object({
    kind: z.literal("folders"),
    /** Absolute path of each identity's pictures. */
    folders: z.record(z.string(), z.string()),
    /** Pictures trained on and kept for judging, of all identities together. */
    training: count,
    heldOut: count,
    /** Whether `shibori avatars` drew them, so that the true swap is known. */
    trueSwap: z.boolean(),
    fingerprint: hash,
  }),
]);
export type DataSource = z.infer<typeof dataSource>;

/** What computes: two runs of one configuration have the same bits where these agree. */
const machine = {
  adapter: z.object({
    kind: z.enum(["hardware", "software", "embedded"]),
    name: z.string(),
    driver: z.string(),
    /** Lanes of a subgroup; 0 without subgroups. */
    subgroupSize: z.int().min(0),
    /** Options given to Dawn by SHIBORI_DAWN. */
    options: z.string(),
  }),
  kernels: z.object({
    /** The kernel of each op that has several, by the op's signature (see src/engine/candidates.ts). */
    choices: z.record(z.string(), z.string()),
    /** SHA-256 of the training program: every dispatch's kernel, numbers and grid. */
    program: hash,
  }),
  versions: z.object({ shibori: z.string(), node: z.string(), dawn: z.string() }),
};
const machineObject = z.object(machine);
export type Machine = z.infer<typeof machineObject>;

/** Everything that is needed to repeat a run. */
const runConfigSchema = z.object({
  preset: names<PresetName>(PRESETS),
  /** Fields of the preset that a file or the command line replaced. */
  overrides: z.object(trainingFields).partial(),
  ...trainingFields,
  /** Steps between two previews; each comes with a checkpoint. */
  saveEvery: count,
  data: dataSource,
  /** The formula of each logged loss: only losses of one formula on the same pictures can be compared. */
  losses: z.record(z.string(), z.string()),
  /** The files that LPIPS was read from (absolute paths), and a SHA-256 of its numbers. */
  lpips: z.object({ trunk: z.string(), lin: z.string(), fingerprint: hash }).optional(),
  network: z.object({
    parameters: count,
    /** The code's shape as text, such as "3×3×64", and its count of numbers. */
    code: z.string(),
    codeLength: count,
    flopsPerStep: z.number(),
    dispatchesPerStep: count,
  }),
  ...machine,
  /** Set when the run was continued on another machine than it began on: its bits are of both. */
  continued: z.array(z.object({ after: z.int().min(0), ...machine })).optional(),
});
export type RunConfig = z.infer<typeof runConfigSchema>;

const identitySchema = runConfigSchema.omit({
  adapter: true,
  kernels: true,
  versions: true,
  network: true,
  continued: true,
});

/** What a run is, whatever computes it: this may not change while it goes on. */
export type Identity = z.infer<typeof identitySchema>;

/** Without what else a configuration holds, and with its fields in one order, whatever theirs is. */
export const identityOf = (config: Identity): Identity => identitySchema.parse(config);

/**
 * @param text of a config.json
 * @param name how error lines call the file
 * @throws UserError naming the first field that is not as a run's must be
 */
export function parseRunConfig(text: string, name: string): RunConfig {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UserError(`${name}: ${(error as SyntaxError).message.replaceAll(/\s+/g, " ")}; the file is damaged`);
  }
  const { success, data, error } = runConfigSchema.safeParse(json);
  if (!success) {
    throw new UserError(`${name}: ${firstIssue(error)}; the file is damaged, or of another version of shibori`);
  }
  try {
    checkConfig(data);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
  return data;
}

/** The first thing that is wrong with parsed JSON, as "field.path: reason". */
export function firstIssue({ issues }: z.ZodError): string {
  const [{ path, message }] = issues;
  return `${path.length ? `${path.join(".")}: ` : ""}${message.replace(/^Invalid input: /, "")}`;
}
