// The step counter moves on the GPU: one invocation, before everything else of a step.
struct Clock { step: u32, seedLow: u32, seedHigh: u32 }
@group(0) @binding(0) var<storage, read_write> clock: Clock;

@compute @workgroup_size(1)
fn main() { clock.step += 1u; }
