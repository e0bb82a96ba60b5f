import { UserError } from "../engine/errors.js";

/**
 * What an avatar does and how it is seen, in the order of `struct Pose` in shaders/avatars.wgsl: the range [low, high]
 * of each parameter of a "full" pose, drawn uniformly. Lengths are in picture units (the picture is [-1, 1]², y down),
 * angles in radians.
 */
export const POSES = {
  /** Turn of the head; positive looks to the picture's right. */
  yaw: [-0.55, 0.55],
  /** Nod of the head; positive looks up. */
  pitch: [-0.3, 0.3],
  /** Tilt of the head in the picture plane; positive is clockwise. */
  roll: [-0.22, 0.22],
  shiftX: [-0.06, 0.06],
  shiftY: [-0.06, 0.06],
  /** Size of the head. */
  scale: [0.92, 1.08],
  /** Opening of the mouth: 0 shut, 1 wide open. */
  mouth: [0, 1],
  /** Curve of the mouth: negative frowns, positive smiles. */
  smile: [-0.6, 1],
  /** Opening of the eyes: 0 shut, 1 wide open. */
  eye: [0.25, 1],
  /** Lift of the brows. */
  brow: [-0.5, 1],
  /** Gaze: -1 the picture's left, 1 its right. */
  gazeX: [-1, 1],
  /** Gaze: negative up, positive down. */
  gazeY: [-0.7, 0.7],
  /** Where the light comes from: -1 the picture's left, 1 its right. */
  lightX: [-0.9, 0.9],
  /** Where the light comes from: negative above, positive below. */
  lightY: [-0.9, 0.3],
  /** Strength of the light. */
  light: [0.75, 1.1],
  backgroundR: [0, 1],
  backgroundG: [0, 1],
  backgroundB: [0, 1],
  /** Direction of the background's gradient: -1 and 1 horizontal, 0 vertical. */
  backgroundTurn: [-1, 1],
} as const satisfies Record<string, readonly [low: number, high: number]>;

export type PoseName = keyof typeof POSES;

/** The parameters in the order of a pose vector. */
export const POSE_NAMES = Object.keys(POSES) as PoseName[];

/** Floats in a pose vector: the parameters, then zeros up to a whole number of vec4. */
export const POSE_COUNT = 20;

/**
 * full: every parameter over its whole range. demo: turned, shifted and lit less, like aligned crops; the whole range
 * of expressions. narrow: the middle quarter of everything but the background. wide: yaw, pitch and roll 1.4 times the
 * range, to test beyond what was trained on. left and right: yaw, light, mouth and smile from the lower and upper 60 %
 * of the range, so that two identities are filmed differently; hardleft and hardright: 40 %, so that they never overlap.
 */
export const POSE_KINDS = ["demo", "full", "narrow", "wide", "left", "right", "hardleft", "hardright"] as const;
export type PoseKind = (typeof POSE_KINDS)[number];

/** plain: one grey for everybody. random: any colour and gradient. */
export type Background = "plain" | "random";

/** Width of the kept part around the middle of the range, kind "demo". */
const DEMO: Partial<Record<PoseName, number>> = {
  yaw: 0.75,
  pitch: 0.5,
  roll: 0.3,
  shiftX: 0.3,
  shiftY: 0.3,
  scale: 0.3,
  gazeX: 0.6,
  gazeY: 0.4,
  lightX: 0.7,
  light: 0.6,
};

const PLAIN: Partial<Record<PoseName, number>> = {
  backgroundR: 0.45,
  backgroundG: 0.45,
  backgroundB: 0.45,
  backgroundTurn: 0,
};

/** The part [from, to] of a parameter's range, as fractions of it, that a kind draws from; from > to runs backwards. */
function part(kind: PoseKind, name: PoseName): [from: number, to: number] {
  const middle = (width: number): [number, number] => [0.5 - width / 2, 0.5 + width / 2];
  const sided = name === "yaw" || name === "lightX" || name === "mouth" || name === "smile";
  switch (kind) {
    case "full":
      return [0, 1];
    case "demo":
      return middle(DEMO[name] ?? 1);
    case "narrow":
      return middle(name.startsWith("background") ? 1 : 0.25);
    case "wide":
      return middle(name === "yaw" || name === "pitch" || name === "roll" ? 1.4 : 1);
    case "left":
      return sided ? [0, 0.6] : [0, 1];
    case "right":
      return sided ? [1, 0.4] : [0, 1];
    case "hardleft":
      return sided ? [0, 0.4] : [0, 1];
    case "hardright":
      return sided ? [1, 0.6] : [0, 1];
  }
}

/** An affine map from uniform numbers to poses: pose[i] = offset[i] + scale[i] · u[i], u uniform in [0, 1). */
export interface PoseTransform {
  /** [POSE_COUNT]; may be negative. */
  readonly scale: Float32Array<ArrayBuffer>;
  /** [POSE_COUNT]. */
  readonly offset: Float32Array<ArrayBuffer>;
}

/** How a kind of pose is drawn. The numbers after the last parameter map to zero. */
export function poseTransform(kind: PoseKind, background: Background): PoseTransform {
  const scale = new Float32Array(POSE_COUNT);
  const offset = new Float32Array(POSE_COUNT);
  POSE_NAMES.forEach((name, i) => {
    const [low, high] = POSES[name];
    const [from, to] = part(kind, name);
    const plain = background === "plain" ? PLAIN[name] : undefined;
    scale[i] = plain === undefined ? (high - low) * (to - from) : 0;
    offset[i] = plain ?? low + (high - low) * from;
  });
  return { scale, offset };
}

/** The same map with one parameter held at a value: for measuring the response to another parameter, or for a sweep. */
export function holdPose({ scale, offset }: PoseTransform, name: PoseName, value: number): PoseTransform {
  const held = { scale: scale.slice(), offset: offset.slice() };
  const i = POSE_NAMES.indexOf(name);
  held.scale[i] = 0;
  held.offset[i] = value;
  return held;
}

/** The kind of that name. Throws a `UserError` that lists the kinds if there is none. */
export function poseKindNamed(name: string): PoseKind {
  const kind = POSE_KINDS.find((kind) => kind === name);
  if (kind === undefined) {
    throw new UserError(`there is no pose kind "${name}"; choose one of ${POSE_KINDS.join(", ")}`);
  }
  return kind;
}
