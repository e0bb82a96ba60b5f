import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UserError } from "../engine/errors.js";
import { type PairName, pairNamed } from "../faceswap/identities.js";
import { type Background, type PoseKind, poseKindNamed } from "../faceswap/poses.js";

/** Beside the folders that `shibori avatars` fills: what they show, so that a run on them can be measured. */
export const AVATARS_FILE = "avatars.json";

export interface AvatarsFile {
  pair: PairName;
  poses: PoseKind;
  background: Background;
  size: number;
  seed: number;
  count: number;
}

/**
 * The description of two folders, if both were filled together by `shibori avatars`.
 * @throws UserError if the description is damaged
 */
export function describedAvatars(src: string, dst: string): AvatarsFile | undefined {
  const parent = dirname(resolve(src));
  const path = join(parent, AVATARS_FILE);
  const named = resolve(src) === join(parent, "src") && resolve(dst) === join(parent, "dst");
  if (!named || !existsSync(path)) return undefined;
  try {
    const about = (JSON.parse(readFileSync(path, "utf8")) ?? {}) as AvatarsFile;
    pairNamed(about.pair);
    poseKindNamed(about.poses);
    return about;
  } catch (error) {
    const [reason] = (error as Error).message.split("\n");
    throw new UserError(`${path}: ${reason}; delete it to train without a known true swap`);
  }
}
