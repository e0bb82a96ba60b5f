// How far the gradient of an adversary is turned round at this step (Ganin & Lempitsky, 2015):
//   2 / (1 + exp(−10 q)) − 1,   q = (step − start) / (total − start), limited to 0 … 1; steps count from 1
// One invocation.
struct P { start: f32, total: f32 }
struct Clock { step: u32, seedLow: u32, seedHigh: u32 }
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(1)
fn main() {
  let q = clamp((f32(clock.step) - p.start) / (p.total - p.start), 0.0, 1.0);
  // The formula as one quotient, which is 0 at q = 0 whatever the adapter's division.
  let e = exp(-10.0 * q);
  y[0] = vec4f((1.0 - e) / (1.0 + e), 0.0, 0.0, 0.0);
}
