import { UserError } from "../../src/engine/errors.js";
import { elements } from "../../src/engine/shape.js";
import type { Ladder, Sizes } from "./ladder.js";

/** Every number is computed in float64 too, which takes 8 bytes and a while. */
const MOST = 2 ** 25;

/**
 * What `--shape` asks of a ladder: all of its shapes, the one of that name, or sizes as
 * "x=8x32x32x32 w=3x3x32x64 stride=1 padding=1" (for sum "x=8x64x64x64 axes=0,1,2").
 * @returns nothing where the name belongs to other ladders only
 * @throws UserError
 */
export function sizesFor(ladder: Ladder, text: string | undefined): [string, Sizes][] {
  if (text === undefined) return Object.entries(ladder.shapes);
  if (!text.includes("=")) return text in ladder.shapes ? [[text, ladder.shapes[text]]] : [];
  const sizes: Record<string, number | number[]> = {};
  const known = [...ladder.needs, ...ladder.takes];
  for (const part of text.trim().split(/\s+/)) {
    const [, name, value] = /^(\w+)=([\dx,]+)$/.exec(part) ?? [];
    if (!known.includes(name as keyof Sizes)) {
      throw new UserError(`--shape: "${part}" is not of the form name=numbers; ${ladder.op} takes ${known.join(", ")}`);
    }
    const numbers = value.split(/[x,]/).map(Number);
    if (!/^\d+([x,]\d+)*$/.test(value)) {
      throw new UserError(`--shape: "${part}" must hold whole numbers, as in x=8x32x32x32`);
    }
    const list = name === "x" || name === "w" || name === "axes";
    if (!list && numbers.length > 1) throw new UserError(`--shape: "${part}" must be one number`);
    sizes[name] = list ? numbers : numbers[0];
  }
  const missing = ladder.needs.filter((name) => !(name in sizes));
  if (missing.length)
    throw new UserError(`--shape: ${ladder.op} needs ${missing.join(" and ")} too, as in ${example(ladder)}`);
  const given = sizes as unknown as Sizes;
  const axes = [ladder.shapes.odd.x.length, ladder.shapes.odd.w?.length];
  if (ladder.op !== "sum" && (given.x.length !== axes[0] || given.w?.length !== axes[1])) {
    throw new UserError(`--shape: ${ladder.op}'s x has ${axes[0]} axes and its w ${axes[1]}, as in ${example(ladder)}`);
  }
  for (const [name, list] of [
    ["x", given.x],
    ["w", given.w ?? []],
  ] as const) {
    if (elements(list) > MOST)
      throw new UserError(`--shape: ${name} holds ${elements(list)} numbers, more than ${MOST}`);
  }
  return [["given", given]];
}

const example = ({ shapes }: Ladder): string =>
  `"${Object.entries(shapes.odd)
    .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join(name === "axes" ? "," : "x") : value}`)
    .join(" ")}"`;
