// The gradient of unit_normalise. With the norm n = √Σₖ xₖ² of a row and d = n + epsilon:
//   gx[c] = (gy[c] − x[c] / d · (Σₖ gy[k]·x[k]) / n) / d, and 0 in a row whose n is 0.
//   x, gy, gx: rows of C floats padded to vec4s (c4 of them); padding of x and gy is zero, and so is that of gx.
// One invocation: one row, read twice in index order. FLOPs: 8 for each number.
struct P { rows: u32, c4: u32, epsilon: f32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> gy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gx: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let r = id.x + id.y * groups.x * 64u;
  if (r >= p.rows) { return; }
  let start = r * p.c4;
  var squares = vec4f();
  var products = vec4f();
  for (var c = 0u; c < p.c4; c++) {
    squares += x[start + c] * x[start + c];
    products += gy[start + c] * x[start + c];
  }
  let n = sqrt((squares.x + squares.y) + (squares.z + squares.w));
  if (n == 0.0) {
    for (var c = 0u; c < p.c4; c++) { gx[start + c] = vec4f(); }
    return;
  }
  let d = n + p.epsilon;
  // Divided one after the other: n·d² of a short vector is below the smallest f32.
  let along = ((products.x + products.y) + (products.z + products.w)) / n;
  for (var c = 0u; c < p.c4; c++) { gx[start + c] = (gy[start + c] - x[start + c] / d * along) / d; }
}
