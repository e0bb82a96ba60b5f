/** What `shibori profile` prints. */
import { LASTS } from "../bench/profile.js";
import type { MeasuredKernel } from "../bench/record.js";
import { count, short } from "../report/numbers.js";
import { machineRows, stepTables } from "./benchText.js";
import { kernelNotes, rooflineTable, roofRows, rowsText } from "./kernelText.js";
import type { ProfileRecord } from "./profile.js";
import { table } from "./table.js";

const percent = (part: number): string => `${(100 * part).toFixed(1)}%`;

/** What each op takes in all its shapes. */
export function byOp(
  kernels: readonly MeasuredKernel[],
): { op: string; calls: number; total: number; share: number }[] {
  const uses = kernels.map(({ op, uses: [use] }) => ({ ...use, op }));
  const ops = [...new Set(uses.map(({ op }) => op))].map((op) => {
    const own = uses.filter((use) => use.op === op);
    const sum = (of: (use: (typeof own)[number]) => number) => own.reduce((total, use) => total + of(use), 0);
    return { op, calls: sum(({ calls }) => calls), total: sum(({ total }) => total), share: sum(({ share }) => share) };
  });
  return ops.sort((a, b) => b.total - a.total);
}

/** The record in words, at most 120 columns wide. */
export function profileText({ machine, roofs, step, kernels, rounds }: ProfileRecord): string {
  const withPass = ({ repeats, seconds }: MeasuredKernel) =>
    repeats === 1 && seconds.median < LASTS * roofs.pass.median;
  const ops = byOp(kernels).map(({ op, calls, total, share }) => [
    op,
    percent(share),
    short(total * 1e3),
    count(calls),
  ]);
  const how =
    roofs.clock === "device"
      ? "each dispatch in a pass of its own, by the GPU's timestamps; short ones are repeated in it, nothing is subtracted."
      : "this adapter has no timestamps: each dispatch was submitted alone and waited for, short ones many times at once.";
  return [
    rowsText(machineRows(machine)),
    `roofs: the best readings\n${rowsText(roofRows(roofs))}`,
    `a training step\n${stepTables([step])}`,
    `by op\n${table([["op", "share", "ms", "dispatches"], ...ops], [0])}`,
    `by kernel and shapes: medians of ${rounds} steps\n${rooflineTable(kernels, {
      head: ["share", "×"],
      cells: (k) => [percent(k.uses[0].share), `${k.uses[0].calls}${withPass(k) ? "'" : " "}`],
    })}`,
    [
      ...kernelNotes(kernels),
      how,
      ...(kernels.some(withPass) ? ["': it changes state, so it ran once, and its time includes the pass."] : []),
    ].join("\n"),
  ].join("\n\n");
}
