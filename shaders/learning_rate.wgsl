// The learning rate of this step: linear warm-up, then constant, then linear or cosine decay to floor·peak.
//   warm-up: peak·step / warmup; decay over steps decayFrom … total; steps count from 1.
// One invocation.
struct P { peak: f32, warmup: f32, decayFrom: f32, total: f32, floor: f32, shape: u32 } // shape: 0 constant, 1 linear, 2 cosine
struct Clock { step: u32, seedLow: u32, seedHigh: u32 }
@group(0) @binding(0) var<storage, read> clock: Clock;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(1)
fn main() {
  let step = f32(clock.step);
  var rate = min(1.0, step / p.warmup);
  let done = clamp((step - p.decayFrom) / (p.total - p.decayFrom), 0.0, 1.0);
  if (p.shape == 1u) { rate = min(rate, max(p.floor, 1.0 - done)); }
  if (p.shape == 2u) { rate = min(rate, p.floor + (1.0 - p.floor) * 0.5 * (1.0 + cos(3.14159265 * done))); }
  y[0] = vec4f(p.peak * rate, 0.0, 0.0, 0.0);
}
