import { UserError } from "../engine/errors.js";

/** Red, green, blue in [0, 1]. */
export type Rgb = readonly [number, number, number];

/**
 * What a person looks like, whatever they do: everything about an avatar that a swap must change. What the person does
 * (turning, smiling, being lit) is the pose, see poses.ts.
 *
 * Lengths are in head units: the picture is the square [-1, 1]², so a picture of S pixels has S / 2 pixels a unit (at
 * pose scale 1). x points right, y points down, the origin is the middle of the face. The fields are in the order of
 * `IDENTITY_LAYOUT`.
 */
export interface Identity {
  readonly skin: Rgb;
  /** Half the width of the head. */
  readonly faceWidth: number;
  readonly hair: Rgb;
  /** How far the hair stands off the head. */
  readonly hairVolume: number;
  readonly iris: Rgb;
  /** Half the width of an eye seen from the front. */
  readonly eyeWidth: number;
  readonly lip: Rgb;
  /** Thickness of the upper lip; the lower one is 1.3 times as thick. */
  readonly lipThickness: number;
  readonly glassesColour: Rgb;
  /** Opacity of the glasses: 0 none, 1 opaque frames. */
  readonly glasses: number;
  readonly shirt: Rgb;
  /** Size of the ears. */
  readonly ear: number;
  /** Half the height of the head. */
  readonly faceHeight: number;
  /** Exponent of the head's outline: 2 is an ellipse, larger is squarer. At least 2. */
  readonly jaw: number;
  /** Length of the hair behind the head: 0 short, 1 over the shoulders. */
  readonly hairLength: number;
  /** Height of the hairline as a part of faceHeight: 0 in the middle of the face, 1 at the top of the head. */
  readonly fringe: number;
  /** Slope of the hairline: positive falls to the right. */
  readonly parting: number;
  /** Distance of each eye from the middle line. */
  readonly eyeSpacing: number;
  /** Height of the eyes (y, so negative is above the middle). */
  readonly eyeY: number;
  /** Half the height of a fully open eye. */
  readonly eyeHeight: number;
  /** Half the thickness of a brow. */
  readonly browThickness: number;
  /** Half the length of a brow. */
  readonly browWidth: number;
  /** Slope of the brows: positive droops outwards. */
  readonly browTilt: number;
  /** Distance of the brows above the eyes. */
  readonly browRise: number;
  /** Half the width of the tip of the nose. */
  readonly noseWidth: number;
  /** Length of the bridge of the nose. */
  readonly noseLength: number;
  /** Half the width of the mouth at rest. */
  readonly mouthWidth: number;
  /** Height of the mouth (y, so positive is below the middle). */
  readonly mouthY: number;
  /** Opacity of the beard, which has the colour of the hair: 0 none, 1 dense. */
  readonly beard: number;
}

/**
 * Order of the fields in the kernel's identity buffer, and of `struct Identity` in shaders/avatars.wgsl: colours take
 * three floats, the rest one, so every colour and the number after it fill one vec4. Zeros fill the last vec4.
 */
export const IDENTITY_LAYOUT = [
  ["skin", 3],
  ["faceWidth", 1],
  ["hair", 3],
  ["hairVolume", 1],
  ["iris", 3],
  ["eyeWidth", 1],
  ["lip", 3],
  ["lipThickness", 1],
  ["glassesColour", 3],
  ["glasses", 1],
  ["shirt", 3],
  ["ear", 1],
  ["faceHeight", 1],
  ["jaw", 1],
  ["hairLength", 1],
  ["fringe", 1],
  ["parting", 1],
  ["eyeSpacing", 1],
  ["eyeY", 1],
  ["eyeHeight", 1],
  ["browThickness", 1],
  ["browWidth", 1],
  ["browTilt", 1],
  ["browRise", 1],
  ["noseWidth", 1],
  ["noseLength", 1],
  ["mouthWidth", 1],
  ["mouthY", 1],
  ["beard", 1],
] as const satisfies readonly (readonly [keyof Identity, 1 | 3])[];

