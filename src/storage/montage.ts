/** Preview sheets: a grid of equal pictures with labels, on a quiet light ground. Pure. */
import { UserError } from "../engine/errors.js";
import { CAP_HEIGHT, drawText, GLYPH_HEIGHT, textWidth } from "./font.js";
import { checkPicture, type Picture } from "./picture.js";

export interface MontageOptions {
  /** One per row, drawn to the left of it. */
  rowLabels?: string[];
  /** One per column, drawn above it; broken at spaces where it is wider than the pictures. */
  columnLabels?: string[];
  title?: string;
  /** Each picture pixel becomes scale × scale pixels; 1 unless told. */
  scale?: number;
  /** Pixels between the pictures; a step that suits the text unless told. */
  gap?: number;
}

/** Where the pictures stand on a sheet. Lengths are in the sheet's pixels. */
export interface Grid {
  /** Top left corner of the first picture. */
  readonly left: number;
  readonly top: number;
  /** From one picture to the next. */
  readonly pitchX: number;
  readonly pitchY: number;
  readonly rows: number;
  readonly columns: number;
  /** Size of a picture in its own pixels, each of which is scale × scale of the sheet's. */
  readonly width: number;
  readonly height: number;
  readonly scale: number;
}

export interface Sheet extends Picture {
  readonly grid: Grid;
}

type Colour = readonly [number, number, number];
const GROUND: Colour = [247, 246, 243];
const TITLE: Colour = [28, 30, 34];
const LABEL: Colour = [78, 82, 88];

/** Text grows with the pictures, so that it stays legible when a large sheet is shown shrunk: 32 → 1, 128 → 2, 512 → 4. */
const textScale = (side: number) => Math.min(4, 1 + Math.floor(side / 128));
/** Font pixels from one baseline to the next. */
const LINE = GLYPH_HEIGHT + 2;

/**
 * Lays pictures out on a sheet. All have one size; a row may be shorter than the others, its end stays blank. Every
 * margin is measured from the text in it, so no text is cut, and columns move apart where a word needs it.
 *
 * @throws UserError when there is no picture, sizes differ, there are more or fewer labels than rows or columns, or
 * scale or gap is not a whole number (from 1, from 0).
 */
export function montage(rows: Picture[][], options: MontageOptions = {}): Sheet {
  const { rowLabels = [], columnLabels = [], title = "", scale = 1 } = options;
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const [width, height] = checkedSize(rows);
  checkLabels("row", rowLabels, rows.length);
  checkLabels("column", columnLabels, columns);
  if (!Number.isSafeInteger(scale) || scale < 1) throw new UserError(`montage: scale ${scale} must be 1, 2, 3 …`);

  const cellWidth = width * scale;
  const cellHeight = height * scale;
  const text = textScale(Math.max(cellWidth, cellHeight));
  const gap = options.gap ?? 4 * text;
  if (!Number.isSafeInteger(gap) || gap < 0) throw new UserError(`montage: gap ${gap} must be 0, 1, 2 …`);
  const measure = (line: string) => textWidth(line) * text;

  const margin = 8 * text;
  const heads = columnLabels.map((label) => wrap(label, cellWidth, measure));
  const widestHead = Math.max(0, ...heads.flat().map(measure));
  // Two neighbouring heads keep a word's distance even when the gap between the pictures is nothing.
  const pitch = Math.max(cellWidth + gap, widestHead === 0 ? 0 : widestHead + 6 * text);
  const headRise = lineBlock(Math.max(0, ...heads.map((lines) => lines.length)), text);
  const widestRowLabel = Math.max(0, ...rowLabels.map(measure));
  const titleScale = text + 1;
  const titleRise = title === "" ? 0 : GLYPH_HEIGHT * titleScale + 6 * text;

  // A head that is wider than its picture sticks out by half of the difference, on the outer columns too.
  const overhang = Math.ceil(Math.max(0, widestHead - cellWidth) / 2);
  const labelRoom = widestRowLabel === 0 ? 0 : widestRowLabel + 6 * text;
  const left = margin + Math.max(labelRoom, overhang);
  const top = margin + titleRise + headRise;
  const gridWidth = (columns - 1) * pitch + cellWidth;
  // Flat pictures with labels stand in rows as high as a line of text.
  const rowHeight = Math.max(cellHeight, rowLabels.length === 0 ? 0 : LINE * text);
  const grid: Grid = {
    left,
    top: top + Math.floor((rowHeight - cellHeight) / 2),
    ...{ pitchX: pitch, pitchY: rowHeight + gap },
    ...{ rows: rows.length, columns, width, height, scale },
  };
  const sheet = blank(
    Math.max(left + gridWidth + overhang, margin + textWidth(title) * titleScale) + margin,
    top + rows.length * (rowHeight + gap) - gap + margin,
  );

  write(sheet, title, margin, margin, titleScale, TITLE);
  heads.forEach((lines, column) => {
    const centre = left + column * pitch + cellWidth / 2;
    // The last line of every head stands just above the pictures, whatever the number of its lines.
    const first = top - lineBlock(lines.length, text);
    lines.forEach((line, i) => {
      write(sheet, line, Math.round(centre - measure(line) / 2), first + i * LINE * text, text, LABEL);
    });
  });
  rows.forEach((row, r) => {
    const y = top + r * (rowHeight + gap);
    const label = rowLabels[r] ?? "";
    const labelTop = y + Math.round((rowHeight - CAP_HEIGHT * text) / 2);
    write(sheet, label, left - 6 * text - measure(label), labelTop, text, LABEL);
    row.forEach((picture, c) => {
      place(sheet, picture, grid.left + c * grid.pitchX, grid.top + r * grid.pitchY, scale);
    });
  });
  return { ...sheet, grid };
}

