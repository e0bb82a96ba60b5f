// y = activation(conv2d(x, w) + b), as conv2d.wgsl (formula, layouts, uniform), in the style that CPU adapters like: a
// memory load costs them ten FMAs, a broadcast within the subgroup almost nothing.
// One subgroup: PIXELS consecutive output pixels × SG vec4s of output channels. A lane owns one vec4 of channels; for
// every four input channels it loads PIXELS/SG of the input vec4s and 4 weight vec4s, and the subgroup hands the inputs
// round: 4·PIXELS vec4 FMAs for PIXELS/SG + 4 loads. Workgroup = one subgroup.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 16;
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

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Lanes beyond the channels compute the last block once more (they still load and broadcast) and do not store.
  let o0 = wg.y * SG + lane;
  let m0 = (wg.x + wg.z * count.x) * PIXELS;

  var n: array<u32, PIXELS / SG>; // unroll
  var y0: array<i32, PIXELS / SG>; // unroll
  var x0: array<i32, PIXELS / SG>; // unroll
  for (var j = 0u; j < PIXELS / SG; j++) { // unroll
    let m = m0 + j * SG + lane;
    let row = m / p.ow;
    n[j] = row / p.oh * p.h;
    y0[j] = select(i32((row % p.oh) * p.stride) - i32(p.padTop), -65536, m >= p.pixels);
    x0[j] = i32((m % p.ow) * p.stride) - i32(p.padLeft);
  }
  let o = min(o0, p.co4 - 1u);
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      var at: array<u32, PIXELS / SG>; // unroll
      var inside: array<bool, PIXELS / SG>; // unroll
      for (var j = 0u; j < PIXELS / SG; j++) { // unroll
        let iy = u32(y0[j] + i32(ky));
        let ix = u32(x0[j] + i32(kx));
        inside[j] = iy < p.h && ix < p.w;
        at[j] = select(0u, ((n[j] + iy) * p.w + ix) * p.ci4, inside[j]);
      }
      let tap = (ky * p.kw + kx) * p.ci * p.co4;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c * 4u * p.co4;
        var v: array<vec4f, PIXELS / SG>; // unroll
        for (var j = 0u; j < PIXELS / SG; j++) { // unroll
          v[j] = select(vec4f(), x[at[j] + c], inside[j]);
        }
        let w0 = w[row + o];
        let w1 = w[min(row + p.co4 + o, last)];
        let w2 = w[min(row + 2u * p.co4 + o, last)];
        let w3 = w[min(row + 3u * p.co4 + o, last)];
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = subgroupShuffle(v[i / SG], i % SG);
          acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
        }
      }
    }
  }
  if (o0 < p.co4) {
    var bias = vec4f();
    if (BIAS == 1) { bias = b[o]; }
    let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
    for (var i = 0u; i < PIXELS; i++) { // unroll
      let at = (m0 + i) * p.co4 + o;
      if (m0 + i < p.pixels) { y[at] = select(vec4f(), finish(acc[i], bias, at), keep); }
    }
  }
}
