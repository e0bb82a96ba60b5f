/**
 * Rows as text with aligned columns.
 * @param left the columns that begin at one place, the first two by default; the others end at one
 */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [0, 1], gap = "  "): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (left.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(gap);
  return rows.map((row) => line(row).trimEnd()).join("\n");
}
