import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { UserError } from "../engine/errors.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { LPIPS_KINDS, lpipsKindOf } from "../faceswap/lossSlots.js";
import type { PerceptualNetwork } from "../faceswap/perceptual/lpips.js";
import type { PerceptualKind } from "../faceswap/perceptual/trunks.js";
import { checkLpipsWeights, missingWeights } from "../faceswap/perceptual/weights.js";
import { type LossNetworks, lossNetworks } from "../faceswap/slotLosses.js";
import type { RunConfig } from "../storage/runConfig.js";
import { readWeights } from "../storage/torchFile.js";

/** The files that the command line names. */
export interface LpipsOptions {
  readonly lpipsTrunk?: string;
  readonly lpipsLin?: string;
}

/** The networks that a run's losses look through, and what its config.json says of them. */
export interface LoadedNetworks {
  readonly networks: LossNetworks;
  readonly lpips: RunConfig["lpips"];
}

/** @throws UserError if LPIPS is asked for without weights, or given weights that do not fit or that nothing needs */
export function loadNetworks({ lossWeights }: TrainingConfig, { lpipsTrunk, lpipsLin }: LpipsOptions): LoadedNetworks {
  const kind = lpipsKindOf(lossWeights);
  if (!kind) {
    if (lpipsTrunk !== undefined || lpipsLin !== undefined) {
      const names = Object.keys(LPIPS_KINDS).join(", ");
      throw new UserError(
        `--lpips-trunk and --lpips-lin: the run has no LPIPS; give it a weight (--loss NAME=1: ${names})`,
      );
    }
    return { networks: lossNetworks(lossWeights), lpips: undefined };
  }
  if (lpipsTrunk === undefined || lpipsLin === undefined) throw missingWeights(kind);
  const { network, fingerprint } = loadLpips(kind, lpipsTrunk, lpipsLin);
  const lpips = { trunk: resolve(lpipsTrunk), lin: resolve(lpipsLin), fingerprint };
  return { networks: lossNetworks(lossWeights, network), lpips };
}

function loadLpips(
  kind: PerceptualKind,
  trunk: string,
  lin: string,
): { network: PerceptualNetwork; fingerprint: string } {
  const network = checkLpipsWeights(kind, readWeights(trunk), readWeights(lin), { trunk, lin });
  const hash = createHash("sha256");
  // Of the numbers that are used, whatever files they came in.
  for (const { name, data } of network.tensors) {
    hash.update(name).update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }
  return { network, fingerprint: hash.digest("hex") };
}

/** The same of a run that goes on: the files it began with, or where the options say; they must be the same numbers. */
export function networksAgain(config: RunConfig, options: LpipsOptions): LossNetworks {
  const { lpips } = config;
  if (!lpips && (options.lpipsTrunk !== undefined || options.lpipsLin !== undefined)) {
    throw new UserError("the run is trained without LPIPS: --lpips-trunk and --lpips-lin do not fit it");
  }
  const files = lpips && { lpipsTrunk: options.lpipsTrunk ?? lpips.trunk, lpipsLin: options.lpipsLin ?? lpips.lin };
  const loaded = loadedOrMoved(config, files ?? options);
  if (loaded.lpips?.fingerprint !== lpips?.fingerprint) {
    throw new UserError(
      `the LPIPS weights in ${loaded.lpips?.trunk} and ${loaded.lpips?.lin} are not those that the run began with: bring them back`,
    );
  }
  return loaded.networks;
}

function loadedOrMoved(config: RunConfig, files: LpipsOptions): LoadedNetworks {
  try {
    return loadNetworks(config, files);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${error.message}; if the files were moved, give --lpips-trunk and --lpips-lin`);
  }
}

/** Tells weights apart in a formula. */
export const printOf = (lpips: RunConfig["lpips"]): string | undefined => lpips?.fingerprint.slice(0, 8);
