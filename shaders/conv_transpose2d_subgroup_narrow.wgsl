// y = activation(convTranspose2d(x, w) + b), as conv_transpose2d.wgsl (formula, layouts, phases, uniform), in the style
// that CPU adapters like, for few output channels (see conv2d_subgroup_narrow.wgsl).
// One subgroup: SG·PIXELS pixels of one phase × all BLOCKS vec4s of output channels; lanes along the pixels.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 4;
const BLOCKS: u32 = 4;
const LOADS: u32 = 2; // 4·BLOCKS / SG, rounded up
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

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let phaseY = wg.z / p.stride;
  let phaseX = wg.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let pixels = p.batch * qh * qw;
  let m0 = (wg.x + wg.y * count.x) * SG * PIXELS + lane;

  var n: array<u32, PIXELS>; // unroll
  var y0: array<i32, PIXELS>; // unroll
  var x0: array<i32, PIXELS>; // unroll
  let ky0 = (phaseY + p.padTop) % p.stride;
  let kx0 = (phaseX + p.padLeft) % p.stride;
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i * SG;
    let row = m / qw;
    n[i] = row / qh * p.h;
    y0[i] = select(i32((row % qh * p.stride + phaseY + p.padTop) / p.stride), -65536, m >= pixels);
    x0[i] = i32((m % qw * p.stride + phaseX + p.padLeft) / p.stride);
  }
  var acc: array<vec4f, PIXELS * BLOCKS>; // unroll
  for (var i = 0u; i < PIXELS * BLOCKS; i++) { // unroll
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = ky0; ky < p.kh; ky += p.stride) {
    for (var kx = kx0; kx < p.kw; kx += p.stride) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let iy = u32(y0[i] - i32(ky / p.stride));
        let ix = u32(x0[i] - i32(kx / p.stride));
        inside[i] = iy < p.h && ix < p.w;
        at[i] = select(0u, ((n[i] + iy) * p.w + ix) * p.ci4, inside[i]);
      }
      let tap = (ky * p.kw + kx) * p.co;
      for (var c = 0u; c < p.ci4; c++) {
        // Weight k of this step belongs to output channel k.
        var own: array<vec4f, LOADS>; // unroll
        for (var j = 0u; j < LOADS; j++) { // unroll
          own[j] = w[min((tap + j * SG + lane) * p.ci4 + c, last)];
        }
        var r: array<vec4f, 4 * BLOCKS>; // unroll
        for (var k = 0u; k < 4 * BLOCKS; k++) { // unroll
          r[k] = subgroupShuffle(own[k / SG], k % SG);
        }
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = select(vec4f(), x[at[i] + c], inside[i]);
          for (var o = 0u; o < BLOCKS; o++) { // unroll
            // Turned so that the four outputs lie in one vec4.
            let w0 = vec4f(r[o * 4 + 0].x, r[o * 4 + 1].x, r[o * 4 + 2].x, r[o * 4 + 3].x);
            let w1 = vec4f(r[o * 4 + 0].y, r[o * 4 + 1].y, r[o * 4 + 2].y, r[o * 4 + 3].y);
            let w2 = vec4f(r[o * 4 + 0].z, r[o * 4 + 1].z, r[o * 4 + 2].z, r[o * 4 + 3].z);
            let w3 = vec4f(r[o * 4 + 0].w, r[o * 4 + 1].w, r[o * 4 + 2].w, r[o * 4 + 3].w);
            acc[o * PIXELS + i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[o * PIXELS + i]))));
          }
        }
      }
    }
  }
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i * SG;
    if (m < pixels) {
      let row = m / qw;
      let pixel = (row / qh * p.oh + row % qh * p.stride + phaseY) * p.ow + m % qw * p.stride + phaseX;
      for (var o = 0u; o < BLOCKS; o++) { // unroll
        var bias = vec4f();
        if (BIAS == 1) { bias = b[o]; }
        let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
        let at = pixel * p.co4 + o;
        y[at] = select(vec4f(), finish(acc[o * PIXELS + i], bias, at), keep);
      }
    }
  }
}
