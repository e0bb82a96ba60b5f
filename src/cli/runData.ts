import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { UserError } from "../engine/errors.js";
import { SIDES } from "../faceswap/architecture.js";
import { packIdentity, pairNamed } from "../faceswap/identities.js";
import type { TrainingConfig } from "../faceswap/presets.js";
import type { DataSource, RunConfig } from "../storage/runConfig.js";
import { type Faces, loadFaces } from "./judge.js";

/** Two folders of pictures, if the command line names them. */
export interface Folders {
  readonly src?: string;
  readonly dst?: string;
}

/** What a run is trained on, for its config.json. */
export function sourceOf(config: TrainingConfig, faces: Faces | undefined, { src, dst }: Folders): DataSource {
  const fingerprint = fingerprintOf(config, faces);
  if (!faces || src === undefined || dst === undefined) return { kind: "avatars", fingerprint };
  return {
    kind: "folders",
    ...{ src: resolve(src), dst: resolve(dst) },
    training: faces.training.src.count + faces.training.dst.count,
    heldOut: faces.heldOut.src.count + faces.heldOut.dst.count,
    trueSwap: faces.about !== undefined,
    fingerprint,
  };
}

/** SHA-256 of all pictures as the network sees them, or of the numbers that describe the avatars. */
function fingerprintOf({ pair }: TrainingConfig, faces: Faces | undefined): string {
  const hash = createHash("sha256");
  for (const side of SIDES) {
    if (faces) hash.update(faces.training[side].pictures).update(faces.heldOut[side].pictures);
    else hash.update(new Uint8Array(packIdentity(pairNamed(pair)[side]).buffer));
  }
  return hash.digest("hex");
}

/** The pictures of a run, where they were or where the options say; they must be the same. */
export function facesAgain(config: RunConfig, options: Folders): Faces | undefined {
  const { data } = config;
  if (data.kind === "avatars") {
    if (options.src !== undefined) throw new UserError("the run is trained on avatars: --src and --dst do not fit it");
    if (fingerprintOf(config, undefined) !== data.fingerprint) {
      throw new UserError(
        `the avatars of the pair "${config.pair}" are drawn differently since the run began: train anew`,
      );
    }
    return undefined;
  }
  const { src = data.src, dst = data.dst } = options;
  let faces: Faces;
  try {
    faces = loadFaces(src, dst, config.architecture.size);
  } catch (error) {
    if (!(error instanceof UserError) || options.src !== undefined) throw error;
    throw new UserError(`${error.message}; if the pictures were moved, give --src and --dst`);
  }
  if (fingerprintOf(config, faces) !== data.fingerprint) {
    throw new UserError(
      `the pictures in ${src} and ${dst} are not those that the run began with: bring them back (moved ones: --src, --dst), or train anew`,
    );
  }
  const told = (known: { pair: string; poses: string } | undefined) =>
    known ? `of the pair "${known.pair}" in poses "${known.poses}"` : "of no true swap";
  const [then, now] = [told(data.trueSwap ? config : undefined), told(faces.about)];
  if (then !== now) {
    throw new UserError(`the folders' avatars.json tells ${now}, but told ${then} when the run began: bring it back`);
  }
  return faces;
}
