/** A second, independent PNG writer: every colour type, bit depth and interlacing, for the tests of the reader. */
import { crc32, deflateSync } from "node:zlib";

export interface PngSpec {
  width: number;
  height: number;
  depth: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha. */
  colourType: number;
  interlaced?: boolean;
  palette?: number[][];
  /** Body of a tRNS chunk. */
  transparency?: number[];
  /** Sample of channel c at (x, y), 0 … 2^depth − 1. */
  sample(x: number, y: number, c: number): number;
}

export const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
export const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** First column, first row, column step, row step of the seven Adam7 passes. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

export function chunk(type: string, body: ArrayLike<number>): Buffer {
  const typed = Buffer.concat([Buffer.from(type, "latin1"), Uint8Array.from(body)]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(typed.length - 4);
  crc.writeUInt32BE(crc32(typed));
  return Buffer.concat([length, typed, crc]);
}

export function header(width: number, height: number, depth: number, colourType: number, interlaced = false): Buffer {
  const body = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, depth, colourType, 0, 0, interlaced ? 1 : 0]);
  body.writeUInt32BE(width, 0);
  body.writeUInt32BE(height, 4);
  return chunk("IHDR", body);
}

export function makePng(spec: PngSpec): Uint8Array {
  const { width, height, depth, colourType, interlaced = false, palette, transparency } = spec;
  const parts = [Buffer.from(SIGNATURE), header(width, height, depth, colourType, interlaced)];
  if (palette) parts.push(chunk("PLTE", palette.flat()));
  if (transparency) parts.push(chunk("tRNS", transparency));
  const data = deflateSync(Buffer.concat((interlaced ? ADAM7 : [[0, 0, 1, 1]]).map((pass) => scanlines(spec, pass))));
  // Two IDAT chunks: readers must join them.
  const half = data.length >> 1;
  parts.push(chunk("IDAT", data.subarray(0, half)), chunk("IDAT", data.subarray(half)), chunk("IEND", []));
  return new Uint8Array(Buffer.concat(parts));
}

function scanlines({ width, height, depth, colourType, sample }: PngSpec, [x0, y0, dx, dy]: number[]): Buffer {
  const lines: number[] = [];
  for (let y = y0; y < height && x0 < width; y += dy) {
    let bits = "";
    for (let x = x0; x < width; x += dx) {
      for (let c = 0; c < CHANNELS[colourType]; c++) bits += sample(x, y, c).toString(2).padStart(depth, "0");
    }
    lines.push(0, ...(bits.match(/.{1,8}/g) ?? []).map((byte) => Number.parseInt(byte.padEnd(8, "0"), 2)));
  }
  return Buffer.from(lines);
}
