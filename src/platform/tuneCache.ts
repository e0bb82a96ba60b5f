import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { UserError } from "../engine/errors.js";
import type { Gpu } from "../engine/gpu.js";
import type { Timing, TuneCache } from "../engine/tuner.js";
import { fileError, writeFileAtomic } from "../storage/files.js";
import { cacheFolder } from "./cacheFolder.js";
import { versions } from "./versions.js";

/** What the speed of kernels depends on beside themselves. What is measured under one is of no use under another. */
export interface TunedFor {
  readonly adapter: string;
  readonly driver: string;
  readonly subgroupSize: number;
  readonly shibori: string;
  readonly dawn: string;
  /** Options given to Dawn by SHIBORI_DAWN. */
  readonly options: string;
  /** Of an adapter that computes on the CPU, which that is, and how many cores it may use. */
  readonly cpu?: string;
}

export function tunedFor(gpu: Gpu): TunedFor {
  const { shibori, dawn } = versions();
  return {
    adapter: gpu.name,
    driver: gpu.adapter.info.description,
    subgroupSize: gpu.subgroupSize,
    ...{ shibori, dawn, options: process.env.SHIBORI_DAWN ?? "" },
    ...(gpu.kind !== "hardware" && { cpu: `${availableParallelism()} × ${cpus()[0]?.model ?? "unknown"}` }),
  };
}

const fileSchema = z.object({
  for: z.record(z.string(), z.union([z.string(), z.number()])),
  /** By signature. */
  timings: z.record(
    z.string(),
    z.object({ choice: z.string(), ms: z.record(z.string(), z.number().positive()), kernels: z.string() }),
  ),
});

/**
 * The tuner's memory: a JSON file for each adapter, driver and version in the user's cache. It can be lost without harm,
 * so nothing that is wrong with it ends anything: it is said once, and measured anew.
 */
export class TuneFile implements TuneCache {
  /** Whether what was measured last is in the file. */
  saved = false;
  #path: string | undefined;
  #known: Map<string, Timing> | undefined;

  /** @param say gets a line where the file is damaged, or cannot be read or written */
  constructor(
    private readonly key: TunedFor,
    private readonly say: (line: string) => void = console.error,
  ) {}

  get(signature: string): Timing | undefined {
    return this.#open().get(signature);
  }

  set(timings: ReadonlyMap<string, Timing>): void {
    const known = this.#open();
    for (const [signature, timing] of timings) known.set(signature, timing);
    const path = this.#path;
    if (path === undefined) return;
    // What another process has written meanwhile stays. Of two that write at once one has to measure again later.
    const all = new Map([...this.#read(path, () => {}), ...timings]);
    const text = JSON.stringify({ for: this.key, timings: Object.fromEntries(all) }, null, 2);
    this.saved = this.#try(() => writeFileAtomic(path, `${text}\n`));
  }

  /** The file; undefined where no folder can be made for it. */
  get path(): string | undefined {
    this.#open();
    return this.#path;
  }

  /** Only when it is first needed: who needs nothing is told nothing. */
  #open(): Map<string, Timing> {
    if (!this.#known) {
      this.#try(() => {
        const name = createHash("sha256").update(JSON.stringify(this.key)).digest("hex").slice(0, 16);
        this.#path = join(cacheFolder("kernels", "the tuner's cache"), `${name}.json`);
      });
      this.#known = this.#path === undefined ? new Map() : this.#read(this.#path, this.say);
    }
    return this.#known;
  }

  #read(path: string, say: (line: string) => void): Map<string, Timing> {
    if (!existsSync(path)) return new Map();
    let text: string;
    try {
      text = readFileSync(path, "utf8");
    } catch (error) {
      say(`${lineOf(fileError("read", path, error))}; kernels are timed anew`);
      return new Map();
    }
    const found = parsed(text);
    if (!found || !isDeepStrictEqual(found.for, this.key)) {
      say(`${path} is ${found ? "of another adapter or version" : "damaged"}; kernels are timed anew`);
      return new Map();
    }
    return new Map(Object.entries(found.timings));
  }

  /** @returns whether it was done */
  #try(work: () => void): boolean {
    try {
      work();
      return true;
    } catch (error) {
      this.say(`${lineOf(error)}; kernels will be timed again next time`);
      return false;
    }
  }
}

function parsed(text: string): z.infer<typeof fileSchema> | undefined {
  try {
    return fileSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function lineOf(error: unknown): string {
  if (!(error instanceof UserError)) throw error;
  return error.message;
}
