// The second pass of a sum that includes the last axis: adds splits and lanes, in index order, and lays the results out
// with their own last axis padded to vec4s.
//   partial [splits][outputs] vec4s   y: outputs in rows of `last`, each row padded to `row` floats, padding zero.
// One invocation: one float of y.
struct P { floats: u32, last: u32, row: u32, outputs: u32, splits: u32 }
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.floats) { return; }
  var sum = vec4f();
  if (i % p.row < p.last) {
    let o = i / p.row * p.last + i % p.row;
    for (var s = 0u; s < p.splits; s++) { sum += partial[s * p.outputs + o]; }
  }
  y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}
