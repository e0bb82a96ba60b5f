/** An experiment as a file declares it: factors with their levels, runs that take a level of each, and seeds. Pure. */
import { z } from "zod";
import { UserError } from "../engine/errors.js";
import { firstIssue } from "../storage/runConfig.js";

/** What a level, or the experiment as a whole, puts in the place of a preset's fields, as `shibori train` takes them. */
const settings = {
  preset: z.string().optional(),
  /** By path: {"architecture.dense": 64}. null removes a field. */
  set: z.record(z.string(), z.json()).optional(),
};

const seeds = z.array(z.int().min(0)).min(1);

const schema = z.strictObject({
  title: z.string().min(1),
  /** What the runs are to answer, in a sentence. */
  question: z.string().min(1),
  ...settings,
  /** By factor and level. A run that names no level of a factor is as if the factor were not there. */
  factors: z.record(z.string().min(1), z.record(z.string().min(1), z.strictObject(settings))),
  /** A level of some factors each, with seeds of its own if it needs others; without `runs`, every level of each with each. */
  runs: z
    .array(z.looseObject({ seeds: seeds.optional() }))
    .min(1)
    .optional(),
  seeds,
});

export type Declaration = z.infer<typeof schema>;

/** One training run of an experiment. */
export interface DeclaredRun {
  /** Of its folder: the arm's name and the seed. */
  readonly name: string;
  /** What it shares with the runs of other seeds, as a name of letters, digits, "-" and "_". */
  readonly arm: string;
  /** The arm in words. */
  readonly label: string;
  /** The level of each factor that it names. */
  readonly levels: Readonly<Record<string, string>>;
  readonly seed: number;
  readonly preset: string;
  /** `path=value`, as --set takes them; the later ones win. */
  readonly set: readonly string[];
}

export interface Experiment {
  readonly name: string;
  readonly title: string;
  readonly question: string;
  readonly factors: readonly string[];
  readonly runs: readonly DeclaredRun[];
}

/** Letters, digits and "." of a text, "-" for the rest: what every file system and shell takes. */
const slug = (text: string): string =>
  text
    .replaceAll("×", "x")
    .normalize("NFKD")
    .replaceAll(/[^A-Za-z0-9.]+/g, "-")
    .replaceAll(/^-|-$/g, "");

const product = (factors: Declaration["factors"]): Record<string, string>[] =>
  Object.entries(factors).reduce<Record<string, string>[]>(
    (runs, [factor, levels]) =>
      runs.flatMap((run) => Object.keys(levels).map((level) => ({ ...run, [factor]: level }))),
    [{}],
  );

/**
 * Reads a declaration.
 * @param name the experiment's name
 * @param where how errors call the file
 * @throws UserError naming the field, factor or level that is wrong
 */
export function declared(json: unknown, name: string, where: string): Experiment {
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new UserError(`${where}: ${firstIssue(parsed.error)}`);
  const { title, question, factors, preset: basePreset, set: baseSet, ...rest } = parsed.data;
  const arms: Record<string, unknown>[] = rest.runs ?? product(factors);
  const runs = arms.flatMap((arm) => {
    const { seeds: own, ...chosen } = arm as { seeds?: number[] } & Record<string, unknown>;
    for (const [factor, level] of Object.entries(chosen)) {
      const levels = Object.hasOwn(factors, factor) ? factors[factor] : undefined;
      if (!levels)
        throw new UserError(`${where}: there is no factor "${factor}"; there are ${Object.keys(factors).join(", ")}`);
      if (typeof level !== "string" || !Object.hasOwn(levels, level)) {
        throw new UserError(
          `${where}: factor "${factor}" has no level ${JSON.stringify(level)}; it has ${Object.keys(levels).join(", ")}`,
        );
      }
    }
    // In the order in which the factors stand.
    const named = Object.keys(factors).filter((factor) => chosen[factor] !== undefined);
    const levels = Object.fromEntries(named.map((factor) => [factor, chosen[factor] as string]));
    const layers = [{ preset: basePreset, set: baseSet }, ...named.map((factor) => factors[factor][levels[factor]])];
    const preset = layers.findLast((layer) => layer.preset !== undefined)?.preset ?? "avatar-64";
    const set = layers.flatMap(({ set = {} }) =>
      Object.entries(set).map(([path, value]) => `${path}=${JSON.stringify(value)}`),
    );
    const armName = named.map((factor) => `${slug(factor)}-${slug(levels[factor])}`).join("_") || "base";
    // The first factor's levels speak for themselves: "3×3", "7×7 (latent off)".
    const [first] = Object.keys(factors);
    const others = named.filter((factor) => factor !== first).map((factor) => `${factor} ${levels[factor]}`);
    const label =
      levels[first] && others.length
        ? `${levels[first]} (${others.join(", ")})`
        : (levels[first] ?? (others.join(", ") || "base"));
    return (own ?? rest.seeds).map((seed) => ({
      name: `${armName}-s${seed}`,
      arm: armName,
      label,
      levels,
      seed,
      preset,
      set,
    }));
  });
  const twice = runs.find(({ name }, i) => runs.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UserError(`${where}: two runs are called ${twice.name}: an arm or a seed is there twice`);
  return { name, title, question, factors: Object.keys(factors), runs };
}

/** The runs of one of several machines, 1 … `of`: every so-many-th. @throws UserError */
export function shardOf<T>(runs: readonly T[], text: string): T[] {
  const [, index, of] = (/^(\d+)\/(\d+)$/.exec(text) ?? []).map(Number);
  if (!(index >= 1 && index <= of))
    throw new UserError(`--shard ${text}: it must be I/N with I from 1 to N, such as 1/4`);
  return runs.filter((_, i) => i % of === index - 1);
}
