// The numbers of an Adam update that depend on the step alone (adam.wgsl):
//   rates = (rate / (1−β1ᵗ), 1 / (1−β2ᵗ), 1 − rate·decay, 0),   t = the step, from 1
// rate is the learning rate, a scalar computed on the GPU. One invocation.
struct P { logBeta1: f32, logBeta2: f32, decay: f32 }
struct Clock { step: u32, seedLow: u32, seedHigh: u32, fault: u32 }
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read> rate: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> rates: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

// 1 − exp(x) for x ≤ 0 without cancellation near 0: 1 − β2ᵗ is .001 at the first step.
fn oneMinusExp(x: f32) -> f32 {
  if (x < -0.1) { return 1.0 - exp(x); }
  return -x * (1.0 + x * (0.5 + x * (0.16666667 + x * (0.041666667 + x * 0.0083333333))));
}

@compute @workgroup_size(1)
fn main() {
  let t = f32(clock.step);
  let lr = rate[0].x;
  rates[0] = vec4f(lr / oneMinusExp(t * p.logBeta1), 1.0 / oneMinusExp(t * p.logBeta2), 1.0 - lr * p.decay, 0.0);
}
