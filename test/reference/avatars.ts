import type { Identity, Rgb } from "../../src/faceswap/identities.js";

type Point = readonly [x: number, y: number];

const clamp = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high);
const saturate = (x: number) => clamp(x, 0, 1);
const smoothstep = (low: number, high: number, x: number) => {
  const t = saturate((x - low) / (high - low));
  return t * t * (3 - 2 * t);
};
const times = (colour: Rgb, factor: number): Rgb => [colour[0] * factor, colour[1] * factor, colour[2] * factor];
const plus = (colour: Rgb, grey: number): Rgb => [colour[0] + grey, colour[1] + grey, colour[2] + grey];
const saturated = (colour: Rgb): Rgb => [saturate(colour[0]), saturate(colour[1]), saturate(colour[2])];
const paint = (under: Rgb, colour: Rgb, cover: number): Rgb => [
  under[0] + (colour[0] - under[0]) * cover,
  under[1] + (colour[1] - under[1]) * cover,
  under[2] + (colour[2] - under[2]) * cover,
];

/**
 * The picture that shaders/avatars.wgsl must draw, in float64 and without its shortcuts: [size][size][4], the fourth
 * lane zero. layer as in the kernel: 0 the face, 1 mask of eyes and brows, 2 of the mouth, 3 of both, enlarged.
 *
 * Constants are those of the kernel (the look of a face is a matter of taste); what this checks is the arithmetic, the
 * layouts of identity and pose, and that no shortcut cuts into a feature.
 */
