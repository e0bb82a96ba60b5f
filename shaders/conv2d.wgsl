// y = activation(conv2d(x, w) + b), an implicit matrix product: M = output pixels, N = output channels, K = kh·kw·ci.
//   x [N][H][W][ci]   w [kh][kw][ci][co]   b [co]   y [N][OH][OW][co]      (last axis padded to vec4s; padding is zero)
//   y[n,oy,ox,o] = Σ ky,kx,c  x[n, oy·stride+ky−padTop, ox·stride+kx−padLeft, c] · w[ky,kx,c,o]
// The readable baseline. One invocation: PIXELS consecutive output pixels × one vec4 of output channels. One workgroup:
// LANES neighbours along the channels, 64 / LANES groups of pixels.
// FLOPs: 2·pixels·co·kh·kw·ci. Bytes: every input pixel is loaded kh·kw/stride² times, every weight once per PIXELS.
// Where ci is no multiple of 4, the last weight rows read belong to the next tap; their x lanes are zero.
const LANES: u32 = 8;
const PIXELS: u32 = 4;
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) li: u32) {
  let o = wg.y * LANES + li % LANES;
  let m0 = ((wg.x + wg.z * count.x) * (64 / LANES) + li / LANES) * PIXELS;
  if (o >= p.co4 || m0 >= p.pixels) { return; }

  var n: array<u32, PIXELS>; // unroll
  var y0: array<i32, PIXELS>; // unroll
  var x0: array<i32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i;
    let row = m / p.ow;
    n[i] = row / p.oh * p.h;
    y0[i] = select(i32((row % p.oh) * p.stride) - i32(p.padTop), -65536, m >= p.pixels);
    x0[i] = i32((m % p.ow) * p.stride) - i32(p.padLeft);
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
      let tap = (ky * p.kw + kx) * p.ci * p.co4 + o;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c * 4u * p.co4;
        let w0 = w[row];
        let w1 = w[min(row + p.co4, last)];
        let w2 = w[min(row + 2u * p.co4, last)];
        let w3 = w[min(row + 3u * p.co4, last)];
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = select(vec4f(), x[at[i] + c], inside[i]);
          acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
        }
      }
    }
  }
  let lane = vec4u(0, 1, 2, 3) + o * 4u;
  var bias = vec4f();
  if (BIAS == 1) { bias = b[o]; }
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let at = (m0 + i) * p.co4 + o;
    if (m0 + i < p.pixels) { y[at] = select(vec4f(), finish(acc[i], bias, at), lane < vec4u(p.co)); }
  }
}
