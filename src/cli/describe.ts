/** What was measured of a finished run, for people. */
import type { Gate } from "../faceswap/measures.js";
import { FEATURES } from "../faceswap/responses.js";
import { fixed } from "../report/numbers.js";
import type { Verdict } from "../storage/metrics.js";

const NAME = 30;

const row = (name: string, value: number, ceiling: number | undefined, constant: number | undefined, digits = 4) =>
  `  ${name.padEnd(NAME - 2)} ${[value, ceiling, constant]
    .map((n, i) => (n === undefined ? "" : Number.isNaN(n) ? "–" : fixed(n, digits)).padStart(i ? 10 : 8))
    .join(" ")}`.trimEnd();

const gateText = ({ name, value, rule, passed }: Gate) =>
  `  ${passed ? "passes" : "FAILS "}  ${name}: ${fixed(value, 2)} (${rule})`;

function responseRows(m: Verdict): string[] {
  if (m.responseMouth === undefined) return [];
  return [
    `${"responses: change in the swap".padEnd(NAME)} ${"measured".padStart(8)} ${"ceiling".padStart(10)}`,
    ...FEATURES.map((feature) =>
      row(feature.toLowerCase(), m[`response${feature}`] as number, m[`response${feature}Ceiling`], undefined, 2),
    ),
  ];
}

function expressionRows({ expression, showsExpression, passed }: Verdict): string[] {
  if (!expression) return [];
  const failed = expression.filter((gate) => !gate.passed).map(({ name, value }) => `${name} ${fixed(value, 2)}`);
  if (!passed) failed.unshift("it is no swap");
  const verdict = showsExpression
    ? "The swap shows expression."
    : `The swap does not show expression: ${failed.join(", ")}.`;
  return [...expression.map(gateText), verdict];
}

function pairRows({ pair, pairs }: Verdict): string[] {
  if (!pairs) return [];
  const width = Math.max(...pairs.map(({ from, to }) => from.length + to.length + 3));
  return [
    `the worst of ${pairs.length} directions is ${pair}, whose figures these are; all of them:`,
    ...pairs.map(
      ({ from, to, t, swapError, poseCorrelation, passed }) =>
        `  ${`${from} → ${to}`.padEnd(width)}  t ${fixed(t, 2)}  swap error ${swapError.toFixed(4)}  ` +
        `pose correlation ${fixed(poseCorrelation, 2)}  ${passed ? "passes" : "FAILS"}`,
    ),
  ];
}

/** The measures as a table, and the verdict. */
export function describe(m: Verdict): string {
  const failed = m.gates.filter((gate) => !gate.passed).map(({ name }) => name);
  const others = (m.pairs ?? []).filter((each) => !each.passed).map(({ from, to }) => `${from} → ${to}`);
  const verdict = m.pairs
    ? `Of ${m.pairs.length} swaps ${others.length} FAIL: ${others.join(", ")}.`
    : `The swap FAILS: ${failed.join(", ")}.`;
  return [
    `${`on ${m.poses} held-out poses`.padEnd(NAME)} ${"measured".padStart(8)} ${"ceiling".padStart(10)} ${"constant".padStart(10)}`,
    row("reconstruction L1", m.reconstruction, undefined, m.constantReconstruction),
    row("t (0 src … 1 dst)", m.t, m.tCeiling, m.constantT),
    row("swap error L1", m.swapError, m.swapErrorCeiling, m.constantSwapError),
    row("leak error L1 (from src)", m.leakError, m.leakErrorCeiling, m.constantLeakError),
    row("pose correlation", m.poseCorrelation, m.poseCorrelationCeiling, 0),
    row("eyes: error / constant's", m.eyes, m.eyesCeiling, 1),
    row("mouth: error / constant's", m.mouth, m.mouthCeiling, 1),
    row("grid energy, 1/255", m.gridEnergy, m.gridEnergyCeiling, 0, 2),
    ...responseRows(m),
    `reconstruction is ${(m.reconstruction / m.constantReconstruction).toFixed(2)} of the constant median picture's error`,
    ...pairRows(m),
    ...m.gates.map(gateText),
    m.passed ? (m.pairs ? `All ${m.pairs.length} swaps pass.` : "The swap passes.") : verdict,
    ...expressionRows(m),
  ].join("\n");
}
