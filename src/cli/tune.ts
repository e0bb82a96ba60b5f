/**
 * The tuner on the command line. Training asks it, and what measures training: a program that runs a few hundred times
 * would not earn it back.
 */
import { Option } from "commander";
import type { Gpu } from "../engine/gpu.js";
import { type Decision, Tuner } from "../engine/tuner.js";
import { TuneFile, tunedFor } from "../platform/tuneCache.js";

const WHEN = ["off", "cached", "force"] as const;
export type TuneWhen = (typeof WHEN)[number];

export const tuneOption = (): Option =>
  new Option("--tune <when>", "time this adapter's kernels and take the fastest: once, anew, or not at all")
    .choices(WHEN)
    .default("cached")
    .env("SHIBORI_TUNE");

/** Who did not ask for a tuning need not wait for all of it, where a driver is slow to compile. In seconds. */
const PATIENCE = 20;

/** A tuner with the user's cache, and what is to be said of its work. */
export class Tuning {
  readonly tuner: Tuner | undefined;
  readonly #file: TuneFile;

  /** @param say gets the lines about what is being done */
  constructor(
    gpu: Gpu,
    when: TuneWhen,
    private readonly say: (line: string) => void = console.log,
  ) {
    this.#file = new TuneFile(tunedFor(gpu));
    const onStart = (count: number) =>
      say(`timing kernels for ${count} shape${count > 1 ? "s" : ""} on this adapter …`);
    if (when === "off") return;
    const force = when === "force";
    this.tuner = new Tuner(this.#file, { force, onStart, patience: force ? undefined : PATIENCE });
  }

  /** Seconds spent measuring. */
  get seconds(): number {
    return this.tuner?.seconds ?? 0;
  }

  /** Says what was chosen, if anything was. */
  report(): void {
    const { decisions = [], notes = [], leftOut = 0 } = this.tuner ?? {};
    for (const note of notes) console.error(note);
    if (decisions.length) this.say(tuningLine(decisions, this.seconds, this.#file));
    if (leftOut) this.say(`${leftOut} candidates were left out after ${PATIENCE} s: --tune force times them too`);
  }
}

/** What a tuner did, on one line. */
export function tuningLine(
  decisions: readonly Decision[],
  seconds: number,
  { path, saved }: Pick<TuneFile, "path" | "saved">,
): string {
  const all = decisions.length;
  const measured = decisions.filter((each) => each.measured).length;
  const others = decisions.filter(({ choice, standard }) => choice !== standard).length;
  const known = `${all - measured} of ${all} from the tuner's cache`;
  const chosen = `${others || "none"} other than the default`;
  if (!measured) return `kernels: ${known}; ${chosen}`;
  const place = saved ? `cached in ${path}` : "not cached";
  const what = measured === 1 ? "1 kernel" : `${measured} kernels`;
  return `tuned ${what} in ${seconds.toFixed(1)} s${measured < all ? `, ${known}` : ""}: ${chosen}; ${place}`;
}
