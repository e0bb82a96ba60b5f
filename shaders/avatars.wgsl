// Draws a batch of avatars, or the mask of a region of their faces: one identity, one pose a picture.
//
//   identity  [11] vec4: `packIdentity` of src/faceswap/identities.ts, the fields of `struct Identity` in order
//   poses     [N][5] vec4: a pose vector of src/faceswap/poses.ts a picture, the numbers of `struct Pose` in order
//   y         [N][S][S] vec4: red, green, blue in [0, 1] and a zero lane (NHWC, channels padded to 4)
//   p.layer   0 the picture; else a mask in the first lane, 1 inside and 0 outside: 1 eyes and brows, 2 mouth,
//             3 both, 1.14 times as large (the pixels that a loss may weigh more)
//
// One invocation draws one pixel, one workgroup 64 pixels of one picture: dispatch (ceil(S * S / 64), N). S <= 2047
// keeps x below 65,536 workgroups.
//
// The picture is [-1, 1]^2, y down. The pose moves it into the head's frame, where features are signed distances painted
// back to front; a feature covers clamp(1/2 - distance / pixel) of a pixel, so every edge is one pixel wide at any
// size. Features sit on an ellipsoid: turning the head by yaw and pitch moves them by their depth and narrows them.
// A picture depends on the identity and the pose alone, so the true swap is another call of this kernel.
//
// FLOPs: about 700 a pixel beside the face and 1300 on it (a transcendental counted as 8).
// Bytes: 16 written a pixel; the 16 vec4 read are the same for all pixels of a picture.

const WORKGROUP = 64;

struct P {
  batch: u32,
  size: u32,
  layer: u32,
}

struct Identity {
  skin: vec3f,
  faceWidth: f32,
  hair: vec3f,
  hairVolume: f32,
  iris: vec3f,
  eyeWidth: f32,
  lip: vec3f,
  lipThickness: f32,
  glassesColour: vec3f,
  glasses: f32,
  shirt: vec3f,
  ear: f32,
  faceHeight: f32,
  jaw: f32,
  hairLength: f32,
  fringe: f32,
  parting: f32,
  eyeSpacing: f32,
  eyeY: f32,
  eyeHeight: f32,
  browThickness: f32,
  browWidth: f32,
  browTilt: f32,
  browRise: f32,
  noseWidth: f32,
  noseLength: f32,
  mouthWidth: f32,
  mouthY: f32,
  beard: f32,
}

struct Pose {
  yaw: f32,
  pitch: f32,
  roll: f32,
  shift: vec2f,
  scale: f32,
  mouth: f32,
  smile: f32,
  eye: f32,
  brow: f32,
  gaze: vec2f,
  light: vec3f,
  background: vec4f,
}

@group(0) @binding(0) var<storage, read> identity: array<vec4f>;
@group(0) @binding(1) var<storage, read> poses: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

// What every function below needs to know about this pixel.
var<private> who: Identity;
var<private> pose: Pose;
var<private> at: vec2f; // the pixel's centre in the head's frame
var<private> pixel: f32; // a pixel's width in the head's frame
var<private> turn: vec2f; // sin and cos of yaw
var<private> nod: vec2f; // sin and cos of pitch
var<private> shade: f32; // the light on the head here

fn readIdentity() -> Identity {
  let a = identity[0];
  let b = identity[1];
  let c = identity[2];
  let d = identity[3];
  let e = identity[4];
  let f = identity[5];
  let g = identity[6];
  let h = identity[7];
  let i = identity[8];
  let j = identity[9];
  return Identity(a.rgb, a.w, b.rgb, b.w, c.rgb, c.w, d.rgb, d.w, e.rgb, e.w, f.rgb, f.w, g.x, g.y, g.z, g.w, h.x, h.y,
    h.z, h.w, i.x, i.y, i.z, i.w, j.x, j.y, j.z, j.w, identity[10].x);
}

fn readPose(image: u32) -> Pose {
  let a = poses[image * 5];
  let b = poses[image * 5 + 1];
  let c = poses[image * 5 + 2];
  let d = poses[image * 5 + 3];
  let e = poses[image * 5 + 4];
  return Pose(a.x, a.y, a.z, vec2f(a.w, b.x), b.y, b.z, b.w, c.x, c.y, c.zw, d.xyz, vec4f(d.w, e.xyz));
}

