/** PNG files to and from RGB pictures, on pngjs. Node only. Chunk layout: https://www.w3.org/TR/png-3/. */
import { crc32, inflateSync } from "node:zlib";
import { PNG } from "pngjs";
import { UserError } from "../engine/errors.js";
import { checkPicture, type Picture } from "./picture.js";

/** Pictures wider or higher than this are refused before any pixel is decoded. */
export const MAX_SIDE = 16384;

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const IHDR_END = SIGNATURE.length + 12 + 13;
const PALETTE = 3;
/** Allowed bit depths by colour type. */
const DEPTHS: Record<number, number[]> = { 0: [1, 2, 4, 8, 16], 2: [8, 16], 3: [1, 2, 4, 8], 4: [8, 16], 6: [8, 16] };
/** Samples a pixel by colour type. */
const CHANNELS: Record<number, number> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
/** The seven passes of an interlaced picture: first column, first row, column step, row step. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/**
 * Decodes any PNG: grey, palette or RGB, with or without alpha, every bit depth, interlaced or not.
 *
 * Samples are brought to 8 bits by one rounding to the nearest. Transparent pixels are laid over neutral grey (0.5):
 * where a cut-out has no picture it says neither black nor white. Colour profiles and gamma are not applied.
 *
 * @param name how error lines call the file.
 * @throws UserError, one line, for everything that is not a whole and sound PNG of at most MAX_SIDE pixels a side.
 */
export function decodePng(bytes: Uint8Array, name: string): Picture {
  const { file, width, height, depth, colourType } = inspect(bytes, name);
  let samples: ArrayLike<number>;
  try {
    // Without pngjs' own rescaling the samples keep their depth, so that alpha and depth cost one rounding together.
    samples = PNG.sync.read(file, { skipRescale: true }).data;
  } catch (error) {
    throw new UserError(`${name}: damaged PNG (${(error as Error).message.replaceAll(/\s+/g, " ")})`);
  }
  const max = colourType === PALETTE ? 255 : 2 ** depth - 1;
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4) {
    const alpha = samples[from + 3] / max;
    for (let c = 0; c < 3; c++) data[to++] = Math.round(255 * ((samples[from + c] / max) * alpha + 0.5 * (1 - alpha)));
  }
  return { width, height, data };
}

/**
 * Encodes an 8-bit RGB PNG. Each entry of `text` becomes a text chunk ahead of the pixels: tEXt where Latin-1 can hold
 * it, iTXt (UTF-8) otherwise.
 *
 * @throws UserError when the picture is malformed, or a key of `text` is not a PNG keyword (1 to 79 printable Latin-1
 * characters, no leading, trailing or double spaces), or a text contains a NUL.
 */
export function encodePng(picture: Picture, options: { text?: Record<string, string> } = {}): Uint8Array {
  checkPicture(picture, "a picture");
  const { width, height, data } = picture;
  const image = new PNG({ width, height });
  image.data = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const file = PNG.sync.write(image, {
    colorType: 2,
    inputColorType: 2,
    inputHasAlpha: false,
    deflateStrategy: 0,
    deflateLevel: 6,
  });
  const texts = Object.entries(options.text ?? {}).map(([keyword, value]) => textChunk(keyword, value));
  return new Uint8Array(Buffer.concat([file.subarray(0, IHDR_END), ...texts, file.subarray(IHDR_END)]));
}

/**
 * Texts of a PNG by keyword, as `encodePng` writes them; of two with one keyword the first counts. Compressed texts are
 * passed over.
 *
 * @param name how error lines call the file.
 * @throws UserError, one line, when the file is no PNG, or is cut short or damaged outside of its pixels.
 */
export function readPngText(bytes: Uint8Array, name: string): Record<string, string> {
  const fail = (why: string): never => {
    throw new UserError(`${name}: ${why}`);
  };
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!file.subarray(0, SIGNATURE.length).equals(SIGNATURE)) fail("not a PNG file");
  const texts = new Map<string, string>();
  for (const { type, body } of chunksOf(file, fail)) {
    const found = type === "tEXt" ? latin1Text(body) : type === "iTXt" ? unicodeText(body) : undefined;
    if (found && !texts.has(found[0])) texts.set(...found);
  }
  return Object.fromEntries(texts);
}

function latin1Text(body: Buffer): [string, string] {
  const end = body.indexOf(0);
  return [body.toString("latin1", 0, end), body.toString("latin1", end + 1)];
}

/** undefined if the text is compressed. */
function unicodeText(body: Buffer): [string, string] | undefined {
  const end = body.indexOf(0);
  if (body[end + 1] !== 0) return undefined;
  const language = body.indexOf(0, end + 3);
  const translated = body.indexOf(0, language + 1);
  return [body.toString("latin1", 0, end), body.toString("utf8", translated + 1)];
}

/**
 * Checks the file as far as it can be without looking at pixels: what pngjs would trip over, take gigabytes for, or
 * not notice, ends here.
 */
