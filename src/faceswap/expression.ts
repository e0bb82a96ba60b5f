import { type Gate, gates, type Measures } from "./measures.js";

/**
 * The conditions under which a swap shows expression, beyond those of `gates`: eyes and mouth are nearer to the true swap
 * than a constant picture is, and follow when the source's mouth, eyes and brows are moved. A network may pass the swap's
 * gates with neither eyes nor mouth, and these with the source's identity, so both are needed. Undefined where responses
 * were not measured.
 */
export function expressionGates(m: Measures): Gate[] | undefined {
  const { responseMouth, responseEye, responseBrow } = m;
  if (responseMouth === undefined || responseEye === undefined || responseBrow === undefined) return undefined;
  const most = (name: string, value: number, bound: number): Gate => {
    return { name, value, rule: `≤ ${bound} of the constant picture's error there`, passed: value <= bound };
  };
  const least = (name: string, value: number, bound: number): Gate => {
    return { name, value, rule: `≥ ${bound} of the true change`, passed: value >= bound };
  };
  return [
    most("eyes", m.eyes, 0.65),
    most("mouth", m.mouth, 0.5),
    least("mouth response", responseMouth, 0.6),
    least("eye response", responseEye, 0.2),
    least("brow response", responseBrow, 0.4),
  ];
}

/** Whether a swap passes and shows expression; undefined where that was not measured. */
export function showsExpression(m: Measures): boolean | undefined {
  const found = expressionGates(m);
  return found && [...gates(m), ...found].every(({ passed }) => passed);
}