export function renderAvatar(id: Identity, pose: ArrayLike<number>, size: number, layer: 0 | 1 | 2 | 3): Float64Array {
  const [yaw, pitch, roll, shiftX, shiftY, scale, mouth, smile, eye, brow, gazeX, gazeY, lightX, lightY, light] =
    Array.from(pose);
  const [red, green, blue, backgroundTurn] = Array.from(pose).slice(15, 19);
  const w = id.faceWidth;
  const h = id.faceHeight;
  const pixel = 2 / (size * scale);

  function place(px: number, py: number, lift: number) {
    const z = Math.sqrt(Math.max(0.05, 1 - (px / w) ** 2 - (py / h) ** 2)) * w * 0.9 * lift;
    return {
      at: [px * Math.cos(yaw) + z * Math.sin(yaw), py * Math.cos(pitch) - z * Math.sin(pitch) * 0.8] as Point,
      narrow: clamp(Math.cos(yaw) - (0.75 * Math.sin(yaw) * px) / w, 0.45, 1.15),
    };
  }
  const eyes = [-1, 1].map((side) => ({ side, ...place(side * id.eyeSpacing, id.eyeY, 1) }));
  const brows = [-1, 1].map((side) => {
    const b = place(side * id.eyeSpacing, id.eyeY - id.browRise, 1);
    return { side, at: [b.at[0], b.at[1] - 0.055 * brow] as Point, narrow: b.narrow };
  });
  const lips = place(0, id.mouthY, 1);
  const mouthWidth = id.mouthWidth * (1 + 0.18 * smile) * lips.narrow;
  const ears = [-1, 1].map((side) => ({
    side,
    at: [side * w * Math.cos(yaw) * 0.98 - 0.1 * Math.sin(yaw), -0.075 * Math.sin(pitch)] as Point,
  }));

  const picture = new Float64Array(size * size * 4);
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const screen: Point = [((column + 0.5) / size) * 2 - 1, ((row + 0.5) / size) * 2 - 1];
      const sx = (screen[0] - shiftX) / scale;
      const sy = (screen[1] - shiftY - 0.02) / scale;
      const x = Math.cos(roll) * sx + Math.sin(roll) * sy;
      const y = -Math.sin(roll) * sx + Math.cos(roll) * sy;
      picture.set(layer === 0 ? face(x, y, screen) : [region(x, y), 0, 0], (row * size + column) * 4);
    }
  }
  return picture;

  function soft(distance: number, width: number) {
    return saturate(0.5 - distance / Math.max(width, pixel));
  }
  function coverage(distance: number) {
    return soft(distance, pixel);
  }

  /** Distance to a superellipse to first order: (k - 1) over the length of k's gradient. */
  function ellipse(x: number, y: number, centre: Point, rx: number, ry: number, q = 2) {
    const a = Math.max(Math.abs((x - centre[0]) / rx), 1e-4);
    const b = Math.max(Math.abs((y - centre[1]) / ry), 1e-4);
    const k = (a ** q + b ** q) ** (1 / q);
    return (k - 1) / Math.hypot((a / k) ** (q - 1) / rx, (b / k) ** (q - 1) / ry);
  }

  function region(x: number, y: number) {
    const pad = layer === 3 ? 1.14 : 1;
    const distances: number[] = [];
    if (layer !== 2) {
      for (const e of eyes) {
        distances.push(ellipse(x, y, e.at, pad * (id.eyeWidth + 0.03) * e.narrow, pad * (id.eyeHeight + 0.03)));
      }
      for (const { at, narrow } of brows) {
        const centre: Point = [at[0], at[1] + 0.01];
        distances.push(ellipse(x, y, centre, pad * (id.browWidth + 0.04) * narrow, pad * (id.browThickness + 0.045)));
      }
    }
    if (layer !== 1) {
      distances.push(ellipse(x, y, [lips.at[0], lips.at[1] + 0.05], pad * (mouthWidth + 0.03), pad * 0.155));
    }
    return coverage(Math.min(...distances));
  }

  function face(x: number, y: number, screen: Point): Rgb {
    const nx = clamp(x / (w * 1.15), -1, 1);
    const ny = clamp(y / (h * 1.15), -1, 1);
    const nz = Math.sqrt(Math.max(1 - nx * nx - ny * ny, 0.05));
    const shade = clamp(light * (0.62 + 0.42 * (nx * lightX + ny * lightY + nz * 0.9)), 0.25, 1.25);
    const turn = Math.sin(yaw);

    const gradient = 0.5 + 0.35 * (backgroundTurn * screen[0] + (1 - Math.abs(backgroundTurn)) * screen[1]);
    let c = saturated(times(plus(times([red, green, blue], 0.7), 0.15), 0.7 + 0.6 * gradient));

    const skull = ellipse(x, y, [0, 0], w, h, id.jaw);
    if (id.hairLength > 0) {
      const centre: Point = [-0.1 * turn, 0.05 + 0.45 * id.hairLength];
      const long = ellipse(x, y, centre, w + id.hairVolume + 0.04, h * (0.55 + 0.6 * id.hairLength), 3);
      c = paint(c, times(id.hair, shade * 0.8), coverage(long));
    }
    const neck = ellipse(x, y, [-0.08 * turn, 0.75], w * 0.48, 0.42, 4);
    c = paint(c, times(id.skin, shade * 0.8 * (0.7 + 0.3 * smoothstep(0, 0.12, skull))), coverage(neck));
    const shoulders = ellipse(x, y, [-0.1 * turn, 1.25], 0.85, 0.45, 2.6);
    c = paint(c, times(id.shirt, 0.55 + 0.45 * shade), coverage(shoulders));
    for (const { side, at } of ears) {
      const seen = saturate(0.55 - 0.9 * side * turn);
      const d = ellipse(x, y, at, id.ear * (0.32 + 0.48 * seen), id.ear * 1.35);
      c = paint(c, times(id.skin, shade * 0.85), coverage(d));
    }

    const top = place(0, -h * id.fringe, 1).at;
    const u = (x - top[0]) / w;
    const line = top[1] + 0.3 * u * u + 0.35 * id.parting * w * u + 0.03 * Math.sin(9 * u);
    const below = (y - line) / Math.hypot(1, (0.6 * u + 0.27 * Math.cos(9 * u)) / w + 0.35 * id.parting);
    c = paint(c, times(id.skin, shade * (0.85 + 0.15 * smoothstep(0, 0.07, below))), coverage(skull));
    if (id.beard > 0) {
      const d = (x - lips.at[0]) / w;
      const edge = lips.at[1] - 0.085 + 0.056 * saturate(1 - (d / 0.9) ** 2) - 0.22 * d * d;
      const cover = coverage(skull) * soft(edge - y, 0.025) * id.beard;
      c = paint(c, times(plus(times(id.hair, 0.9), 0.03), shade), cover);
    }

    const cap = ellipse(x, y, [0, -0.04], w + id.hairVolume, h + id.hairVolume * 0.9, id.jaw);
    const strands = ellipse(x, y, [0, -0.04], w + id.hairVolume * 0.6, h + id.hairVolume * 0.6, id.jaw);
    const beside = Math.max(0.86 * w - Math.abs(x - 0.12 * turn * w), y - 0.08 - 0.5 * id.hairLength);
    const sheen = Math.exp(-(((ny + 0.62 + 0.25 * nx * nx - 0.1 * lightY) / 0.13) ** 2)) * nz;
    const hair = times(plus(times(id.hair, 1 + 0.08 * sheen), 0.01 * sheen), (0.35 + 0.65 * shade) * 1.05);
    c = paint(c, hair, coverage(Math.min(Math.max(cap, below), Math.max(strands, beside))));

    for (let i = 0; i < 2; i++) c = paintBrow(paintEye(c, x, y, shade, i), x, y, shade, i);
    c = paintMouth(paintNose(c, x, y, shade), x, y, shade);
    if (id.glasses > 0) c = paintGlasses(c, x, y);
    return saturated(c);
  }

  function paintEye(under: Rgb, x: number, y: number, shade: number, i: number): Rgb {
    const { at, narrow } = eyes[i];
    const rx = id.eyeWidth * narrow;
    const ry = id.eyeHeight * eye + 0.008;
    const lids = ellipse(x, y, at, rx, ry);
    const lash: Rgb = [
      0.072 + 0.2 * id.skin[0] * shade,
      0.048 + 0.2 * id.skin[1] * shade,
      0.048 + 0.2 * id.skin[2] * shade,
    ];
    const bright = Math.min(0.45 + 0.55 * shade, 1);
    const r = id.eyeHeight * 0.78;
    const centre: Point = [at[0] + gazeX * 0.38 * rx, at[1] + gazeY * 0.4 * id.eyeHeight];
    const glint: Point = [centre[0] + r * 0.35 * lightX, centre[1] + r * (0.3 * lightY - 0.2)];
    const rim = ellipse(x, y, centre, r * narrow, r);
    let ball = times([0.97, 0.97, 0.98], bright);
    ball = paint(ball, times(id.iris, 1.08 - 0.5 * smoothstep(-0.35 * r, 0, rim)), coverage(rim));
    ball = paint(ball, [0.03, 0.03, 0.04], coverage(ellipse(x, y, centre, 0.5 * r * narrow, 0.5 * r)));
    ball = times(ball, 0.72 + 0.28 * smoothstep(-1, -0.2, (y - at[1]) / ry));
    ball = paint(ball, [bright, bright, bright], 0.9 * coverage(ellipse(x, y, glint, 0.2 * r * narrow, 0.2 * r)));
    return paint(paint(under, lash, coverage(lids - 0.014) * 0.9), ball, coverage(lids));
  }

  function paintBrow(under: Rgb, x: number, y: number, shade: number, i: number): Rgb {
    const { side, at, narrow } = brows[i];
    const dx = (x - at[0]) / narrow;
    const tilt = side * (id.browTilt + 0.12 * brow);
    const rise = y - at[1] - tilt * dx + 1.2 * dx * dx;
    const beyond = Math.max(Math.abs(dx) - id.browWidth * 0.8, 0);
    const far = Math.max(Math.hypot(beyond, rise), 1e-6);
    const slopeX = (beyond * Math.sign(dx) + rise * (2.4 * dx - tilt)) / far / narrow;
    const distance = (far - id.browThickness) / Math.max(Math.hypot(slopeX, rise / far), 0.1);
    return paint(under, times(id.hair, 0.7 * (0.5 + 0.5 * shade)), coverage(distance));
  }

  function paintNose(under: Rgb, x: number, y: number, shade: number): Rgb {
    const tip = place(0, 0.1, 1.35);
    const root = place(0, 0.1 - id.noseLength, 1.05).at;
    const width = id.noseWidth;
    const shadowAt: Point = [tip.at[0] - 0.02 * lightX, tip.at[1] + 0.012];
    const shadow = ellipse(x, y, shadowAt, width * 1.15 * tip.narrow, width * 0.9);
    const t = saturate((y - root[1]) / Math.max(tip.at[1] - root[1], 0.02));
    const ridge = Math.abs(x - root[0] - (tip.at[0] - root[0]) * t) - width * (0.35 + 0.45 * t);
    const bridge = Math.max(ridge, root[1] - y, y - tip.at[1]);
    const c = paint(under, times(id.skin, shade * 0.62), soft(shadow, 0.02) * 0.6);
    const ball = ellipse(x, y, tip.at, width * tip.narrow, width * 0.8);
    return paint(
      paint(c, saturated(times(id.skin, shade * 1.18)), soft(bridge, 0.03) * 0.35),
      saturated(times(id.skin, shade * 1.06)),
      soft(ball, 0.012),
    );
  }

  function paintMouth(under: Rgb, x: number, y: number, shade: number): Rgb {
    const t = (x - lips.at[0]) / mouthWidth;
    const arch = Math.max(1 - t * t, 0);
    const archSlope = Math.abs(t) > 1 ? 0 : (-2 * t) / mouthWidth;
    const gap = 0.15 * mouth + 0.004;
    const curve = lips.at[1] + 0.085 * smile * (arch - 0.5);
    const upper = curve - 0.3 * gap * arch;
    const lower = curve + gap * arch;
    const upperLength = Math.hypot(1, (0.085 * smile - 0.3 * gap) * archSlope);
    const lowerLength = Math.hypot(1, (0.085 * smile + gap) * archSlope);
    const opening = Math.max((upper - y) / upperLength, (y - lower) / lowerLength, (Math.abs(t) - 1) * mouthWidth);
    const lip = id.lipThickness * Math.max(1 - (t / 1.08) ** 4, 0);
    const outline = Math.max(
      (upper - lip - y) / upperLength,
      (y - lower - 1.3 * lip) / lowerLength,
      (Math.abs(t) - 1.08) * mouthWidth,
    );
    const teeth = coverage((y - upper - 0.045) / upperLength) * smoothstep(0.03, 0.09, mouth);
    const inside = paint([0.25, 0.05, 0.07], times([0.95, 0.94, 0.9], Math.min(0.5 + 0.5 * shade, 1)), teeth);
    const c = paint(under, times(id.lip, 0.4 + 0.6 * shade), coverage(outline));
    return paint(c, inside, coverage(opening));
  }

  function paintGlasses(under: Rgb, x: number, y: number): Rgb {
    const lenses = [-1, 1].map((side) => place(side * id.eyeSpacing, id.eyeY + 0.01, 1.15));
    let c = under;
    for (const { side, at: ear } of ears) {
      const lens = lenses[side < 0 ? 0 : 1];
      const hingeX = lens.at[0] + side * 0.165 * lens.narrow;
      const hingeY = lens.at[1] - 0.03;
      const run = Math.max(side * (ear[0] - hingeX), 1e-4);
      const slope = clamp((ear[1] - 0.03 - hingeY) / run, -0.7, 0.7);
      const along = side * (x - hingeX);
      const across = Math.abs(y - hingeY - slope * along) / Math.hypot(1, slope);
      const arm = Math.max(across - 0.012, -along, along - run);
      const frame = Math.abs(ellipse(x, y, lens.at, 0.165 * lens.narrow, 0.14, 2.8)) - 0.016;
      c = paint(c, id.glassesColour, coverage(Math.min(frame, arm)) * id.glasses);
    }
    const [left, right] = lenses;
    const bridge = Math.max(
      Math.abs(y - left.at[1] + 0.02) - 0.012,
      left.at[0] + 0.165 * left.narrow - x,
      x - right.at[0] + 0.165 * right.narrow,
    );
    return paint(c, id.glassesColour, coverage(bridge) * id.glasses);
  }
}
