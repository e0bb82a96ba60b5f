import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { csv, type Row } from "../../src/experiment/results.js";
import { armsOf, spreadOf, spreadText } from "../../src/experiment/summary.js";
import { parseCsv } from "./csv.js";

// docs/experiment.md says above each table where it is from: `<!-- FILE.csv by arm: COLUMN DIGITS, … -->`, a row an arm, its
// label first, then means ± deviations over the seeds ("DIGITS mean": the mean alone; "of": in how many it is 1; without
// DIGITS: as it stands there); or
// `<!-- FILE.csv by row WHERE=VALUE|VALUE …: … -->`, a row each. `npx vitest run test/experiment/tables.test.ts -u` fills them in.
const DOCUMENT = fileURLToPath(new URL("../../docs/experiment.md", import.meta.url));
const RESULTS = fileURLToPath(new URL("../../docs/results/experiment/", import.meta.url));
const TABLE = /(<!-- (\S+\.csv) by (arm|row)((?: \S+=\S+)*): (.+?) -->\n\|.*\n\|[- |:]+\|\n)((?:\|.*\n)*)/g;
const text = readFileSync(DOCUMENT, "utf8");

function cellOf(rows: readonly Row[], column: string): string {
  const [key, digits, alone] = column.split(" ");
  if (!rows.every((row) => Object.hasOwn(row, key))) throw new Error(`there is no column ${key}`);
  if (digits === undefined) return String(rows[0][key]);
  if (digits === "of") return `${rows.filter((row) => row[key] === 1).length} of ${rows.length}`;
  const spread = spreadOf(rows, key);
  const show = (n: number) => n.toFixed(Number(digits)).replace(/^-(?=[0.]+$)/, "");
  return alone ? show(spread.mean) : spreadText(spread, show);
}

function rowsOf(file: string, by: string, where: string, columns: string): string {
  const conditions = where
    .trim()
    .split(" ")
    .filter(Boolean)
    .map((condition) => condition.split("="));
  const rows = parseCsv(readFileSync(RESULTS + file, "utf8")).filter((row) =>
    conditions.every(([key, values]) => values.split("|").includes(String(row[key]))),
  );
  const cells = (some: readonly Row[]) => columns.split(", ").map((column) => cellOf(some, column));
  const lines =
    by === "arm" ? armsOf(rows).map(({ label, rows: own }) => [label, ...cells(own)]) : rows.map((row) => cells([row]));
  return lines.map((line) => `| ${line.join(" | ")} |\n`).join("");
}

/** The document with the rows of its tables as the files have them. */
const filled = (document: string): string =>
  document.replaceAll(TABLE, (_, head, file, by, where, columns) => head + rowsOf(file, by, where, columns));

it("the tables of docs/experiment.md say what the files of results say", async () => {
  await expect(filled(text)).toMatchFileSnapshot(DOCUMENT);
});

it("every table has a source, and a changed figure is noticed", () => {
  const tables = [...text.matchAll(TABLE)];
  expect(tables.length).toBeGreaterThan(3);
  expect(tables.length).toBe(text.match(/^\|[- |:]{4,}\|$/gm)?.length);
  const [[whole]] = tables;
  const changed = text.replace(
    whole,
    whole.replace(/\d(?=\D*$)/, (digit) => String((Number(digit) + 1) % 10)),
  );
  expect(changed).not.toBe(text);
  expect(filled(changed)).toBe(text);
});

it("parses what it writes", () => {
  const rows = [
    { a: "x, y", b: 1.5 },
    { a: 'say "z"', b: "" },
  ];
  expect(parseCsv(csv(rows))).toEqual(rows);
});
