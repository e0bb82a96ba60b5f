// Sums over axes, first pass: partial[s][o] = Σ over every splits-th reduced position of x, from s.
//   x = value(i): dense vec4s, seen as alternating kept and reduced axes: at most two of each (neighbours of one kind are merged).
//   partial [splits][outputs] vec4s, outputs = k0·k1. The reduced positions are r = r0·rn1 + r1.
// One invocation: one (o, s). Interleaved splits, so that neighbouring invocations read neighbouring memory.
struct P {
  outputs: u32, splits: u32, positions: u32,
  kn1: u32, ks0: u32, ks1: u32,
  rn1: u32, rs0: u32, rs1: u32,
  square: u32, // 1: sums of squares
  to: u32, // where the partial sums begin
}
@group(0) @binding(0) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;
@group(0) @binding(2) var<storage, read> x0: array<vec4f>;

// A pointwise expression of several tensors may stand here instead: src/engine/ops/sum.ts writes it.
fn value(i: u32) -> vec4f { return x0[i]; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.outputs * p.splits) { return; }
  let o = t % p.outputs;
  let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
  var sum = vec4f();
  for (var r = t / p.outputs; r < p.positions; r += p.splits) {
    var at = base + r * p.rs0;
    if (p.rn1 > 1u) { at = base + r / p.rn1 * p.rs0 + r % p.rn1 * p.rs1; }
    let v = value(at);
    sum += select(v, v * v, p.square == 1u);
  }
  partial[p.to + t] = sum;
}
