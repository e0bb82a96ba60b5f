/** Pictures out of the runs' previews, to stand beside each other. */
import { readFileSync } from "node:fs";
import { UserError } from "../engine/errors.js";
import { fileError } from "../storage/files.js";
import { encodePng } from "../storage/png.js";
import type { Compared } from "./compared.js";
import { count, list } from "./numbers.js";
import { type Column, decodeSheet, type Sheet } from "./sheets.js";

/** Pixels that the pictures of a page may have together, and stops of its slider. */
const MOST_PIXELS = 1.6e6;
const MOST_STOPS = 8;

/** What is shown of a run at a stop of the slider. */
const MOVING = ["swap", "srcReconstruction"] as const satisfies readonly Column[];

export interface Pose {
  readonly source: string;
  /** undefined where it is not known. */
  readonly trueSwap: string | undefined;
}

export interface RunTiles {
  readonly run: Compared;
  readonly poses: readonly Pose[];
  /** By stop and pose: the swap and the source's reconstruction. */
  readonly stops: readonly (readonly { swap: string; reconstruction: string }[])[];
}

/** Runs that show the same pictures. */
export interface TileGroup {
  /** What they show, in words. */
  readonly shows: string;
  readonly runs: readonly RunTiles[];
}

export interface Tiles {
  readonly stops: readonly string[];
  /** Of all runs that have previews. One group: everything can be compared. */
  readonly groups: readonly TileGroup[];
  /** Previews that could not be read, a line each. */
  readonly problems: readonly string[];
}

export function readTiles(runs: readonly Compared[]): Tiles {
  const problems: string[] = [];
  const seen = runs
    .map((run) => new Previews(run, problems))
    .flatMap((previews) => {
      const sheet = previews.lastReadable();
      return sheet ? [{ previews, sheet }] : [];
    });
  if (!seen.length) return { stops: [], groups: [], problems };
  const sheets = seen.map(({ sheet }) => sheet);
  const stops = stopsOf(
    seen.map(({ previews }) => previews.steps),
    sheets,
  ).filter(({ steps }) => seen.every(({ previews }, i) => previews.at(steps[i]) !== undefined));
  const tiles = seen.map(({ previews, sheet }, i) => ({
    shows: shownBy(previews.run, sheet),
    tiles: tilesOf(
      previews.run,
      stops.map(({ steps }) => previews.at(steps[i]) as Sheet),
    ),
  }));
  const groups = [...new Set(tiles.map(({ shows }) => shows))].map((shows) => ({
    shows,
    runs: tiles.filter((one) => one.shows === shows).map((one) => one.tiles),
  }));
  return { stops: stops.map(({ label }) => label), groups, problems };
}

/** The previews of a run, each read when it is needed. */
class Previews {
  readonly #read = new Map<number, Sheet | undefined>();

  /** @param problems gets a line for each preview that cannot be read */
  constructor(
    readonly run: Compared,
    private readonly problems: string[],
  ) {}

  /** Steps that have a preview, without those that could not be read. */
  get steps(): number[] {
    return this.run.previews.map(({ step }) => step).filter((step) => !this.#read.has(step) || this.#read.get(step));
  }

  at(step: number): Sheet | undefined {
    if (!this.#read.has(step)) this.#read.set(step, this.#decode(step));
    return this.#read.get(step);
  }

  lastReadable(): Sheet | undefined {
    for (const step of this.steps.reverse()) {
      const sheet = this.at(step);
      if (sheet) return sheet;
    }
    return undefined;
  }

  #decode(step: number): Sheet | undefined {
    const found = this.run.previews.find((preview) => preview.step === step);
    if (!found) return undefined;
    try {
      return decodeSheet(readBytes(found.path), found.path);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.problems.push(error.message);
      return undefined;
    }
  }
}

/** Pixels of one stop. */
const pixelsOf = (sheets: readonly Sheet[]): number =>
  sheets.reduce((sum, { poses, size }) => sum + MOVING.length * poses * size * size, 0);

interface Stop {
  readonly label: string;
  /** One a run. */
  readonly steps: readonly number[];
}

/** Steps of which all runs have a preview, not too many, with the last; then each run's own last, where they differ. */
function stopsOf(steps: readonly number[][], sheets: readonly Sheet[]): Stop[] {
  const common = steps[0].filter((step) => steps.every((own) => own.includes(step)));
  const lasts = steps.map((own) => own[own.length - 1]);
  const most = Math.max(1, Math.min(MOST_STOPS, Math.floor(MOST_PIXELS / pixelsOf(sheets))));
  const stops = spread(common, most).map((step) => ({ label: `step ${count(step)}`, steps: steps.map(() => step) }));
  if (lasts.every((last) => last === common.at(-1))) return stops;
  return [...stops, { label: `last of each: ${list([...new Set(lasts)].map(count))}`, steps: lasts }];
}

/** At most `most` of them, evenly, the last among them. */
function spread(steps: readonly number[], most: number): number[] {
  if (steps.length <= most) return [...steps];
  return Array.from({ length: most }, (_, i) => steps[Math.round(((i + 1) * steps.length) / most) - 1]);
}

function tilesOf(run: Compared, sheets: readonly Sheet[]): RunTiles {
  const last = sheets[sheets.length - 1];
  const poses = Array.from({ length: last.poses }, (_, pose) => pose);
  const tile = (sheet: Sheet, pose: number, column: Column): string | undefined => {
    const picture = sheet.tile(pose, column);
    return picture && `data:image/png;base64,${Buffer.from(encodePng(picture)).toString("base64")}`;
  };
  return {
    run,
    poses: poses.map((pose) => ({ source: tile(last, pose, "src") ?? "", trueSwap: tile(last, pose, "trueSwap") })),
    stops: sheets.map((sheet) =>
      poses.map((pose) => ({
        swap: tile(sheet, pose, "swap") ?? "",
        reconstruction: tile(sheet, pose, "srcReconstruction") ?? "",
      })),
    ),
  };
}

/** What a sheet's pictures are. The held-out poses of avatars are always the same; those of folders are the folders'. */
function shownBy({ config }: Compared, { shows, size, poses }: Sheet): string {
  return shows.kind === "avatars"
    ? `${poses} held-out poses of the pair ${shows.pair}, poses ${shows.poses}, ${size} px`
    : `${poses} pictures of folders (${config.data.fingerprint.slice(0, 8)}), ${size} px`;
}

function readBytes(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}
