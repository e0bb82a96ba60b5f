// The second pass of a sum in many splits, for GPUs: as sum_partials.wgsl, and with LANES as sum_lanes.wgsl (layouts there).
// One workgroup: one vec4 of y, or with LANES one float. Its invocations add every INVOCATIONS-th split and then meet in
// workgroup memory: half of them add their partner's sum, then a quarter, … one. (One invocation that adds thousands of
// splits waits for memory thousands of times: 2 ms on an H200.)
const LANES: u32 = 0; // 1: the sum includes the last axis
const INVOCATIONS: u32 = 256;

struct P { floats: u32, last: u32, row: u32, outputs: u32, splits: u32 }
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> p: P;

var<workgroup> sums: array<vec4f, INVOCATIONS>;

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) li: u32) {
  let i = wg.x + wg.y * groups.x;
  var o = i;
  var used = i < p.outputs;
  if (LANES == 1) {
    o = i / p.row * p.last + i % p.row;
    used = i < p.floats && i % p.row < p.last;
  }
  var sum = vec4f();
  if (used) {
    for (var s = li; s < p.splits; s += INVOCATIONS) { sum += partial[s * p.outputs + o]; }
  }
  sums[li] = sum;
  for (var width = INVOCATIONS / 2u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (li < width) { sums[li] += sums[li + width]; }
  }
  workgroupBarrier();
  let total = sums[0];
  if (LANES == 1) {
    if (li == 0 && i < p.floats) { y[i] = (total.x + total.y) + (total.z + total.w); }
  } else if (li < 4 && i < p.outputs) {
    y[4 * i + li] = total[li];
  }
}
