// The adapter's peak: multiply-adds on registers and nothing else. y[i] = Σ_c acc_c, where each of CHAINS independent
// accumulators goes acc ← acc·a + b for p.rounds · REPEATS times, from i mod 64 + c.
//   y [invocations] vec4s. One invocation: CHAINS chains of vec4s; a chain's next step waits for the one before, so it takes
//   several to keep a processor busy, and few enough to stay in registers. FLOPs: 2·4·CHAINS·REPEATS·rounds an invocation.
// a, b and the rounds come from the uniform, so that nothing is known before it runs; what is stored keeps it from being
// left out. With a = b = 1 every step is exact: y is known to the bit.
const LANES: u32 = 64;
const CHAINS: u32 = 4;
const REPEATS: u32 = 4; // steps of each chain between two tests of the loop's end

struct P { rounds: u32, a: f32, b: f32 }
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let a = vec4f(p.a);
  let b = vec4f(p.b);
  let first = f32(id.x % 64u);
  var acc: array<vec4f, CHAINS>; // unroll
  for (var c = 0u; c < CHAINS; c++) { // unroll
    acc[c] = vec4f(first + f32(c));
  }
  for (var r = 0u; r < p.rounds; r++) {
    for (var s = 0u; s < REPEATS; s++) { // unroll
      for (var c = 0u; c < CHAINS; c++) { // unroll
        acc[c] = fma(acc[c], a, b);
      }
    }
  }
  var sum = vec4f();
  for (var c = 0u; c < CHAINS; c++) { // unroll
    sum += acc[c];
  }
  y[id.x] = sum;
}
