// y[j][i] = x[i][j]
//   x [rows][columns], rows padded to xRow floats   y [columns][rows], its rows padded to vec4s (yRow4 of them), padding zero.
// One invocation: one vec4 of y, from four rows of x. Neighbouring invocations read neighbouring columns of x, which lie
// side by side; what they write is yRow4 vec4s apart. No FLOPs; every number is read and written once.
struct P { count: u32, rows: u32, columns: u32, xRow: u32, yRow4: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let j = t % p.columns;
  let block = t / p.columns;
  var v = vec4f();
  for (var lane = 0u; lane < min(4u, p.rows - block * 4u); lane++) { v[lane] = x[(block * 4u + lane) * p.xRow + j]; }
  y[j * p.yRow4 + block] = v;
}
