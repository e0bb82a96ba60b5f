import { describe, expect, test } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import {
  holdPose,
  POSE_COUNT,
  POSE_KINDS,
  POSE_NAMES,
  type PoseKind,
  poseKindNamed,
  poseTransform,
} from "../../src/faceswap/poses.js";

/** What u = 0 and u = 1 draw, of the kind "full" and of what the other kinds change: values of the PyTorch pilot. */
const FULL: Record<string, [number, number]> = {
  yaw: [-0.55, 0.55],
  pitch: [-0.3, 0.3],
  roll: [-0.22, 0.22],
  shiftX: [-0.06, 0.06],
  shiftY: [-0.06, 0.06],
  scale: [0.92, 1.08],
  mouth: [0, 1],
  smile: [-0.6, 1],
  eye: [0.25, 1],
  brow: [-0.5, 1],
  gazeX: [-1, 1],
  gazeY: [-0.7, 0.7],
  lightX: [-0.9, 0.9],
  lightY: [-0.9, 0.3],
  light: [0.75, 1.1],
  backgroundR: [0, 1],
  backgroundG: [0, 1],
  backgroundB: [0, 1],
  backgroundTurn: [-1, 1],
};
const CHANGED: Record<PoseKind, Record<string, [number, number]>> = {
  full: {},
  demo: {
    yaw: [-0.4125, 0.4125],
    pitch: [-0.15, 0.15],
    roll: [-0.066, 0.066],
    shiftX: [-0.018, 0.018],
    shiftY: [-0.018, 0.018],
    scale: [0.976, 1.024],
    gazeX: [-0.6, 0.6],
    gazeY: [-0.28, 0.28],
    lightX: [-0.63, 0.63],
    light: [0.82, 1.03],
  },
  narrow: {
    yaw: [-0.1375, 0.1375],
    pitch: [-0.075, 0.075],
    roll: [-0.055, 0.055],
    shiftX: [-0.015, 0.015],
    shiftY: [-0.015, 0.015],
    scale: [0.98, 1.02],
    mouth: [0.375, 0.625],
    smile: [0, 0.4],
    eye: [0.53125, 0.71875],
    brow: [0.0625, 0.4375],
    gazeX: [-0.25, 0.25],
    gazeY: [-0.175, 0.175],
    lightX: [-0.225, 0.225],
    lightY: [-0.45, -0.15],
    light: [0.88125, 0.96875],
  },
  wide: { yaw: [-0.77, 0.77], pitch: [-0.42, 0.42], roll: [-0.308, 0.308] },
  left: { yaw: [-0.55, 0.11], lightX: [-0.9, 0.18], mouth: [0, 0.6], smile: [-0.6, 0.36] },
  right: { yaw: [0.55, -0.11], lightX: [0.9, -0.18], mouth: [1, 0.4], smile: [1, 0.04] },
  hardleft: { yaw: [-0.55, -0.11], lightX: [-0.9, -0.18], mouth: [0, 0.4], smile: [-0.6, 0.04] },
  hardright: { yaw: [0.55, 0.11], lightX: [0.9, 0.18], mouth: [1, 0.6], smile: [1, 0.36] },
};

describe.each(POSE_KINDS)("poses of the kind %s", (kind) => {
  test("have the pilot's ranges and order", () => {
    const { scale, offset } = poseTransform(kind, "random");
    const expected = Object.entries({ ...FULL, ...CHANGED[kind] });
    expect(POSE_NAMES).toEqual(Object.keys(FULL));
    expected.forEach(([name, [from, to]], i) => {
      expect(offset[i], `${name} at u = 0`).toBeCloseTo(from, 6);
      expect(offset[i] + scale[i], `${name} at u = 1`).toBeCloseTo(to, 6);
    });
  });

  test("differ on a plain background in the background alone", () => {
    const plain = poseTransform(kind, "plain");
    const random = poseTransform(kind, "random");
    expect(plain.scale.slice(0, 15)).toEqual(random.scale.slice(0, 15));
    expect(plain.offset.slice(0, 15)).toEqual(random.offset.slice(0, 15));
    expect(Array.from(plain.scale.slice(15))).toEqual([0, 0, 0, 0, 0]);
    expect(Array.from(plain.offset.slice(15))).toEqual([...[0.45, 0.45, 0.45].map(Math.fround), 0, 0]);
  });

  test("fill whole vec4s, the last lane with zero", () => {
    const { scale, offset } = poseTransform(kind, "random");
    expect([scale.length, offset.length, POSE_COUNT % 4]).toEqual([POSE_COUNT, POSE_COUNT, 0]);
    expect([scale[19], offset[19]]).toEqual([0, 0]);
  });
});

test("holdPose fixes one parameter and leaves the map it was given alone", () => {
  const free = poseTransform("demo", "plain");
  const held = holdPose(free, "smile", 0.9);
  expect([held.scale[7], held.offset[7]]).toEqual([0, Math.fround(0.9)]);
  expect(free).toEqual(poseTransform("demo", "plain"));
  held.scale[7] = free.scale[7];
  held.offset[7] = free.offset[7];
  expect(held).toEqual(free);
});

test("poseKindNamed finds a kind, and lists the kinds when there is none", () => {
  expect(poseKindNamed("hardleft")).toBe("hardleft");
  expect(() => poseKindNamed("sideways")).toThrow(UserError);
  expect(() => poseKindNamed("sideways")).toThrow(
    'there is no pose kind "sideways"; choose one of demo, full, narrow, wide, left, right, hardleft, hardright',
  );
});
