// y = activation(convTranspose2d(x, w) + b), second pass: gathers the columns that a 1×1 product made (col2im).
//   columns [N][H][W][kh·kw·co] floats, rows padded to vec4s: column (ky, kx, o) holds Σ c  x[n,iy,ix,c] · w[ky,kx,o,c]
//   y[n,oy,ox,o] = Σ ky,kx  columns[n, (oy+padTop−ky)/stride, (ox+padLeft−kx)/stride, (ky,kx,o)], over exact quotients
// For at most four output channels: as a product over pixels × columns the layer leaves no lane idle, and each x is loaded
// once instead of once for each tap. One invocation: one pixel. FLOPs: kh·kw·co / stride².
const SMALL: u32 = 1; // whether all pixels are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  count: u32, h: u32, w: u32, row: u32,
  oh: u32, ow: u32, co: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32, alpha: f32,
}
@group(0) @binding(0) var<storage, read> columns: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count) { return; }
  let line = divide(i, p.ow);
  let n = divide(line, p.oh);
  let y0 = divide(line - n * p.oh + p.padTop, p.stride);
  let x0 = divide(i - line * p.ow + p.padLeft, p.stride);
  let ky0 = line - n * p.oh + p.padTop - y0 * p.stride;
  let kx0 = i - line * p.ow + p.padLeft - x0 * p.stride;
  var sum = vec4f();
  // The taps that reach this pixel lie a stride apart, their source pixels one; all invocations go the same way.
  for (var ty = 0u; ty * p.stride < p.kh; ty++) {
    for (var tx = 0u; tx * p.stride < p.kw; tx++) {
      let ky = ky0 + ty * p.stride;
      let kx = kx0 + tx * p.stride;
      let iy = y0 - ty; // beyond h where it would be negative
      let ix = x0 - tx;
      if (ky < p.kh && kx < p.kw && iy < p.h && ix < p.w) {
        let at = ((n * p.h + iy) * p.w + ix) * p.row + (ky * p.kw + kx) * p.co;
        sum.x += columns[at];
        if (p.co > 1u) { sum.y += columns[at + 1u]; }
        if (p.co > 2u) { sum.z += columns[at + 2u]; }
        if (p.co > 3u) { sum.w += columns[at + 3u]; }
      }
    }
  }
  var bias = vec4f();
  if (BIAS == 1) { bias = b[0]; }
  y[i] = select(vec4f(), finish(sum, bias, i), vec4u(0, 1, 2, 3) < vec4u(p.co));
}
