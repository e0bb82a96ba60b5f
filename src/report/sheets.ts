/** Preview sheets as files: a PNG to look at, from which each picture can be taken out again. */
import { UserError } from "../engine/errors.js";
import type { CastName } from "../faceswap/identities.js";
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
  | { readonly kind: "avatars"; readonly pair: CastName; readonly poses: PoseKind }
  | { readonly kind: "folders" };

/** The text chunk that says how the sheet is laid out: a Layout as JSON. */
const KEYWORD = "Shibori";
interface Layout {
  readonly shows: Shown;
  /** Of a sheet with a row a pose. */
  readonly columns?: readonly Column[];
  /** Of a matrix: a row for each identity in each pose, a column for the picture and one for each decoder. */
  readonly identities?: readonly string[];
  readonly grid: Grid;
}

/** Columns of equally many pictures to a PNG. @throws UserError if there is none, or sizes differ */
export function encodeSheet(
  columns: readonly (readonly [Column, readonly Picture[]])[],
  options: { title: string; shows: Shown },
): Uint8Array {
  const rows = columns[0][1].map((_, n) => columns.map(([, pictures]) => pictures[n]));
  const names = columns.map(([name]) => name);
  return encode(rows, { columnLabels: names.map((name) => COLUMNS[name]) }, { columns: names }, options);
}

/** What a matrix shows of one identity: its own pictures, and what each decoder makes of them. */
export interface MatrixLine {
  readonly pictures: readonly Picture[];
  readonly as: Readonly<Record<string, readonly Picture[]>>;
}

/**
 * All swaps between several identities to a PNG: for each pose a row for each identity, in it its picture and what each
 * decoder makes of it; the diagonal holds the reconstructions. @throws UserError if there is none, or sizes differ
 */
export function encodeMatrix(
  lines: Readonly<Record<string, MatrixLine>>,
  options: { title: string; shows: Shown },
): Uint8Array {
  const identities = Object.keys(lines);
  const poses = lines[identities[0]].pictures.map((_, pose) => pose);
  const rows = poses.flatMap((pose) =>
    identities.map((from) => [lines[from].pictures[pose], ...identities.map((to) => lines[from].as[to][pose])]),
  );
  const labels = {
    rowLabels: poses.flatMap(() => identities),
    columnLabels: ["picture", ...identities.map((name) => `as ${name}`)],
  };
  return encode(rows, labels, { identities }, options);
}

function encode(
  rows: Picture[][],
  labels: { rowLabels?: string[]; columnLabels: string[] },
  layout: Pick<Layout, "columns" | "identities">,
  { title, shows }: { title: string; shows: Shown },
): Uint8Array {
  const scale = Math.max(1, Math.round(128 / rows[0][0].width));
  const { grid, ...sheet } = montage(rows, { ...labels, title, scale });
  const whole: Layout = { shows, ...layout, grid };
  return encodePng(sheet, { text: { Software: "shibori", [KEYWORD]: JSON.stringify(whole) } });
}

/** A sheet that was read; of a matrix, its first two identities as if they were alone. */
export interface Sheet {
  readonly shows: Shown;
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
  const layout = layoutIn(readPngText(bytes, name)[KEYWORD], name);
  const { shows, grid } = layout;
  const picture = decodePng(bytes, name);
  try {
    cutTile(picture, grid, grid.rows - 1, grid.columns - 1);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
  const lines = layout.identities?.length ?? 1;
  const poses = grid.rows / lines;
  return {
    shows,
    poses,
    size: grid.width,
    tile(pose, column) {
      const at = pose < poses ? placeOf(layout, column) : undefined;
      return at && cutTile(picture, grid, pose * lines + at.line, at.column);
    },
  };
}

/** Where a column's picture of a pose is: in which of the pose's lines, and where in it. */
function placeOf({ columns, shows }: Layout, column: Column): { line: number; column: number } | undefined {
  if (columns) return columns.includes(column) ? { line: 0, column: columns.indexOf(column) } : undefined;
  if (column === "trueSwap" && shows.kind !== "avatars") return undefined;
  return MATRIX_PLACES[column];
}

/** In a matrix: dst's own picture in src's pose is the true swap. */
const MATRIX_PLACES = {
  src: { line: 0, column: 0 },
  srcReconstruction: { line: 0, column: 1 },
  swap: { line: 0, column: 2 },
  trueSwap: { line: 1, column: 0 },
  reverse: { line: 1, column: 1 },
  dstReconstruction: { line: 1, column: 2 },
  dst: { line: 1, column: 0 },
} as const satisfies Record<Column, { line: number; column: number }>;

function layoutIn(text: string | undefined, name: string): Layout {
  if (text === undefined) throw new UserError(`${name}: it does not say how it is laid out; it is no preview of a run`);
  try {
    const layout = JSON.parse(text) as Layout;
    const numbers = Object.values(layout.grid);
    const sound = numbers.length === 9 && numbers.every((n) => Number.isSafeInteger(n) && n >= 0);
    if (sound && layout.grid.scale > 0 && fits(layout) && layout.shows.kind) return layout;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new UserError(`${name}: what it says of its layout is damaged`);
}

function fits({ columns, identities, grid }: Layout): boolean {
  if (columns) return columns.length === grid.columns;
  const count = identities?.length ?? 0;
  return count >= 2 && count + 1 === grid.columns && grid.rows % count === 0;
}
