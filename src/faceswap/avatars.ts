import source from "../../shaders/avatars.wgsl";
import { makeNode, type Node, type Op, refuse } from "../engine/graph.js";
import { kernel } from "../engine/lower.js";
import { constant } from "../engine/ops/leaf.js";
import { add, mul } from "../engine/ops/pointwise.js";
import { random } from "../engine/ops/random.js";
import { IDENTITY_FLOATS, type Identity, packIdentity } from "./identities.js";
import { type Background, POSE_COUNT, type PoseKind, poseTransform } from "./poses.js";

/**
 * What is drawn: the picture, or a mask of its eyes and brows, of its mouth, or of all of them with a margin ("features":
 * areas 1.3 times as large, for weighing a loss).
 */
export type Layer = "picture" | "eyes" | "mouth" | "features";
const LAYERS = { picture: 0, eyes: 1, mouth: 2, features: 3 };

interface AvatarAttrs {
  readonly size: number;
  readonly layer: Layer;
}

/** Smallest and largest width of a picture in pixels. */
export const SIZES = { least: 32, most: 1024 } as const;

const avatarOp: Op<AvatarAttrs> = {
  name: "drawAvatars",
  shape(inputs, { size, layer }) {
    const [identity, poses] = inputs;
    if (identity.length !== 1 || identity[0] !== IDENTITY_FLOATS || poses.length !== 2 || poses[1] !== POSE_COUNT) {
      refuse("drawAvatars", inputs, `an identity of [${IDENTITY_FLOATS}] and poses of [N, ${POSE_COUNT}] are needed`);
    }
    if (!Number.isInteger(size) || size < SIZES.least || size > SIZES.most) {
      refuse("drawAvatars", inputs, `the size ${size} must be a whole number from ${SIZES.least} to ${SIZES.most}`);
    }
    return [poses[0], size, size, layer === "picture" ? 3 : 1];
  },
  lower(node) {
    const [identity, poses] = node.inputs;
    const [batch, size] = node.shape;
    return [
      {
        kernel: kernel("avatars", source),
        bind: { identity, poses, y: node },
        uniform: { batch, size, layer: LAYERS[node.attrs.layer] },
        groups: [Math.ceil((size * size) / 64), batch, 1],
      },
    ];
  },
  rows: (node, from, count, part) =>
    makeNode(avatarOp, [node.inputs[0], part(node.inputs[1], from, count)], node.attrs),
};

/** New poses every step: [batch, POSE_COUNT], of a kind, from the program's seed and a stream (its own by default). */
export function poses(kind: PoseKind, options: { batch: number; background?: Background; stream?: number }): Node {
  const { scale, offset } = poseTransform(kind, options.background ?? "plain");
  const u = random([options.batch, POSE_COUNT], options.stream);
  return add(mul(u, constant(scale, [POSE_COUNT])), constant(offset, [POSE_COUNT]));
}

/**
 * Draws one identity in given poses.
 * @param poses [N, POSE_COUNT]
 * @returns pictures [N, size, size, 3] in [0, 1], or masks [N, size, size, 1]
 * @throws ShapeError
 */
export function drawAvatars(identity: Identity, poses: Node, size: number, layer: Layer = "picture"): Node {
  return makeNode(avatarOp, [constant(packIdentity(identity), [IDENTITY_FLOATS]), poses], { size, layer });
}

export interface AvatarOptions {
  readonly batch: number;
  readonly size: number;
  readonly poses?: PoseKind;
  readonly background?: Background;
  readonly stream?: number;
}

/** A batch of one identity in new poses every step, drawn on the GPU: [batch, size, size, 3]. */
export function avatars(identity: Identity, options: AvatarOptions): Node {
  return drawAvatars(identity, poses(options.poses ?? "demo", options), options.size);
}
