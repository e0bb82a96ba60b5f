// The roof of arithmetic: CHAINS independent sums a = a·k + c in registers, `steps` times, and no memory but the
// result.
//   y [invocations] vec4s. One invocation: CHAINS vec4s, summed up at the end so that none can be left out.
// FLOPs: 2·4·CHAINS·steps·invocations. Several chains hide the latency of an FMA; too many spill out of the registers:
// roof.ts takes the best of a few counts. The loop's bound is a uniform, so that no compiler unrolls or solves it.
const CHAINS: u32 = 8;

struct P { steps: u32, k: f32, c: f32 }
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = vec4f(p.k);
  let c = vec4f(p.c);
  var a: array<vec4f, CHAINS>; // unroll
  for (var i = 0u; i < CHAINS; i++) { // unroll
    a[i] = vec4f(0.0, 1.0, 2.0, 3.0) + f32(i) + f32(id.x % 8u);
  }
  for (var s = 0u; s < p.steps; s++) {
    for (var i = 0u; i < CHAINS; i++) { // unroll
      a[i] = fma(a[i], k, c);
    }
  }
  var sum = vec4f();
  for (var i = 0u; i < CHAINS; i++) { // unroll
    sum += a[i];
  }
  y[id.x] = sum;
}
