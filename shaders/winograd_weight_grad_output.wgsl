// gw = Gᵀ m G: R×R taps of a phase from the T×T products of winograd_weight_grad. See winograd.ts.
// m [S·S, T·T, ci, co]; gw [kh, kw, ci, co], of S×S phases, every S-th tap. One invocation makes one vec4 of y's channels for
// one of x's and one phase.
const T: u32 = 6;
const R: u32 = 3;
const S: u32 = 1;
// Gᵀ, row by row.
const G = array<f32, 18>(
  0.25, -1.0 / 6, -1.0 / 6, 1.0 / 24, 1.0 / 24, 0,
  0, -1.0 / 6, 1.0 / 6, 1.0 / 12, -1.0 / 12, 0,
  0, -1.0 / 6, -1.0 / 6, 1.0 / 6, 1.0 / 6, 1,
);
const SMALL: u32 = 1; // whether all invocations are fewer than 2^20

struct P { count: u32, kh: u32, kw: u32, ci: u32, co: u32, co4: u32 }
@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> gw: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

// a / d, rounded down: see conv2d_subgroup.wgsl.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * groups.x * 64;
  if (at >= p.count) { return; }
  // By pairs of channels, then phases.
  let step = p.ci * p.co4;
  let phase = divide(at, step);
  let pair = at - phase * step;
  let start = phase * T * T * step + pair;
  var d: array<vec4f, T>; // unroll
  var t: array<vec4f, R * T>; // unroll
  for (var j = 0u; j < T; j++) { // unroll
    for (var k = 0u; k < T; k++) { // unroll
      d[k] = m[start + (k * T + j) * step];
    }
    for (var i = 0u; i < R; i++) { // unroll
      var sum = vec4f();
      for (var k = 0u; k < T; k++) { // unroll
        if (G[i * T + k] != 0) { sum += G[i * T + k] * d[k]; }
      }
      t[i * T + j] = sum;
    }
  }
  let keep = vec4u(0, 1, 2, 3) + pair % p.co4 * 4 < vec4u(p.co);
  for (var i = 0u; i < R; i++) { // unroll
    for (var j = 0u; j < R; j++) { // unroll
      let tapY = i * S + phase / S;
      let tapX = j * S + phase % S;
      if (tapY < p.kh && tapX < p.kw) {
        var sum = vec4f();
        for (var k = 0u; k < T; k++) { // unroll
          if (G[j * T + k] != 0) { sum += G[j * T + k] * t[i * T + k]; }
        }
        gw[(tapY * p.kw + tapX) * step + pair] = select(vec4f(), sum, keep);
      }
    }
  }
}
