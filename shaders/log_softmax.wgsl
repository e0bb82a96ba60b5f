// y[n][k] = x[n][k] − max_j x[n][j] − log Σ_j exp(x[n][j] − max_j x[n][j])
//   x, y [N][K], rows padded to `row` floats, padding of y zero. The sum holds exp(0) = 1: never 0, never an overflow.
// One invocation: one row, read three times in index order; meant for few classes. FLOPs: about 5·N·K.
struct P { rows: u32, classes: u32, row: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let n = id.x + id.y * groups.x * 64u;
  if (n >= p.rows) { return; }
  let start = n * p.row;
  var greatest = x[start];
  for (var k = 1u; k < p.classes; k++) { greatest = max(greatest, x[start + k]); }
  var sum = 0.0;
  for (var k = 0u; k < p.classes; k++) { sum += exp(x[start + k] - greatest); }
  let rest = log(sum);
  for (var k = 0u; k < p.row; k++) { y[start + k] = select(0.0, x[start + k] - greatest - rest, k < p.classes); }
}
