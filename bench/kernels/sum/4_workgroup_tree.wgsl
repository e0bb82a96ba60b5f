// Sums over axes, rung 4 (layouts: 1_one_invocation.wgsl): the textbook's reduction.
// Changed: a workgroup for each (output, split). Its 64 invocations sum interleaved positions and then meet in
// workgroup memory: 32 add their partner's sum, then 16, … one (6 steps and barriers).
// Why faster: 64 invocations an output with one vec4 of partial sums written, not 64: the second pass is 64 times
// shorter. Good where many lanes share fast memory (GPUs). On a CPU each of the barriers stops the driver's loop over
// the lanes, and where outputs are many (sums over the batch) a workgroup for each is far too much.
struct P {
  outputs: u32, splits: u32, positions: u32,
  kn1: u32, ks0: u32, ks1: u32,
  rn1: u32, rs0: u32, rs1: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

var<workgroup> sums: array<vec4f, 64>;

// Where the r-th reduced position lies. (A division is dear on a CPU, and most sums need none.)
fn position(r: u32) -> u32 {
  if (p.rn1 > 1u) { return r / p.rn1 * p.rs0 + r % p.rn1 * p.rs1; }
  return r * p.rs0;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let t = wg.x + wg.y * groups.x;
  if (t >= p.outputs * p.splits) { return; }
  let o = t % p.outputs;
  let base = o / p.kn1 * p.ks0 + o % p.kn1 * p.ks1;
  var sum = vec4f();
  for (var r = t / p.outputs * 64u + li; r < p.positions; r += p.splits * 64u) {
    sum += x[base + position(r)];
  }
  sums[li] = sum;
  for (var width = 32u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (li < width) { sums[li] += sums[li + width]; }
  }
  if (li == 0u) { partial[t] = sums[0]; }
}
