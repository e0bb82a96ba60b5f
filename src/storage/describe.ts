/**
 * How what stands in a file appears in error lines. A file may be hostile: its names cannot break the line, hide text
 * in it, or make it long.
 */
import { UserError } from "../engine/errors.js";

/** Refuses a file: throws a UserError of one line that begins with the file's name. */
export type Fail = (why: string) => never;

/** @param name how error lines call the file */
export function failer(name: string): Fail {
  return (why) => {
    throw new UserError(`${name}: ${why}`);
  };
}

const LONGEST = 80;
const LONGEST_ESCAPED = 100;
// What JSON leaves as it is, though terminals break, blank or turn around the line at it.
const UNSEEN = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text in quotation marks, escaped as in JSON, and shortened where it is long. */
export function quote(text: string): string {
  for (let length = LONGEST; ; length >>= 1) {
    const cut = text.length > length ? `${text.slice(0, length)}…` : text;
    const escaped = JSON.stringify(cut).replaceAll(
      UNSEEN,
      (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
    );
    // Escapes take up to six characters each.
    if (escaped.length <= LONGEST_ESCAPED || length < LONGEST / 8) return escaped;
  }
}

/** A shape as [2,3,4]; of one with many extents the first ones. */
export function showShape(shape: readonly number[]): string {
  return shape.length > 8 ? `[${shape.slice(0, 8)}, … ${shape.length} extents]` : `[${shape}]`;
}
