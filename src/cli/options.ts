import { InvalidArgumentError, Option } from "commander";

/** Parsers of option values. Commander prints their errors with the option's name. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const n = Number(text);
    if (!/^\d+$/.test(text.trim()) || !Number.isSafeInteger(n) || n < least) {
      throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
    }
    return n;
  };
}

export function positiveNumber(text: string): number {
  const n = Number(text);
  if (!(n > 0 && Number.isFinite(n))) throw new InvalidArgumentError("It must be a positive number.");
  return n;
}

export function numberFromZero(text: string): number {
  const n = Number(text);
  if (text.trim() === "" || !(n >= 0 && Number.isFinite(n)))
    throw new InvalidArgumentError("It must be a number from 0.");
  return n;
}

export const adapterOption = (): Option =>
  new Option(
    "--adapter <which>",
    "auto, hardware, software, embedded, or part of an adapter's name (default: SHIBORI_ADAPTER, else auto)",
  );
