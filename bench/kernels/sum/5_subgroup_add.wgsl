// Sums over axes, rung 5 (layouts: 1_one_invocation.wgsl).
// Changed: the lanes of a subgroup meet in registers (subgroupAdd); one workgroup is one subgroup of SG lanes, so
// neither workgroup memory nor a barrier is left.
// Why faster: rung 4's six steps become one instruction or a few. The order of subgroupAdd is the driver's own, but
// always the same, so the same adapter gives the same bits.
enable subgroups;
const SG: u32 = 8;

struct P {
  outputs: u32, splits: u32, positions: u32,
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

@compute @workgroup_size(SG)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let t = wg.x + wg.y * groups.x;
  if (t >= p.outputs * p.splits) { return; }
  let o = t % p.outputs;
  let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
  var sum = vec4f();
  for (var r = t / p.outputs * SG + lane; r < p.positions; r += p.splits * SG) {
    sum += x[base + position(r)];
  }
  let total = subgroupAdd(sum);
  if (lane == 0u) { partial[t] = total; }
}
