/** Where an experiment's declaration comes from: those that come along, or a file. */
import { existsSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import dissect from "../../experiments/dissect.json" with { type: "json" };
import fixes from "../../experiments/fixes.json" with { type: "json" };
import levers from "../../experiments/levers.json" with { type: "json" };
import trap from "../../experiments/trap.json" with { type: "json" };
import trap128 from "../../experiments/trap-128.json" with { type: "json" };
import { UserError } from "../engine/errors.js";
import { declared, type Experiment } from "../experiment/declare.js";
import { fileError } from "../storage/files.js";

const OWN: Readonly<Record<string, unknown>> = { trap, "trap-128": trap128, dissect, fixes, levers };
export const OWN_EXPERIMENTS = Object.keys(OWN);

/** @param name one that comes along, or the path of a file that ends in .json @throws UserError */
export function experimentNamed(name: string): Experiment {
  if (Object.hasOwn(OWN, name)) return declared(OWN[name], name, `experiments/${name}.json`);
  if (!/\.json$/i.test(name)) {
    throw new UserError(
      `there is no experiment "${name}"; choose one of ${OWN_EXPERIMENTS.join(", ")}, or give a file that ends in .json`,
    );
  }
  if (!existsSync(name)) throw new UserError(`${name} does not exist`);
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(name, "utf8"));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw fileError("read", name, error);
    throw new UserError(`${name}: ${error.message.replaceAll(/\s+/g, " ")}`);
  }
  return declared(json, basename(name).replace(/\.json$/i, ""), name);
}