// How much of the pixel a shape covers whose edge is at this signed distance (negative inside).
fn coverage(distance: f32) -> f32 {
  return saturate(0.5 - distance / pixel);
}

// The same for an edge that is softer than a pixel.
fn soft(distance: f32, width: f32) -> f32 {
  return saturate(0.5 - distance / max(width, pixel));
}

fn pow2(x: f32) -> f32 {
  return x * x;
}

fn paint(under: vec3f, colour: vec3f, cover: f32) -> vec3f {
  return under + (colour - under) * cover;
}

// Is the pixel out of reach of a feature that lies within this box? A cheap test before the real work.
fn outside(centre: vec2f, reach: vec2f) -> bool {
  return any(abs(at - centre) > reach + pixel);
}

// Signed distance to |x / rx|^q + |y / ry|^q = 1 to first order: (k - 1) / |grad k|, where k is the q-norm of the scaled
// offset. Dividing by the gradient is what makes the edge equally soft all around. 1 where the shape is far.
fn superellipse(centre: vec2f, radii: vec2f, q: f32) -> f32 {
  if (outside(centre, radii + 0.12)) {
    return 1;
  }
  let s = max(abs((at - centre) / radii), vec2f(1e-4));
  let powers = pow(s, vec2f(q));
  let sum = powers.x + powers.y;
  let k = pow(sum, 1 / q);
  return (k - 1) * sum / (k * length(powers / (s * radii)));
}

// The same at q = 2, without powers.
fn ellipse(centre: vec2f, radii: vec2f) -> f32 {
  let s = max(abs((at - centre) / radii), vec2f(1e-4));
  let k = length(s);
  return (k - 1) * k / length(s / radii);
}

// Where a point of the front of the face appears, and how much narrower a feature there looks.
struct Place {
  at: vec2f,
  narrow: f32,
}

// lift: height over the ellipsoid as a factor of the depth.
fn place(x: f32, y: f32, lift: f32) -> Place {
  let fx = x / who.faceWidth;
  let fy = y / who.faceHeight;
  let z = sqrt(max(0.05, 1 - fx * fx - fy * fy)) * who.faceWidth * 0.9 * lift;
  let seen = vec2f(x * turn.y + z * turn.x, y * nod.y - z * nod.x * 0.8);
  return Place(seen, clamp(turn.y - 0.75 * turn.x * fx, 0.45, 1.15));
}

fn earCentre(side: f32) -> vec2f {
  return vec2f(side * who.faceWidth * turn.y * 0.98 - 0.1 * turn.x, -0.075 * nod.x);
}

fn ear(under: vec3f, side: f32) -> vec3f {
  let seen = saturate(0.55 - 0.9 * side * turn.x);
  let radii = who.ear * vec2f(0.32 + 0.48 * seen, 1.35);
  if (outside(earCentre(side), radii)) {
    return under;
  }
  return paint(under, who.skin * shade * 0.85, coverage(ellipse(earCentre(side), radii)));
}

fn eye(under: vec3f, side: f32) -> vec3f {
  let e = place(side * who.eyeSpacing, who.eyeY, 1);
  let radii = vec2f(who.eyeWidth * e.narrow, who.eyeHeight * pose.eye + 0.008);
  if (outside(e.at, radii + 0.014)) {
    return under;
  }
  let lids = ellipse(e.at, radii);
  let c = paint(under, vec3f(0.072, 0.048, 0.048) + 0.2 * who.skin * shade, coverage(lids - 0.014) * 0.9);

  let light = min(0.45 + 0.55 * shade, 1);
  let r = who.eyeHeight * 0.78;
  let centre = e.at + pose.gaze * vec2f(0.38 * radii.x, 0.4 * who.eyeHeight);
  let rim = ellipse(centre, r * vec2f(e.narrow, 1));
  let pupil = ellipse(centre, r * vec2f(0.5 * e.narrow, 0.5));
  let glint = centre + r * vec2f(0.35 * pose.light.x, 0.3 * pose.light.y - 0.2);
  var ball = vec3f(0.97, 0.97, 0.98) * light;
  ball = paint(ball, who.iris * (1.08 - 0.5 * smoothstep(-0.35 * r, 0.0, rim)), coverage(rim));
  ball = paint(ball, vec3f(0.03, 0.03, 0.04), coverage(pupil));
  ball *= 0.72 + 0.28 * smoothstep(-1.0, -0.2, (at.y - e.at.y) / radii.y); // the upper lid's shadow
  ball = paint(ball, vec3f(light), 0.9 * coverage(ellipse(glint, r * vec2f(0.2 * e.narrow, 0.2))));
  return paint(c, ball, coverage(lids));
}

