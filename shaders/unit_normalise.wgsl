// y[r, c] = x[r, c] / (√Σₖ x[r, k]² + epsilon): each pixel's channels as a vector of length about 1.
//   x, y: rows of C floats padded to vec4s (c4 of them); padding of x is zero, so it adds nothing and stays zero.
// One invocation: one row, read twice in index order. FLOPs: 3 for each number.
struct P { rows: u32, c4: u32, epsilon: f32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let r = id.x + id.y * groups.x * 64u;
  if (r >= p.rows) { return; }
  let start = r * p.c4;
  var squares = vec4f();
  for (var c = 0u; c < p.c4; c++) { squares += x[start + c] * x[start + c]; }
  let length = sqrt((squares.x + squares.y) + (squares.z + squares.w)) + p.epsilon;
  for (var c = 0u; c < p.c4; c++) { y[start + c] = x[start + c] / length; }
}
