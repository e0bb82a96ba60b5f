/** Preview sheets as files: a PNG to look at, from which each picture can be taken out again. */
import { UserError } from "../engine/errors.js";
import type { PairName } from "../faceswap/identities.js";
import type { PoseKind } from "../faceswap/poses.js";
import { cutTile, type Grid, montage } from "../storage/montage.js";
import type { Picture } from "../storage/picture.js";
import { decodePng, encodePng, readPngText } from "../storage/png.js";

/** Columns of a sheet, in their order, and what stands above them. A row shows one pose. */
export const COLUMNS = {
  src: "src",
  srcReconstruction: "src reconstructed",
  swap: "src → dst",
  /** dst's own picture in src's pose, where it is known. */
  trueSwap: "true swap",
  reverse: "dst → src",
  dstReconstruction: "dst reconstructed",
  dst: "dst",
} as const;
export type Column = keyof typeof COLUMNS;

/** What a sheet's rows are: held-out poses of avatars (their seed is always the same), or a run's own pictures. */
export type Shown =
  | { readonly kind: "avatars"; readonly pair: PairName; readonly poses: PoseKind }
  | { readonly kind: "folders" };

/** The text chunk that says how the sheet is laid out: a Layout as JSON. */
const KEYWORD = "Shibori";
interface Layout {
  readonly shows: Shown;
  readonly columns: readonly Column[];
  readonly grid: Grid;
}

/** Columns of equally many pictures to a PNG. @throws UserError if there is none, or sizes differ */
export function encodeSheet(
  columns: readonly (readonly [Column, readonly Picture[]])[],
  options: { title: string; shows: Shown },
): Uint8Array {
  const rows = columns[0][1].map((_, n) => columns.map(([, pictures]) => pictures[n]));
  const scale = Math.max(1, Math.round(128 / rows[0][0].width));
  const names = columns.map(([name]) => name);
  const { grid, ...sheet } = montage(rows, {
    columnLabels: names.map((name) => COLUMNS[name]),
    title: options.title,
    scale,
  });
  const layout: Layout = { shows: options.shows, columns: names, grid };
  return encodePng(sheet, { text: { Software: "shibori", [KEYWORD]: JSON.stringify(layout) } });
}

/** A sheet that was read. */
export interface Sheet {
  readonly shows: Shown;
  /** Rows of it. */
  readonly poses: number;
  /** Width and height of a picture. */
  readonly size: number;
  /** undefined if the sheet has no such column or row. */
  tile(pose: number, column: Column): Picture | undefined;
}

/**
 * @param name how error lines call the file
 * @throws UserError if the file is damaged, or no sheet of ours
 */
export function decodeSheet(bytes: Uint8Array, name: string): Sheet {
  const { shows, columns, grid } = layoutIn(readPngText(bytes, name)[KEYWORD], name);
  const picture = decodePng(bytes, name);
  try {
    cutTile(picture, grid, grid.rows - 1, grid.columns - 1);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
  return {
    shows,
    poses: grid.rows,
    size: grid.width,
    tile(pose, column) {
      const at = columns.indexOf(column);
      return at < 0 || pose >= grid.rows ? undefined : cutTile(picture, grid, pose, at);
    },
  };
}

function layoutIn(text: string | undefined, name: string): Layout {
  if (text === undefined) throw new UserError(`${name}: it does not say how it is laid out; it is no preview of a run`);
  try {
    const layout = JSON.parse(text) as Layout;
    const numbers = Object.values(layout.grid);
    const sound = numbers.length === 9 && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (sound && layout.grid.scale > 0 && layout.columns.length === layout.grid.columns && layout.shows.kind) {
      return layout;
    }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new UserError(`${name}: what it says of its layout is damaged`);
}