fn brow(under: vec3f, side: f32) -> vec3f {
  let b = place(side * who.eyeSpacing, who.eyeY - who.browRise, 1);
  let centre = b.at - vec2f(0, 0.055 * pose.brow);
  let tilt = side * (who.browTilt + 0.12 * pose.brow);
  let reach = who.browWidth * 0.8 + who.browThickness;
  if (outside(centre, vec2f(reach * b.narrow, reach * (abs(tilt) + 1.2 * reach) + who.browThickness))) {
    return under;
  }
  // A capsule bent along a parabola.
  let d = at - centre;
  let dx = d.x / b.narrow;
  let rise = d.y - tilt * dx + 1.2 * dx * dx;
  let beyond = max(abs(dx) - who.browWidth * 0.8, 0);
  let far = max(length(vec2f(beyond, rise)), 1e-6);
  let slope = vec2f(beyond * sign(dx) + rise * (2.4 * dx - tilt), rise) / far / vec2f(b.narrow, 1);
  let distance = (far - who.browThickness) / max(length(slope), 0.1);
  return paint(under, who.hair * 0.7 * (0.5 + 0.5 * shade), coverage(distance));
}

fn nose(under: vec3f) -> vec3f {
  let tip = place(0, 0.1, 1.35);
  let root = place(0, 0.1 - who.noseLength, 1.05);
  let w = who.noseWidth;
  if (outside(mix(tip.at, root.at, 0.5), abs(tip.at - root.at) * 0.5 + vec2f(1.15 * w + 0.04, w + 0.04))) {
    return under;
  }
  let shadow = ellipse(tip.at + vec2f(-0.02 * pose.light.x, 0.012), w * vec2f(1.15 * tip.narrow, 0.9));
  let t = saturate((at.y - root.at.y) / max(tip.at.y - root.at.y, 0.02));
  let ridge = abs(at.x - mix(root.at.x, tip.at.x, t)) - w * (0.35 + 0.45 * t);
  let bridge = max(ridge, max(root.at.y - at.y, at.y - tip.at.y));
  let ball = ellipse(tip.at, w * vec2f(tip.narrow, 0.8));
  var c = paint(under, who.skin * shade * 0.62, soft(shadow, 0.02) * 0.6);
  c = paint(c, saturate(who.skin * shade * 1.18), soft(bridge, 0.03) * 0.35);
  return paint(c, saturate(who.skin * shade * 1.06), soft(ball, 0.012));
}

fn mouth(under: vec3f, m: Place) -> vec3f {
  let w = who.mouthWidth * (1 + 0.18 * pose.smile) * m.narrow;
  let gap = 0.15 * pose.mouth + 0.004;
  if (outside(m.at + vec2f(0, 0.3 * gap), vec2f(1.08 * w, 0.05 + 1.3 * who.lipThickness + gap))) {
    return under;
  }
  let t = (at.x - m.at.x) / w;
  let arch = max(1 - t * t, 0);
  let archSlope = select(-2 * t / w, 0.0, abs(t) > 1);
  let curve = m.at.y + 0.085 * pose.smile * (arch - 0.5);
  let curveSlope = 0.085 * pose.smile * archSlope;
  let upper = curve - 0.3 * gap * arch;
  let lower = curve + gap * arch;
  // Vertical distances to a curve become distances on dividing by the length of (1, its slope).
  let upperScale = inverseSqrt(1 + pow2(curveSlope - 0.3 * gap * archSlope));
  let lowerScale = inverseSqrt(1 + pow2(curveSlope + gap * archSlope));
  let opening = max(max((upper - at.y) * upperScale, (at.y - lower) * lowerScale), (abs(t) - 1) * w);
  let lip = who.lipThickness * max(1 - pow2(pow2(t / 1.08)), 0); // thins out towards the corners
  let lips = max(max((upper - lip - at.y) * upperScale, (at.y - lower - 1.3 * lip) * lowerScale), (abs(t) - 1.08) * w);
  let teeth = coverage((at.y - upper - 0.045) * upperScale) * smoothstep(0.03, 0.09, pose.mouth);
  let inside = paint(vec3f(0.25, 0.05, 0.07), vec3f(0.95, 0.94, 0.9) * min(0.5 + 0.5 * shade, 1), teeth);
  let c = paint(under, who.lip * (0.4 + 0.6 * shade), coverage(lips));
  return paint(c, inside, coverage(opening));
}

