// Random numbers from Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
//   key = seed (low, high); counter = (block, step, stream, 0); element i takes word i mod 4 of block i / 4.
//   y: rows of `last` values padded to vec4s (row4 vec4s), padding zero.
//   Uniform in [0, 1): the word's upper 24 bits.
//   Normal (Box & Muller, 1958): the word pairs (0, 1) and (2, 3) give the elements of their places, as
//   √(−2 ln u1) · (cos 2πu2, sin 2πu2) with u = (word + ½) / 2³², which is never 0: |y| < 6.77.
// One invocation: one block of four elements where rows need no padding, else up to four blocks. 10 rounds, 20 multiplies.
const NORMAL = 0; // 1: normal numbers

struct P { count: u32, last: u32, row4: u32, stream: u32 }
struct Clock { step: u32, seedLow: u32, seedHigh: u32 }
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

// The 64-bit product of two words, as (low, high), from 16-bit halves.
fn multiply(a: u32, b: u32) -> vec2u {
  let al = a & 0xffffu;
  let ah = a >> 16u;
  let bl = b & 0xffffu;
  let bh = b >> 16u;
  let low = al * bl;
  let middle = ah * bl + (low >> 16u);
  let other = al * bh + (middle & 0xffffu);
  return vec2u(a * b, ah * bh + (middle >> 16u) + (other >> 16u));
}

fn philox(block: u32) -> vec4u {
  var c = vec4u(block, clock.step, p.stream, 0u);
  var k = vec2u(clock.seedLow, clock.seedHigh);
  for (var round = 0; round < 10; round++) {
    let a = multiply(0xd2511f53u, c.x);
    let b = multiply(0xcd9e8d57u, c.z);
    c = vec4u(b.y ^ c.y ^ k.x, b.x, a.y ^ c.w ^ k.y, a.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}

// WGSL bounds the errors of cos and sin between −π and π only: the angle is half a turn less, which turns the sign.
fn gaussian(words: vec4u, e: u32) -> f32 {
  let pair = e & 2u;
  // A logarithm that errs above 0 next to u1 = 1 must not reach the root.
  let radius = sqrt(max(-2.0 * log((f32(words[pair]) + 0.5) * 2.3283064365386963e-10), 0.0));
  let angle = (f32(bitcast<i32>(words[pair + 1u] ^ 0x80000000u)) + 0.5) * 1.4629180792671596e-9;
  return -radius * select(cos(angle), sin(angle), (e & 1u) == 1u);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count) { return; }
  let row = i / p.row4;
  let lane = i % p.row4 * 4u;
  var v = vec4f();
  var block = 0xffffffffu;
  var words = vec4u();
  for (var q = 0u; q < 4u; q++) {
    if (lane + q < p.last) {
      let e = row * p.last + lane + q;
      if (e / 4u != block) {
        block = e / 4u;
        words = philox(block);
      }
      if (NORMAL == 1) {
        v[q] = gaussian(words, e % 4u);
      } else {
        v[q] = f32(words[e % 4u] >> 8u) * 5.9604644775390625e-8;
      }
    }
  }
  y[i] = v;
}
