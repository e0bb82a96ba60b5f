// The watch over non-finite numbers: before an update, looks at the loss and at a window of the flat buffer of gradients.
// If any has all exponent bits set (infinity or NaN), the clock's fault word takes the step's number, unless an earlier
// step is there already; optimisers do nothing from then on. The numbers are read as words, since WGSL allows compilers to
// assume that floating-point numbers are finite and to drop comparisons that tell.
//   g [count] vec4s, padding zero   loss: a scalar, in lane 0.   One invocation: one vec4 of g. Bytes: 16 a vec4.
// All writers of one step write the same number, so the result does not depend on their order.
struct P { count: u32 }
struct Clock { step: u32, seedLow: u32, seedHigh: u32, fault: atomic<u32> }
@group(0) @binding(0) var<storage, read_write> clock: Clock;
@group(0) @binding(1) var<storage, read> g: array<vec4u>;
@group(0) @binding(2) var<storage, read> loss: array<vec4u>;
@group(0) @binding(3) var<uniform> p: P;

const EXPONENT = 0x7f800000u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count) { return; }
  var bad = any((g[i] & vec4u(EXPONENT)) == vec4u(EXPONENT));
  if (i == 0u) { bad = bad || (loss[0].x & EXPONENT) == EXPONENT; }
  if (bad && atomicLoad(&clock.fault) == 0u) { atomicStore(&clock.fault, clock.step); }
}