// One half of the glasses: a lens, and the arm that runs to the ear where the head does not hide it.
fn glass(under: vec3f, g: Place, side: f32) -> vec3f {
  let hinge = g.at + vec2f(side * 0.165 * g.narrow, -0.03);
  let end = earCentre(side) - vec2f(0, 0.03);
  let run = max(side * (end.x - hinge.x), 1e-4);
  let slope = clamp((end.y - hinge.y) / run, -0.7, 0.7); // no steeper, or a short arm turns into a spike
  let along = side * (at.x - hinge.x);
  let across = abs(at.y - hinge.y - slope * along) * inverseSqrt(1 + slope * slope);
  let arm = max(across - 0.012, max(-along, along - run));
  let frame = abs(superellipse(g.at, vec2f(0.165 * g.narrow, 0.14), 2.8)) - 0.016;
  return paint(under, who.glassesColour, coverage(min(frame, arm)) * who.glasses);
}

fn face(screen: vec2f) -> vec3f {
  let w = who.faceWidth;
  let h = who.faceHeight;

  // Diffuse light on an ellipsoid a little larger than the head.
  let n = clamp(at / (vec2f(w, h) * 1.15), vec2f(-1), vec2f(1));
  let nz = sqrt(max(1 - dot(n, n), 0.05));
  shade = clamp(pose.light.z * (0.62 + 0.42 * (dot(n, pose.light.xy) + nz * 0.9)), 0.25, 1.25);

  let across = pose.background.w;
  let gradient = 0.5 + 0.35 * (across * screen.x + (1 - abs(across)) * screen.y);
  var c = saturate((pose.background.rgb * 0.7 + 0.15) * (0.7 + 0.6 * gradient));

  let skull = superellipse(vec2f(0), vec2f(w, h), who.jaw);
  if (who.hairLength > 0) {
    let radii = vec2f(w + who.hairVolume + 0.04, h * (0.55 + 0.6 * who.hairLength));
    let long = superellipse(vec2f(-0.1 * turn.x, 0.05 + 0.45 * who.hairLength), radii, 3);
    c = paint(c, who.hair * shade * 0.8, coverage(long));
  }
  if (at.y > 0.3) {
    let neck = superellipse(vec2f(-0.08 * turn.x, 0.75), vec2f(w * 0.48, 0.42), 4);
    let chinShadow = 0.7 + 0.3 * smoothstep(0.0, 0.12, skull);
    c = paint(c, who.skin * shade * 0.8 * chinShadow, coverage(neck));
    let shoulders = superellipse(vec2f(-0.1 * turn.x, 1.25), vec2f(0.85, 0.45), 2.6);
    c = paint(c, who.shirt * (0.55 + 0.45 * shade), coverage(shoulders));
  }
  c = ear(ear(c, -1), 1);

  // The hairline, a curve over x that moves with the head; `below` is the distance under it.
  let top = place(0, -h * who.fringe, 1);
  let u = (at.x - top.at.x) / w;
  let line = top.at.y + 0.3 * u * u + 0.35 * who.parting * w * u + 0.03 * sin(9 * u);
  let below = (at.y - line) * inverseSqrt(1 + pow2((0.6 * u + 0.27 * cos(9 * u)) / w + 0.35 * who.parting));

  let head = coverage(skull);
  c = paint(c, who.skin * shade * (0.85 + 0.15 * smoothstep(0.0, 0.07, below)), head);
  let m = place(0, who.mouthY, 1);
  if (who.beard > 0) {
    let d = (at.x - m.at.x) / w;
    let edge = m.at.y - 0.085 + 0.056 * saturate(1 - pow2(d / 0.9)) - 0.22 * d * d;
    c = paint(c, (who.hair * 0.9 + 0.03) * shade, head * soft(edge - at.y, 0.025) * who.beard);
  }

  // The hair: a cap above the hairline, and strands beside the face, of which a turn hides the far one.
  let radii = vec2f(w, h);
  let cap = superellipse(vec2f(0, -0.04), radii + who.hairVolume * vec2f(1, 0.9), who.jaw);
  let strands = superellipse(vec2f(0, -0.04), radii + who.hairVolume * 0.6, who.jaw);
  let beside = max(0.86 * w - abs(at.x - 0.12 * turn.x * w), at.y - 0.08 - 0.5 * who.hairLength);
  let sheen = exp(-pow2((n.y + 0.62 + 0.25 * n.x * n.x - 0.1 * pose.light.y) / 0.13)) * nz;
  let hair = (who.hair * (1 + 0.08 * sheen) + 0.01 * sheen) * (0.35 + 0.65 * shade) * 1.05;
  c = paint(c, hair, coverage(min(max(cap, below), max(strands, beside))));

  c = brow(eye(c, -1), -1);
  c = brow(eye(c, 1), 1);
  c = mouth(nose(c), m);
  if (who.glasses > 0) {
    let left = place(-who.eyeSpacing, who.eyeY + 0.01, 1.15);
    let right = place(who.eyeSpacing, who.eyeY + 0.01, 1.15);
    let gap = vec2f(left.at.x + 0.165 * left.narrow, right.at.x - 0.165 * right.narrow);
    let bridge = max(abs(at.y - left.at.y + 0.02) - 0.012, max(gap.x - at.x, at.x - gap.y));
    c = glass(glass(c, left, -1), right, 1);
    c = paint(c, who.glassesColour, coverage(bridge) * who.glasses);
  }
  return saturate(c);
}

