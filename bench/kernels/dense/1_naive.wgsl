// y = x·w, a dense layer or any matrix product; rung 1: the formula, as it is written.
//   x [N][in]   w [in][out]   y [N][out]      (last axis padded to vec4s; padding is zero)
//   y[n,o] = Σ i  x[n,i] · w[i,o]
// One invocation: one float of y; neighbours lie along the outputs. FLOPs: 2·N·in·out.
struct P { n: u32, inputs: u32, in4: u32, out4: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let j = id.x + id.y * groups.x * 64u;
  let width = p.out4 * 4u;
  let o = j % width;
  let n = j / width;
  if (n >= p.n) { return; }
  var sum = 0.0;
  for (var i = 0u; i < p.inputs; i++) { sum = fma(x[n * p.in4 * 4u + i], w[i * width + o], sum); }
  y[j] = sum; // padding lanes: those of w are zero
}
