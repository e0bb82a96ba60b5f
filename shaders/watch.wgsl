// The watch over non-finite numbers: before an update, looks at a window of the flat buffer of gradients, and at the loss,
// the learning rate and the clipping factor. If one is an infinity or a NaN, or a gradient so large that its square would
// be infinite, the clock's fault word takes the step's number, unless an earlier step is there already; optimisers do
// nothing from then on. Numbers are read as words and judged by their exponent bits, since WGSL allows compilers to assume
// that floating-point numbers are finite and to drop comparisons that tell.
//   g [count] vec4s, padding zero   loss, rate, scale: scalars, in lane 0.   One invocation: EACH vec4s of g. A CPU driver
// goes through all that follows in every invocation, its lanes masked, and with one vec4 that took most of the time.
// All writers of one step write the same number, so the result does not depend on their order.
struct P { count: u32 }
struct Clock { step: u32, seedLow: u32, seedHigh: u32, fault: atomic<u32> }
@group(0) @binding(0) var<storage, read_write> clock: Clock;
@group(0) @binding(1) var<storage, read> g: array<vec4u>;
@group(0) @binding(2) var<storage, read> loss: array<vec4u>;
@group(0) @binding(3) var<storage, read> rate: array<vec4u>;
@group(0) @binding(4) var<storage, read> scale: array<vec4u>;
@group(0) @binding(5) var<uniform> p: P;

const EACH: u32 = 8;
const EXPONENT = 0x7f800000u; // all its bits set: infinity or NaN
const LARGE = 0x5f000000u; // the exponent of 2⁶³; larger magnitudes are larger words

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let all = groups.x * groups.y * 64u;
  var bad = false;
  for (var k = 0u; k < EACH; k++) { // unroll
    bad = bad | any((g[min(i + k * all, p.count - 1u)] & vec4u(EXPONENT)) >= vec4u(LARGE));
  }
  if (i == 0u) {
    let scalars = vec3u(loss[0].x, rate[0].x, scale[0].x);
    bad = bad || any((scalars & vec3u(EXPONENT)) == vec3u(EXPONENT));
  }
  if (bad && atomicLoad(&clock.fault) == 0u) { atomicStore(&clock.fault, clock.step); }
}
