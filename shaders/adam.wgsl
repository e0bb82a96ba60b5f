// Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019: decoupled decay), as torch.optim defines them, over a
// window of the flat buffers of parameters w, gradients g and moments m, v:
//   g ← g·scale;  m ← β1·m + (1−β1)·g;  v ← β2·v + (1−β2)·g²
//   w ← w·(1 − rate·decay) − rate · (m / (1−β1ᵗ)) / (√(v / (1−β2ᵗ)) + ε),   t = the step, from 1
// scale is the clipping factor, a scalar computed on the GPU; what else depends on the step comes from adam_rates.wgsl, so
// that it is computed once. One invocation: one vec4.
// Padding lanes stay zero: their g, m, v and w are zero. Bytes: 7·16 per vec4.
// Once the watch (watch.wgsl) has found a non-finite number, nothing is changed any more.
// rest1 = 1 − β1 and rest2 = 1 − β2 come rounded once: 1 − f32(.999) would be off by 1e-5.
struct P {
  count: u32,
  beta1: f32, beta2: f32, rest1: f32, rest2: f32,
  epsilon: f32,
}
struct Clock { step: u32, seedLow: u32, seedHigh: u32, fault: u32 }
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read> rates: array<vec4f>;
@group(0) @binding(2) var<storage, read> scale: array<vec4f>;
@group(0) @binding(3) var<storage, read> g: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> w: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(7) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count || clock.fault != 0u) { return; }
  let r = rates[0];
  let gi = g[i] * scale[0].x;
  let mi = p.beta1 * m[i] + p.rest1 * gi;
  let vi = p.beta2 * v[i] + p.rest2 * gi * gi;
  m[i] = mi;
  v[i] = vi;
  w[i] = w[i] * r.z - r.x * mi / (sqrt(vi * r.y) + p.epsilon);
}