fn eyeRegion(side: f32, pad: f32) -> f32 {
  let e = place(side * who.eyeSpacing, who.eyeY, 1);
  let b = place(side * who.eyeSpacing, who.eyeY - who.browRise, 1);
  return min(
    ellipse(e.at, pad * vec2f((who.eyeWidth + 0.03) * e.narrow, who.eyeHeight + 0.03)),
    ellipse(b.at + vec2f(0, 0.01 - 0.055 * pose.brow),
      pad * vec2f((who.browWidth + 0.04) * b.narrow, who.browThickness + 0.045)));
}

fn mouthRegion(pad: f32) -> f32 {
  let m = place(0, who.mouthY, 1);
  let w = who.mouthWidth * (1 + 0.18 * pose.smile) * m.narrow + 0.03;
  return ellipse(m.at + vec2f(0, 0.05), pad * vec2f(w, 0.155));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let image = id.y;
  let pixels = p.size * p.size;
  if (id.x >= pixels || image >= p.batch) {
    return;
  }
  who = readIdentity();
  pose = readPose(image);
  turn = vec2f(sin(pose.yaw), cos(pose.yaw));
  nod = vec2f(sin(pose.pitch), cos(pose.pitch));
  pixel = 2 / (f32(p.size) * pose.scale);
  let screen = (vec2f(f32(id.x % p.size), f32(id.x / p.size)) + 0.5) / f32(p.size) * 2 - 1;
  let s = sin(pose.roll);
  let c = cos(pose.roll);
  at = mat2x2f(c, -s, s, c) * (screen - pose.shift - vec2f(0, 0.02)) / pose.scale;

  var out = vec3f(0);
  switch (p.layer) {
    case 0u: {
      out = face(screen);
    }
    case 1u: {
      out.x = coverage(min(eyeRegion(-1, 1), eyeRegion(1, 1)));
    }
    case 2u: {
      out.x = coverage(mouthRegion(1));
    }
    default: {
      out.x = coverage(min(min(eyeRegion(-1, 1.14), eyeRegion(1, 1.14)), mouthRegion(1.14)));
    }
  }
  y[image * pixels + id.x] = vec4f(out, 0);
}
