// y = activation(convTranspose2d(x, w) + b), as conv_transpose2d.wgsl (formula, layouts, phases, uniform), in the style
// that CPU adapters like, for at most four output channels (see conv2d_subgroup_narrow.wgsl).
// One subgroup: SG·PIXELS pixels of one phase; lanes along the pixels.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 8;
const SMALL: u32 = 1; // whether all pixels are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32, weights: u32, alpha: f32,
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
  let phaseY = divide(wg.z, p.stride);
  let phaseX = wg.z - phaseY * p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = divide(p.oh - phaseY + p.stride - 1u, p.stride);
  let qw = divide(p.ow - phaseX + p.stride - 1u, p.stride);
  let pixels = p.batch * qh * qw;
  let m0 = (wg.x + wg.y * count.x) * SG * PIXELS + lane;

  var n: array<u32, PIXELS>; // unroll
  var y0: array<i32, PIXELS>; // unroll
  var x0: array<i32, PIXELS>; // unroll
  var to: array<u32, PIXELS>; // unroll
  // The source pixel of the phase's first position, and the first tap that reaches it.
  let offY = divide(phaseY + p.padTop, p.stride);
  let offX = divide(phaseX + p.padLeft, p.stride);
  let ky0 = phaseY + p.padTop - offY * p.stride;
  let kx0 = phaseX + p.padLeft - offX * p.stride;
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i * SG;
    let row = divide(m, qw);
    let image = divide(row, qh);
    n[i] = image * p.h;
    y0[i] = select(i32(row - image * qh + offY), -65536, m >= pixels);
    x0[i] = i32(m - row * qw + offX);
    to[i] = (image * p.oh + (row - image * qh) * p.stride + phaseY) * p.ow + (m - row * qw) * p.stride + phaseX;
  }
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ty = 0u; ky0 + ty * p.stride < p.kh; ty++) {
    for (var tx = 0u; kx0 + tx * p.stride < p.kw; tx++) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let iy = u32(y0[i] - i32(ty));
        let ix = u32(x0[i] - i32(tx));
        inside[i] = iy < p.h && ix < p.w;
        at[i] = select(0u, ((n[i] + iy) * p.w + ix) * p.ci4, inside[i]);
      }
      let tap = ((ky0 + ty * p.stride) * p.kw + kx0 + tx * p.stride) * p.co;
      for (var c = 0u; c < p.ci4; c++) {
        // Lane k loads the row of output channel k; turned, so that the four outputs lie in one vec4.
        let own = w[min((tap + lane % 4u) * p.ci4 + c, last)];
        let r0 = quadBroadcast(own, 0u);
        let r1 = quadBroadcast(own, 1u);
        let r2 = quadBroadcast(own, 2u);
        let r3 = quadBroadcast(own, 3u);
        let w0 = vec4f(r0.x, r1.x, r2.x, r3.x);
        let w1 = vec4f(r0.y, r1.y, r2.y, r3.y);
        let w2 = vec4f(r0.z, r1.z, r2.z, r3.z);
        let w3 = vec4f(r0.w, r1.w, r2.w, r3.w);
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
    if (m0 + i * SG < pixels) { y[to[i]] = select(vec4f(), finish(acc[i], bias, to[i]), keep); }
  }
}
