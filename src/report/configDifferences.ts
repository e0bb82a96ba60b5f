/** What differs in the configurations of runs. */
import type { RunConfig } from "../storage/runConfig.js";

export interface ConfigRow {
  /** Where it stands in config.json: `architecture.stages`. */
  readonly key: string;
  /** One a run; undefined where the run has none. */
  readonly values: readonly (string | undefined)[];
}

/** Lists of plain values count as one value. What was overridden stands in the configuration itself. */
function flatten(value: unknown, key: string, into: Map<string, string>): void {
  if (Array.isArray(value) && value.every((item) => typeof item !== "object")) into.set(key, value.join(", "));
  else if (typeof value === "object" && value !== null) {
    for (const [name, inner] of Object.entries(value)) flatten(inner, key ? `${key}.${name}` : name, into);
  } else into.set(key, typeof value === "boolean" ? (value ? "yes" : "no") : String(value));
}

/** Every key of the configurations, in their order: those that differ, and those that are equal. */
export function configRows(configs: readonly RunConfig[]): { differing: ConfigRow[]; equal: ConfigRow[] } {
  const flat = configs.map(({ overrides: _, ...config }) => {
    const into = new Map<string, string>();
    flatten(config, "", into);
    return into;
  });
  const keys = [...new Set(flat.flatMap((map) => [...map.keys()]))];
  const rows = keys.map((key) => ({ key, values: flat.map((map) => map.get(key)) }));
  const differs = ({ values }: ConfigRow) => values.some((value) => value !== values[0]);
  return { differing: rows.filter(differs), equal: rows.filter((row) => !differs(row)) };
}
