// u = G w Gᵀ for every pair of channels: the T×T numbers by which winograd_input's are multiplied. See winograd.ts.
// w [K, K, ci, co] as conv2d has weights, or TRANSPOSED: [K, K, co, ci] as convTranspose2d has them, turned by 180°. Of the
// S·R × S·R taps that the phases have those beyond K are zero.
// u [T·T, S·S·4·ci4, co], input channels as winograd_input numbers them, TRANSPOSED [S·S, T·T, 4·ci4, co]. One invocation
// makes one vec4 of output channels for one input channel of one phase.
const T: u32 = 6;
const R: u32 = 3;
const S: u32 = 1;
const K: u32 = 3; // up to S · R
// Row by row.
const G = array<f32, 18>(
  0.25, 0, 0,
  -1.0 / 6, -1.0 / 6, -1.0 / 6,
  -1.0 / 6, 1.0 / 6, -1.0 / 6,
  1.0 / 24, 1.0 / 12, 1.0 / 6,
  1.0 / 24, -1.0 / 12, 1.0 / 6,
  0, 0, 1,
);
const TRANSPOSED: u32 = 0;

struct P { count: u32, ci: u32, ci4: u32, co: u32, co4: u32, padTop: u32, padLeft: u32 }
@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

// Tap ky, kx of a phase.
fn weight(phase: u32, ky: u32, kx: u32, c: u32, o: u32) -> vec4f {
  var tapY = ky * S + phase / S;
  var tapX = kx * S + phase % S;
  if (TRANSPOSED == 1) {
    tapY = (R - 1 - ky) * S + (phase / S + p.padTop) % S;
    tapX = (R - 1 - kx) * S + (phase % S + p.padLeft) % S;
  }
  if (tapY >= K || tapX >= K) { return vec4f(); }
  if (TRANSPOSED == 0) { return w[((tapY * K + tapX) * p.ci + c) * p.co4 + o]; }
  var v: vec4f;
  for (var i = 0u; i < 4; i++) { // unroll
    let row = min(o * 4 + i, p.co - 1);
    v[i] = w[((tapY * K + tapX) * p.co + row) * p.ci4 + c / 4][c % 4];
  }
  return select(vec4f(), v, vec4u(0, 1, 2, 3) + o * 4 < vec4u(p.co));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * groups.x * 64;
  if (at >= p.count) { return; }
  let channel = at / p.co4;
  let o = at % p.co4;
  let phase = channel / (p.ci4 * 4);
  let c = channel % (p.ci4 * 4);
  // What fills the last vec4 of input channels is multiplied by zeros, and must be finite.
  let own = min(c, p.ci - 1);
  var g: array<vec4f, R>; // unroll
  var t: array<vec4f, T * R>; // unroll
  for (var j = 0u; j < R; j++) { // unroll
    for (var k = 0u; k < R; k++) { // unroll
      g[k] = weight(phase, k, j, own, o);
    }
    for (var i = 0u; i < T; i++) { // unroll
      var sum = vec4f();
      for (var k = 0u; k < R; k++) { // unroll
        if (G[i * R + k] != 0) { sum += G[i * R + k] * g[k]; }
      }
      t[i * R + j] = sum;
    }
  }
  var step = p.count;
  var to = at;
  if (TRANSPOSED == 1) {
    step = p.count / (S * S);
    to += phase * (T * T - 1) * step;
  }
  for (var i = 0u; i < T; i++) { // unroll
    for (var j = 0u; j < T; j++) { // unroll
      var sum = vec4f();
      for (var k = 0u; k < R; k++) { // unroll
        if (G[j * R + k] != 0) { sum += G[j * R + k] * t[i * R + k]; }
      }
      u[to + (i * T + j) * step] = sum;
    }
  }
}
