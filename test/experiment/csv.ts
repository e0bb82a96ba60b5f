import type { Row } from "../../src/experiment/results.js";

/** The rows of a file that `csv` wrote: numbers where a cell is one. */
export function parseCsv(text: string): Row[] {
  const lines = text
    .trimEnd()
    .split("\n")
    .map((line) =>
      [...line.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
        ([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain,
      ),
    );
  const [names, ...rows] = lines;
  const value = (cell: string) => (cell !== "" && Number.isFinite(Number(cell)) ? Number(cell) : cell);
  return rows.map((cells) => Object.fromEntries(names.map((name, i) => [name, value(cells[i])])));
}
