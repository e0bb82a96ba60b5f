import { describe, expect, test } from "vitest";
import { PAIRS } from "../../src/faceswap/identities.js";
import { POSE_NAMES, type PoseName } from "../../src/faceswap/poses.js";
import { renderAvatar } from "./avatars.js";

const SIZE = 96; // the masks are a few hundredths larger than the features: three pixels here
const REST: Record<PoseName, number> = {
  yaw: 0.3,
  pitch: -0.1,
  roll: 0.05,
  shiftX: 0,
  shiftY: 0,
  scale: 1,
  mouth: 0.2,
  smile: 0,
  eye: 0.6,
  brow: 0,
  gazeX: 0,
  gazeY: 0,
  lightX: 0.3,
  lightY: -0.4,
  light: 1,
  backgroundR: 0.45,
  backgroundG: 0.45,
  backgroundB: 0.45,
  backgroundTurn: 0,
};
const pose = (changed: Partial<typeof REST> = {}) => [...POSE_NAMES.map((name) => changed[name] ?? REST[name]), 0];

describe.each([
  ["src", PAIRS.both.src],
  ["dst of both", PAIRS.both.dst],
  ["dst of hue", PAIRS.hue.dst],
] as const)("the reference picture of %s", (_, identity) => {
  test("lies in [0, 1] with a zero fourth lane", () => {
    const picture = renderAvatar(identity, pose({ light: 1.1, lightX: 0.9 }), SIZE, 0);
    expect(picture.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(picture.every((value, i) => i % 4 !== 3 || value === 0)).toBe(true);
  });

  test.each([
    [1, { eye: 1 }],
    [1, { gazeX: 0.6 }],
    [1, { brow: 0.8 }],
    [2, { mouth: 0.9 }],
    [2, { smile: 0.9 }],
  ] as const)("mask %i holds what %o changes", (layer, changed) => {
    const before = renderAvatar(identity, pose(), SIZE, 0);
    const after = renderAvatar(identity, pose(changed), SIZE, 0);
    const [maskBefore, maskAfter] = [pose(), pose(changed)].map((p) => renderAvatar(identity, p, SIZE, layer));
    let inside = 0;
    let all = 0;
    for (let i = 0; i < before.length; i++) {
      const change = Math.abs(after[i] - before[i]);
      const pixel = i - (i % 4);
      inside += change * Math.max(maskBefore[pixel], maskAfter[pixel]);
      all += change;
    }
    expect(all).toBeGreaterThan(0);
    expect(inside / all).toBeGreaterThan(0.95);
  });
});

test("the enlarged mask covers the other two, and neither covers the face", () => {
  const [eyes, mouth, both] = ([1, 2, 3] as const).map((layer) => renderAvatar(PAIRS.mild.dst, pose(), SIZE, layer));
  const area = (mask: Float64Array) => mask.reduce((sum, value) => sum + value, 0) / SIZE ** 2;
  expect(both.every((value, i) => value >= Math.max(eyes[i], mouth[i]) - 1e-12)).toBe(true);
  expect(area(eyes) + area(mouth)).toBeLessThan(area(both));
  expect(area(both)).toBeLessThan(0.15);
  expect(Math.min(area(eyes), area(mouth))).toBeGreaterThan(0.01);
});
