// Sums over axes, rung 1: a single invocation adds everything up.
//   x: dense vec4s, seen as alternating kept and reduced axes: at most two of each (neighbours of one kind are merged).
//   partial [splits][outputs] vec4s, outputs = k0·k1. The reduced positions are r = r0·rn1 + r1.
// The second pass is the op's: shaders/sum_partials.wgsl adds the splits; shaders/sum_lanes.wgsl, where the last axis
// is reduced too, adds splits and lanes. FLOPs: one for each value of x, so the roof of all rungs is reading x once.
// What a processor's single thread does, and a GPU has thousands: the yardstick for what parallel sums gain.
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

@compute @workgroup_size(1)
fn main() {
  for (var o = 0u; o < p.outputs; o++) {
    let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
    var sum = vec4f();
    for (var r = 0u; r < p.positions; r++) { sum += x[base + position(r)]; }
    partial[o] = sum;
  }
}
