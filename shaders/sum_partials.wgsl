// y[i] = Σ s  partial[s·stride + i], in index order: the second pass of split sums.
//   partial [splits][count] vec4s   y [count] vec4s. One invocation: one vec4.
struct P { count: u32, splits: u32 }
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count) { return; }
  var sum = vec4f();
  for (var s = 0u; s < p.splits; s++) { sum += partial[s * p.count + i]; }
  y[i] = sum;
}
