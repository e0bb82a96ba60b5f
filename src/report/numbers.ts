/** Numbers in words, for people. Pure: pages use it too. */

const NONE = "–";

/** Decimals, without a minus before nothing. */
export const fixed = (n: number, digits: number): string => n.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1");

/** Four decimals, or three significant digits of what is small; `digits` asks for another number of decimals. */
export function figure(n: number | null | undefined, digits?: number): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return NONE;
  if (digits !== undefined) return fixed(n, digits);
  const size = Math.abs(n);
  if (size >= 1000) return count(n);
  if (size >= 10) return n.toFixed(1);
  if (size >= 0.01 || size === 0) return n.toFixed(4);
  return size >= 1e-5 ? n.toPrecision(3) : n.toExponential(1);
}

/** A part of something: two decimals. */
export const part = (n: number | null | undefined): string =>
  n === null || n === undefined || !Number.isFinite(n) ? NONE : fixed(n, 2);

/** A whole number, its thousands apart. */
export const count = (n: number): string => (Number.isFinite(n) ? Math.round(n).toLocaleString("en") : NONE);

export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return NONE;
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const minutes = seconds / 60;
  if (minutes < 90) return `${minutes < 10 ? minutes.toFixed(1) : Math.round(minutes)} min`;
  const whole = Math.round(minutes);
  return `${Math.floor(whole / 60)} h ${whole % 60} min`;
}

/** "a, b and c" */
export const list = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? "") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

/** Three significant digits: 0.0123, 1.23, 123, 12,345. */
export function short(n: number | null | undefined): string {
  if (n === null || n === undefined || !Number.isFinite(n)) return NONE;
  if (n !== 0 && Math.abs(n) < 1e-3) return n.toExponential(1).replace("e-", "e−");
  return Math.abs(n) >= 99.95 ? count(n) : n.toPrecision(3);
}

/** A time in the unit that suits it: 12.3 µs, 1.23 ms, 1.23 s. */
export function time(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return NONE;
  const [unit, scale] = seconds < 0.9995e-3 ? ["µs", 1e6] : seconds < 0.9995 ? ["ms", 1e3] : ["s", 1];
  return `${short(seconds * scale)} ${unit}`;
}