/** Floats in a packed identity: 11 vec4. */
export const IDENTITY_FLOATS = 44;

/** An identity as shaders/avatars.wgsl reads it: the fields in the order of `IDENTITY_LAYOUT`, [IDENTITY_FLOATS]. */
export function packIdentity(identity: Identity): Float32Array<ArrayBuffer> {
  const packed = new Float32Array(IDENTITY_FLOATS);
  packed.set(IDENTITY_LAYOUT.flatMap(([field]) => identity[field]));
  return packed;
}

/** The pilot's source: long fair hair, light skin, wide green eyes. */
export const SRC: Identity = {
  skin: [0.96, 0.8, 0.68],
  faceWidth: 0.47,
  hair: [0.85, 0.55, 0.2],
  hairVolume: 0.11,
  iris: [0.15, 0.6, 0.35],
  eyeWidth: 0.12,
  lip: [0.85, 0.25, 0.35],
  lipThickness: 0.026,
  glassesColour: [0.1, 0.1, 0.12],
  glasses: 0,
  shirt: [0.75, 0.25, 0.45],
  ear: 0.07,
  faceHeight: 0.63,
  jaw: 2,
  hairLength: 0.75,
  fringe: 0.38,
  parting: 0.25,
  eyeSpacing: 0.205,
  eyeY: -0.06,
  eyeHeight: 0.1,
  browThickness: 0.016,
  browWidth: 0.11,
  browTilt: 0.1,
  browRise: 0.16,
  noseWidth: 0.045,
  noseLength: 0.1,
  mouthWidth: 0.16,
  mouthY: 0.3,
  beard: 0,
};

/** The pilot's target: short black hair, dark skin, a square jaw, a beard and glasses. */
export const DST: Identity = {
  skin: [0.62, 0.42, 0.3],
  faceWidth: 0.56,
  hair: [0.1, 0.08, 0.09],
  hairVolume: 0.05,
  iris: [0.35, 0.2, 0.1],
  eyeWidth: 0.095,
  lip: [0.55, 0.28, 0.25],
  lipThickness: 0.018,
  glassesColour: [0.1, 0.1, 0.12],
  glasses: 1,
  shirt: [0.2, 0.45, 0.4],
  ear: 0.11,
  faceHeight: 0.61,
  jaw: 3.2,
  hairLength: 0,
  fringe: 0.58,
  parting: -0.1,
  eyeSpacing: 0.225,
  eyeY: -0.06,
  eyeHeight: 0.062,
  browThickness: 0.036,
  browWidth: 0.15,
  browTilt: -0.06,
  browRise: 0.16,
  noseWidth: 0.08,
  noseLength: 0.16,
  mouthWidth: 0.2,
  mouthY: 0.3,
  beard: 0.85,
};

const coloursOf = ({ skin, hair, iris, lip, glassesColour, shirt }: Identity) => {
  return { skin, hair, iris, lip, glassesColour, shirt };
};

/** SRC's shape in DST's colours. */
export const DST_COLOUR: Identity = { ...SRC, ...coloursOf(DST) };
/** DST's shape, beard and glasses in SRC's colours. */
export const DST_SHAPE: Identity = { ...DST, ...coloursOf(SRC) };
/** DST's shape in SRC's colours, without beard and glasses. */
export const DST_MILD: Identity = { ...DST_SHAPE, beard: 0, glasses: 0 };
/** DST a few shades lighter, so that skin and hair come near SRC's luminance. */
export const DST_MEDIUM: Identity = {
  ...DST,
  skin: [0.84, 0.62, 0.48],
  hair: [0.48, 0.27, 0.13],
  lip: [0.66, 0.3, 0.28],
  beard: 0.6,
};
/** DST_MILD with glasses and with hair, shirt and eyes of another hue at about SRC's luminance. */
export const DST_HUE: Identity = {
  ...DST_MILD,
  hair: [0.3, 0.66, 0.9],
  shirt: [0.22, 0.52, 0.36],
  iris: [0.45, 0.3, 0.15],
  glasses: 1,
  glassesColour: [0.25, 0.25, 0.3],
};

