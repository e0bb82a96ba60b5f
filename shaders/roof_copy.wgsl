// The memory's bandwidth: y = x. Bytes: 2·16 per vec4. One invocation: UNITS vec4s, neighbours in a workgroup side by side.
const LANES: u32 = 64;
const UNITS: u32 = 1;

struct P { count: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(LANES)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let base = (group.x + group.y * groups.x) * LANES * UNITS + lane;
  for (var i = 0u; i < UNITS; i++) { // unroll
    let at = base + i * LANES;
    if (at < p.count) { y[at] = x[at]; }
  }
}
