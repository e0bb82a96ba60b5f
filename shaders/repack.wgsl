// Reshape where the padding of the last axis changes: the same values in row-major order, in rows of another length.
//   x: rows of xLast values padded to xRow floats   y: rows of yLast values padded to yRow floats, padding zero.
// One invocation: one float of y.
struct P { floats: u32, xLast: u32, xRow: u32, yLast: u32, yRow: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.floats) { return; }
  var v = 0.0;
  if (i % p.yRow < p.yLast) {
    let e = i / p.yRow * p.yLast + i % p.yRow;
    v = x[e / p.xLast * p.xRow + e % p.xLast];
  }
  y[i] = v;
}
