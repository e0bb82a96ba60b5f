// Sums over axes, rung 3 (layouts: 1_one_invocation.wgsl).
// Changed: the reduced positions are split among `splits` invocations an output, a contiguous run of them each; a
// second pass adds the splits in index order.
// Why faster: as many invocations as the adapter wants. The winner "reduce" differs in one thing: its splits are
// interleaved (every splits-th position), so that neighbouring invocations read neighbouring memory, which a GPU serves
// in one access. Here they read places far apart. A CPU rather likes that: on lavapipe this one is the faster of the
// two.
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.outputs * p.splits) { return; }
  let o = t % p.outputs;
  let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
  let count = (p.positions + p.splits - 1u) / p.splits;
  let first = t / p.outputs * count;
  let end = min(first + count, p.positions);
  var sum = vec4f();
  for (var r = first; r < end; r++) { sum += x[base + position(r)]; }
  partial[t] = sum;
}
