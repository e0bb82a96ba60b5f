// Sums over axes, rung 2 (layouts: 1_one_invocation.wgsl).
// Changed: one invocation for each vec4 of outputs.
// Why faster: outputs are independent. Nothing is gained for a sum over everything (one output), and for a bias
// gradient (a few vec4s of channels) still only a few lanes work.
struct P {
  outputs: u32, positions: u32,
  kn1: u32, ks0: u32, ks1: u32,
  rn1: u32, rs0: u32, rs1: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

// Where the r-th reduced position lies. (A division is dear on a CPU, and most sums need none.)
fn position(r: u32) -> u32 {
  if (p.rn1 > 1u) { return r / p.rn1 * p.rs0 + r % p.rn1 * p.rs1; }
  return r * p.rs0;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let o = id.x + id.y * groups.x * 64u;
  if (o >= p.outputs) { return; }
  let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
  var sum = vec4f();
  for (var r = 0u; r < p.positions; r++) { sum += x[base + position(r)]; }
  partial[o] = sum;
}
