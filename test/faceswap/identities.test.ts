import { describe, expect, test } from "vitest";
import shader from "../../shaders/avatars.wgsl";
import { UserError } from "../../src/engine/errors.js";
import {
  castNamed,
  DST,
  DST_COLOUR,
  DST_MILD,
  IDENTITY_FLOATS,
  IDENTITY_LAYOUT,
  PAIRS,
  packIdentity,
  SRC,
} from "../../src/faceswap/identities.js";

const COLOURS = ["skin", "hair", "iris", "lip", "glassesColour", "shirt"] as const;
const people = Object.values(PAIRS).flatMap(({ src, dst }) => [src, dst]);

describe("the packed identity", () => {
  test("holds every field once, in the order of the layout, and ends in zeros", () => {
    const fields = IDENTITY_LAYOUT.map(([field]) => field);
    expect([...fields].sort()).toEqual(Object.keys(SRC).sort());
    const packed = packIdentity(DST);
    expect(packed).toHaveLength(IDENTITY_FLOATS);
    let at = 0;
    for (const [field, floats] of IDENTITY_LAYOUT) {
      expect(Array.from(packed.slice(at, at + floats)), field).toEqual([DST[field]].flat().map(Math.fround));
      at += floats;
    }
    expect(Array.from(packed.slice(at))).toEqual([0, 0, 0]);
    expect(IDENTITY_FLOATS % 4).toBe(0);
  });

  test("starts each colour on a vec4, with a number behind it", () => {
    let at = 0;
    for (const [field, floats] of IDENTITY_LAYOUT) {
      if (floats === 3) expect(at % 4, field).toBe(0);
      at += floats;
    }
  });

  test("has the fields of the shader's struct", () => {
    const body = /struct Identity \{([^}]*)\}/.exec(shader)![1];
    const members = [...body.matchAll(/(\w+): (vec3f|f32),/g)].map(([, name, type]) => [name, type === "f32" ? 1 : 3]);
    expect(members).toEqual(IDENTITY_LAYOUT);
  });
});

describe("the people", () => {
  test("are drawable: colours and opacities in [0, 1], superellipses at least as round as an ellipse", () => {
    for (const person of people) {
      for (const colour of COLOURS) {
        for (const value of person[colour]) expect(value >= 0 && value <= 1, colour).toBe(true);
      }
      for (const opacity of [person.beard, person.glasses]) expect(opacity >= 0 && opacity <= 1).toBe(true);
      expect(person.jaw).toBeGreaterThanOrEqual(2);
      for (const size of [person.faceWidth, person.faceHeight, person.eyeWidth, person.eyeHeight, person.mouthWidth]) {
        expect(size).toBeGreaterThan(0);
      }
    }
  });

  test("of the mild and shape pairs share their colours, of the colour pair their shape", () => {
    for (const { src, dst } of [PAIRS.mild, PAIRS.shape]) {
      for (const colour of COLOURS) expect(dst[colour]).toEqual(src[colour]);
      expect(dst.faceWidth).not.toBe(src.faceWidth);
    }
    expect(DST_MILD).toMatchObject({ beard: 0, glasses: 0, jaw: DST.jaw, hairLength: DST.hairLength });
    for (const [field, floats] of IDENTITY_LAYOUT) {
      expect(DST_COLOUR[field]).toEqual(floats === 3 ? DST[field] : SRC[field]);
    }
  });

  test("of every pair differ", () => {
    for (const [name, { src, dst }] of Object.entries(PAIRS)) {
      expect(packIdentity(dst), name).not.toEqual(packIdentity(src));
    }
  });
});

test("castNamed finds the identities of a pair or a group, and lists the names when there is none", () => {
  expect(castNamed("mild")).toEqual({ src: PAIRS.mild.src, dst: PAIRS.mild.dst });
  expect(Object.keys(castNamed("trio"))).toEqual(["src", "dst", "third"]);
  const { src, dst, quarter, half, "three-quarters": late } = castNamed("both-bridged");
  expect({ src, dst }).toEqual(castNamed("both"));
  expect(half.jaw).toBeCloseTo((src.jaw + dst.jaw) / 2);
  expect(half.skin[1]).toBeCloseTo((src.skin[1] + dst.skin[1]) / 2);
  expect(quarter.glasses).toBeCloseTo(0.25);
  expect(late.glasses).toBeCloseTo(0.75);
  for (const name of ["wild", "", "constructor"]) {
    expect(() => castNamed(name)).toThrow(UserError);
    expect(() => castNamed(name)).toThrow(
      `there are no avatars "${name}"; choose one of mild, hue, medium, both, colour, shape, trio, medium-bridged, both-bridged`,
    );
  }
});
