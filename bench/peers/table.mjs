// What the terminal shows of one benchmark.

const columns = (cpu) => [
  ["", (r) => r.library, "left"],
  ["median ms", (r) => r.medianMs.toFixed(r.medianMs < 10 ? 3 : 1)],
  ["spread", (r) => `±${(100 * r.spread).toFixed(0)} %`],
  ...(cpu ? [["CPU ms", (r) => r.cpuMs.toFixed(r.cpuMs < 10 ? 3 : 1)]] : []),
  ["GFLOP/s", (r) => r.gflops.toFixed(r.gflops < 100 ? 2 : 0)],
  ["× ours", (r) => r.ratio.toFixed(2)],
  ...(cpu ? [["× CPU", (r) => r.cpuRatio.toFixed(2)]] : []),
  ["", (r) => r.variant ?? "", "left"],
];

/**
 * @param {ReturnType<typeof import("./measure.mjs").summarise>[]} rows ours first
 * @param {{ cpu: boolean }} options cpu: the adapter is a CPU, so CPU time says something
 * @returns {string[]}
 */
export function table(rows, { cpu }) {
  const shown = columns(cpu);
  const timed = rows.filter((r) => r.medianMs !== undefined);
  const cells = [shown.map(([head]) => head), ...timed.map((r) => shown.map(([, cell]) => cell(r)))];
  const widths = shown.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const lines = cells.map((row) =>
    row
      .map((cell, i) => (shown[i][2] ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd(),
  );
  for (const { library, wrong } of rows) if (wrong) lines.push(`${library}  not timed, ${wrong}`);
  return [...lines, verdict(timed, cpu)].map((line) => `  ${line}`);
}

/** "ours is N× the faster peer", by the ratios of each round. */
function verdict([, ...peers], cpu) {
  if (!peers.length) return "no peer to compare with";
  const least = (ratio) => {
    const peer = peers.reduce((a, b) => (a[ratio] < b[ratio] ? a : b));
    return [peer[ratio].toFixed(2), peer.library];
  };
  const [wall, library] = least("ratio");
  const [time, frugal] = cpu ? least("cpuRatio") : [];
  const inCpu = cpu ? `; in CPU time ${time}×${frugal === library ? "" : ` (${frugal})`}` : "";
  return `ours is ${wall}× the faster peer (${library})${inCpu}`;
}
