import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../engine/errors.js";
import { type CastName, castNamed } from "../faceswap/identities.js";
import { type Background, type PoseKind, poseKindNamed } from "../faceswap/poses.js";

/** Beside the folders that `shibori avatars` fills: what they show, so that a run on them can be measured. */
export const AVATARS_FILE = "avatars.json";

export interface AvatarsFile {
  pair: CastName;
  poses: PoseKind;
  background: Background;
  size: number;
  seed: number;
  count: number;
}

/**
 * The description of folders by identity, if they were filled together by `shibori avatars`.
 * @throws UserError if the description is damaged
 */
export function describedAvatars(folders: Readonly<Record<string, string>>): AvatarsFile | undefined {
  const parent = dirname(resolve(Object.values(folders)[0]));
  const path = join(parent, AVATARS_FILE);
  const named = Object.entries(folders).every(([name, folder]) => resolve(folder) === join(parent, name));
  if (!named || !existsSync(path)) return undefined;
  try {
    const about = (JSON.parse(readFileSync(path, "utf8")) ?? {}) as AvatarsFile;
    const missing = Object.keys(folders).find((name) => !Object.hasOwn(castNamed(about.pair), name));
    if (missing) throw new UserError(`the avatars "${about.pair}" have no "${missing}"`);
    poseKindNamed(about.poses);
    return about;
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    throw new UserError(`${path}: ${reason}; delete it to train without a known true swap`);
  }
}
