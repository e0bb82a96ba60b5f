// A dispatch that does nothing, for what launching one takes. It could write y, so each waits for the one before, as the
// dispatches of a step do. One invocation.
struct P { write: u32 }
@group(0) @binding(0) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(1) var<uniform> p: P;

@compute @workgroup_size(1)
fn main() {
  if (p.write != 0u) { y[0] = vec4f(); }
}