function inspect(bytes: Uint8Array, name: string) {
  const fail = (why: string): never => {
    throw new UserError(`${name}: ${why}`);
  };
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length === 0) fail("the file is empty");
  if (!file.subarray(0, SIGNATURE.length).equals(SIGNATURE)) fail("not a PNG file");
  if (file.length < IHDR_END) fail("cut short inside its header");
  if (file.readUInt32BE(8) !== 13 || file.toString("latin1", 12, 16) !== "IHDR") fail("damaged PNG (no header chunk)");
  const [width, height, depth, colourType] = [file.readUInt32BE(16), file.readUInt32BE(20), file[24], file[25]];
  if (width === 0 || height === 0) fail(`damaged PNG (${width}×${height} pixels)`);
  if (width > MAX_SIDE || height > MAX_SIDE) fail(`${width}×${height} pixels are too many: at most ${MAX_SIDE} a side`);
  if (!DEPTHS[colourType]?.includes(depth)) fail(`damaged PNG (colour type ${colourType} with ${depth} bits)`);
  if (file[26] !== 0 || file[27] !== 0 || file[28] > 1) fail("damaged PNG (unknown method in its header)");

  const compressed: Buffer[] = [];
  let at = SIGNATURE.length;
  for (const { type, body, next } of chunksOf(file, fail)) {
    // A second header would get round the limit on the size.
    if (type === "IHDR" && at !== SIGNATURE.length) fail("damaged PNG (two header chunks)");
    if (type === "IDAT") compressed.push(body);
    at = next;
  }

  const need = pixelBytes(width, height, CHANNELS[colourType] * depth, file[28] !== 0);
  // On current versions of node, pngjs does not notice a broken deflate stream and shows uninitialised memory instead.
  try {
    const got = inflateSync(Buffer.concat(compressed), { maxOutputLength: need }).length;
    if (got !== need) fail(`damaged PNG (${got} bytes of pixels instead of ${need})`);
  } catch (error) {
    if (error instanceof UserError) throw error;
    const tooMany = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    fail(`damaged PNG (${tooMany ? `more than ${need} bytes of pixels` : "its compressed pixels are broken"})`);
  }
  // Some programs leave bytes behind the last chunk. Viewers ignore them; pngjs would refuse the file.
  return { file: file.subarray(0, at), width, height, depth, colourType };
}

/** The chunks of a file up to the last, with their checksums checked; `next` is where a chunk ends. */
function* chunksOf(
  file: Buffer,
  fail: (why: string) => never,
): Generator<{ type: string; body: Buffer; next: number }> {
  let at = SIGNATURE.length;
  for (let type = ""; type !== "IEND"; ) {
    if (at + 12 > file.length) fail("cut short: the file ends before its last chunk");
    const end = at + 8 + file.readUInt32BE(at);
    if (end + 4 > file.length) fail("cut short: the file ends inside a chunk");
    type = file.toString("latin1", at + 4, at + 8);
    if (file.readUInt32BE(end) !== crc32(file.subarray(at + 4, end))) {
      fail(`damaged PNG (wrong checksum in the chunk ${JSON.stringify(type)})`);
    }
    yield { type, body: file.subarray(at + 8, end), next: end + 4 };
    at = end + 4;
  }
}

/** Length of the uncompressed scanlines; each starts with a byte that names its filter. */
function pixelBytes(width: number, height: number, bitsPerPixel: number, interlaced: boolean): number {
  let bytes = 0;
  for (const [x, y, dx, dy] of interlaced ? ADAM7 : [[0, 0, 1, 1]]) {
    const columns = Math.ceil((width - x) / dx);
    const rows = Math.ceil((height - y) / dy);
    if (columns > 0 && rows > 0) bytes += rows * (1 + Math.ceil((columns * bitsPerPixel) / 8));
  }
  return bytes;
}

function textChunk(keyword: string, text: string): Buffer {
  if (!/^[\x21-\x7e\xa1-\xff]+( [\x21-\x7e\xa1-\xff]+)*$/.test(keyword) || keyword.length > 79) {
    throw new UserError(
      `${JSON.stringify(keyword)} is no PNG keyword: 1 to 79 printable Latin-1 characters, single spaces`,
    );
  }
  if (text.includes("\0")) throw new UserError(`the PNG text ${JSON.stringify(keyword)} contains a NUL character`);
  const key = Buffer.from(`${keyword}\0`, "latin1");
  if (/^[\n\x20-\x7e\xa0-\xff]*$/.test(text)) return chunk("tEXt", Buffer.concat([key, Buffer.from(text, "latin1")]));
  // After the keyword: no compression (flag, method), no language tag, no translated keyword.
  return chunk("iTXt", Buffer.concat([key, Buffer.from([0, 0, 0, 0]), Buffer.from(text, "utf8")]));
}

/** Length, type, body, and the CRC of type and body. */
function chunk(type: string, body: Buffer): Buffer {
  const out = Buffer.alloc(body.length + 12);
  out.writeUInt32BE(body.length, 0);
  out.write(type, 4, "latin1");
  body.copy(out, 8);
  out.writeUInt32BE(crc32(out.subarray(4, 8 + body.length)), 8 + body.length);
  return out;
}
