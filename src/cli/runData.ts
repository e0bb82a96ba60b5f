import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { UserError } from "../engine/errors.js";
import type { TrainingConfig } from "../faceswap/config.js";
import { castNamed, packIdentity } from "../faceswap/identities.js";
import type { DataSource, RunConfig } from "../storage/runConfig.js";
import { type Faces, loadFaces } from "./judge.js";

/** Folders of pictures, if the command line names them. */
export interface FolderOptions {
  readonly src?: string;
  readonly dst?: string;
  readonly identity?: Readonly<Record<string, string>>;
}

/** Each identity's folder. */
export type Folders = Readonly<Record<string, string>>;

/** @throws UserError if an identity has two folders */
export function foldersOf({ src, dst, identity = {} }: FolderOptions): Folders | undefined {
  if (src === undefined || dst === undefined) return undefined;
  const again = ["src", "dst"].find((name) => Object.hasOwn(identity, name));
  if (again) throw new UserError(`--identity ${again}=…: the folder of "${again}" is given by --${again}`);
  return { src, dst, ...identity };
}

/** What a run is trained on, for its config.json. */
export function sourceOf(config: TrainingConfig, faces: Faces | undefined, folders: Folders | undefined): DataSource {
  const fingerprint = fingerprintOf(config, faces);
  if (!faces || !folders) return { kind: "avatars", fingerprint };
  const total = (sets: Faces["training"]) => Object.values(sets).reduce((sum, { count }) => sum + count, 0);
  return {
    kind: "folders",
    folders: Object.fromEntries(Object.entries(folders).map(([name, path]) => [name, resolve(path)])),
    ...{ training: total(faces.training), heldOut: total(faces.heldOut) },
    trueSwap: faces.about !== undefined,
    fingerprint,
  };
}

/** SHA-256 of all pictures as the network sees them, or of the numbers that describe the avatars. */
function fingerprintOf({ pair, identities }: TrainingConfig, faces: Faces | undefined): string {
  const hash = createHash("sha256");
  for (const name of identities) {
    if (faces) hash.update(faces.training[name].pictures).update(faces.heldOut[name].pictures);
    else hash.update(new Uint8Array(packIdentity(castNamed(pair)[name]).buffer));
  }
  return hash.digest("hex");
}

/** The pictures of a run, where they were or where the options say; they must be the same. */
export function facesAgain(config: RunConfig, options: FolderOptions): Faces | undefined {
  const { data } = config;
  if (data.kind === "avatars") {
    if (options.src !== undefined || options.identity) {
      throw new UserError("the run is trained on avatars: --src and --dst do not fit it");
    }
    if (fingerprintOf(config, undefined) !== data.fingerprint) {
      throw new UserError(
        `the avatars of the pair "${config.pair}" are drawn differently since the run began: train anew`,
      );
    }
    return undefined;
  }
  const given: Folders = { ...foldersOf(options), ...options.identity };
  const stranger = Object.keys(given).find((name) => !Object.hasOwn(data.folders, name));
  if (stranger !== undefined) {
    throw new UserError(`--identity ${stranger}=…: the run's identities are ${config.identities.join(", ")}`);
  }
  const folders = { ...data.folders, ...given };
  let faces: Faces;
  try {
    faces = loadFaces(folders, config.architecture.size);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const others = config.identities.length > 2 ? " (and --identity NAME=DIR of the others)" : "";
    throw new UserError(`${error.message}; if the pictures were moved, give --src and --dst${others}`);
  }
  if (fingerprintOf(config, faces) !== data.fingerprint) {
    const where = Object.values(folders).join(" and ");
    throw new UserError(
      `the pictures in ${where} are not those that the run began with: bring them back (moved ones: --src, --dst), or train anew`,
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