/** Two people to swap. */
export interface Pair {
  readonly src: Identity;
  readonly dst: Identity;
  /** One line on how they differ. */
  readonly description: string;
}

export type PairName = "mild" | "medium" | "hue" | "both" | "colour" | "shape";

/** The pairs of the bottleneck experiment, from the one that swaps most readily on. */
export const PAIRS: Readonly<Record<PairName, Pair>> = {
  mild: { src: SRC, dst: DST_MILD, description: "another face shape and haircut in the same colours" },
  hue: { src: SRC, dst: DST_HUE, description: "another shape, glasses, and hair and shirt of another hue" },
  medium: { src: SRC, dst: DST_MEDIUM, description: "another shape, glasses, a beard, skin and hair a shade darker" },
  both: { src: SRC, dst: DST, description: "another shape, glasses, a beard, much darker skin and hair" },
  colour: { src: SRC, dst: DST_COLOUR, description: "the same shape in much darker colours" },
  shape: { src: SRC, dst: DST_SHAPE, description: "another shape, glasses and a beard in the same colours" },
};

/** A third face for casts of more than two: a narrower head and longer, redder hair. */
export const THIRD: Identity = {
  ...SRC,
  hair: [0.7, 0.3, 0.16],
  iris: [0.3, 0.42, 0.62],
  shirt: [0.3, 0.48, 0.5],
  faceWidth: 0.43,
  faceHeight: 0.66,
  jaw: 2.5,
  hairLength: 0.35,
  hairVolume: 0.14,
  fringe: 0.55,
  parting: -0.3,
  eyeSpacing: 0.185,
  eyeWidth: 0.105,
  browRise: 0.145,
  browThickness: 0.024,
  mouthWidth: 0.15,
};

/** The identities of a run by name, in their order. */
export type Cast = Readonly<Record<string, Identity>>;

/** Someone between two people: every length, colour and opacity a part of the way from `a` to `b`. */
function between(a: Identity, b: Identity, part: number): Identity {
  const mix = (x: number, y: number) => x + (y - x) * part;
  const fields = IDENTITY_LAYOUT.map(([name]) => {
    const [x, y] = [a[name], b[name]] as [number | Rgb, number | Rgb];
    return [name, typeof x === "number" ? mix(x, y as number) : x.map((v, i) => mix(v, (y as Rgb)[i]))];
  });
  return Object.fromEntries(fields) as Identity;
}

/** A pair and three people between them, so that nobody is far from the next one. */
const bridged = ({ src, dst }: Pair): Cast => ({
  ...{ src, dst },
  ...{ quarter: between(src, dst, 0.25), half: between(src, dst, 0.5), "three-quarters": between(src, dst, 0.75) },
});

type GroupName = "trio" | "medium-bridged" | "both-bridged";

/** More than two people, each of whom can be swapped with each. */
const GROUPS: Readonly<Record<GroupName, Cast>> = {
  trio: { src: SRC, dst: DST_MILD, third: THIRD },
  "medium-bridged": bridged(PAIRS.medium),
  "both-bridged": bridged(PAIRS.both),
};

export type CastName = PairName | GroupName;

/** Pairs first, then larger casts. */
export const CAST_NAMES = [...Object.keys(PAIRS), ...Object.keys(GROUPS)] as readonly CastName[];

/** The identities of that name. @throws UserError that lists the names if there are none */
export function castNamed(name: string): Cast {
  if (Object.hasOwn(PAIRS, name)) {
    const { src, dst } = PAIRS[name as PairName];
    return { src, dst };
  }
  if (Object.hasOwn(GROUPS, name)) return GROUPS[name as GroupName];
  throw new UserError(`there are no avatars "${name}"; choose one of ${CAST_NAMES.join(", ")}`);
}