/**
 * A picture of a sheet, as it was put in.
 * @throws UserError when the sheet has none there
 */
export function cutTile(sheet: Picture, grid: Grid, row: number, column: number): Picture {
  const { width, height, scale } = grid;
  const [left, top] = [grid.left + column * grid.pitchX, grid.top + row * grid.pitchY];
  const inside = left >= 0 && top >= 0 && left + width * scale <= sheet.width && top + height * scale <= sheet.height;
  if (!(row >= 0 && row < grid.rows && column >= 0 && column < grid.columns && inside)) {
    throw new UserError(
      `a sheet of ${sheet.width}×${sheet.height} pixels has no picture at row ${row}, column ${column}`,
    );
  }
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((top + y * scale) * sheet.width + left + x * scale) * 3;
      data.set(sheet.data.subarray(from, from + 3), (y * width + x) * 3);
    }
  }
  return { width, height, data };
}

/** Height of a block of lines above the pictures, with the distance that it keeps from them. */
function lineBlock(lines: number, text: number): number {
  return lines === 0 ? 0 : (lines * LINE + 2) * text;
}

function checkedSize(rows: Picture[][]): [number, number] {
  const pictures = rows.flat();
  if (pictures.length === 0) throw new UserError("montage: there is no picture to show");
  const { width, height } = pictures[0];
  for (const picture of pictures) {
    checkPicture(picture, "montage: a picture");
    if (picture.width !== width || picture.height !== height) {
      throw new UserError(
        `montage: all pictures must have one size, but ${picture.width}×${picture.height} follows ${width}×${height}`,
      );
    }
  }
  return [width, height];
}

function checkLabels(kind: string, labels: string[], count: number): void {
  if (labels.length !== 0 && labels.length !== count) {
    throw new UserError(`montage: ${labels.length} ${kind} labels for ${count} ${kind}s; give one for each`);
  }
}

/** Greedy line breaking at spaces; a single word wider than `room` stays whole. */
function wrap(label: string, room: number, measure: (line: string) => number): string[] {
  const lines: string[] = [];
  for (const word of label.split(/\s+/).filter((w) => w !== "")) {
    const joined = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && measure(joined) <= room) lines[lines.length - 1] = joined;
    else lines.push(word);
  }
  return lines;
}

function blank(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = GROUND[i % 3];
  return { width, height, data };
}

function write(sheet: Picture, text: string, left: number, top: number, scale: number, colour: Colour): void {
  drawText(text, (x, y) => {
    for (let dy = 0; dy < scale; dy++) {
      for (let dx = 0; dx < scale; dx++) {
        sheet.data.set(colour, ((top + y * scale + dy) * sheet.width + left + x * scale + dx) * 3);
      }
    }
  });
}

/** Nearest-neighbour enlargement by a whole factor: the pixels of a small network's output are to be seen as they are. */
function place(sheet: Picture, picture: Picture, left: number, top: number, scale: number): void {
  for (let y = 0; y < picture.height * scale; y++) {
    const from = Math.floor(y / scale) * picture.width;
    for (let x = 0; x < picture.width * scale; x++) {
      const pixel = (from + Math.floor(x / scale)) * 3;
      sheet.data.set(picture.data.subarray(pixel, pixel + 3), ((top + y) * sheet.width + left + x) * 3);
    }
  }
}
