// y = activation(conv2d(x, w) + b), as conv2d.wgsl (formula, layouts, uniform), in the style of conv2d_subgroup.wgsl for
// at most four output channels, which would leave lanes idle there: here the lanes lie along the pixels and the weights are
// handed round.
// One subgroup: SG·PIXELS consecutive output pixels. For every four input channels a lane loads its PIXELS input vec4s and
// one of the 4 weight vec4s, for 4·PIXELS vec4 FMAs. Workgroup = one subgroup.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 8;
const SMALL: u32 = 1; // whether all pixels are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, weights: u32, alpha: f32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

fn activate(v: vec4f) -> vec4f {
  if (ACTIVATION == 1) { return select(v * p.alpha, v, v > vec4f()); }
  if (ACTIVATION == 2) { return 1.0 / (1.0 + exp(-v)); }
  if (ACTIVATION == 3) { return tanh(clamp(v, vec4f(-10.0), vec4f(10.0))); } // as the op tanh
  return v;
}

// The activation's derivative, from its own output.
fn slope(v: vec4f) -> vec4f {
  if (ACTIVATION == 1) { return select(vec4f(p.alpha), vec4f(1.0), v > vec4f()); }
  if (ACTIVATION == 2) { return v * (1.0 - v); }
  return 1.0 - v * v;
}

fn finish(sum: vec4f, bias: vec4f, at: u32) -> vec4f {
  if (BIAS == 2) { return sum * slope(b[at]); }
  return activate(sum + bias);
}

// a / d, rounded down. CPU drivers divide whole numbers, and turn floats into them, one lane after the other; this way
// they need not. Exact for a < 2^20 (SMALL = 1): the quotient's error is less than its distance from a whole number.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let m0 = (wg.x + wg.z * count.x) * SG * PIXELS + lane;

  var n: array<u32, PIXELS>; // unroll
  var y0: array<i32, PIXELS>; // unroll
  var x0: array<i32, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i * SG;
    let row = divide(m, p.ow);
    let image = divide(row, p.oh);
    n[i] = image * p.h;
    y0[i] = select(i32((row - image * p.oh) * p.stride) - i32(p.padTop), -65536, m >= p.pixels);
    x0[i] = i32((m - row * p.ow) * p.stride) - i32(p.padLeft);
  }
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let iy = u32(y0[i] + i32(ky));
        let ix = u32(x0[i] + i32(kx));
        inside[i] = iy < p.h && ix < p.w;
        at[i] = select(0u, ((n[i] + iy) * p.w + ix) * p.ci4, inside[i]);
      }
      let tap = (ky * p.kw + kx) * p.ci;
      for (var c = 0u; c < p.ci4; c++) {
        let own = w[min(tap + c * 4u + lane % 4u, last)];
        let w0 = quadBroadcast(own, 0u);
        let w1 = quadBroadcast(own, 1u);
        let w2 = quadBroadcast(own, 2u);
        let w3 = quadBroadcast(own, 3u);
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = select(vec4f(), x[at[i] + c], inside[i]);
          acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
        }
      }
    }
  }
  var bias = vec4f();
  if (BIAS == 1) { bias = b[0]; }
  let keep = vec4u(0, 1, 2, 3) < vec4u(p.co);
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i * SG;
    if (m < p.pixels) { y[m] = select(vec4f(), finish(acc[i], bias, m), keep); }
  }
}
