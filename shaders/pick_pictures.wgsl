// Takes pictures out of a set kept as 8-bit: y[n] = pictures[⌊u[n]·count⌋] / 255.
//   pictures [count][pixels] u32: red in the lowest byte, green, blue, 0   u [N][1]: uniform in [0, 1)
//   y [N][pixels] vec4: red, green, blue in [0, 1], 0. One invocation: one pixel of one picture.
struct P { pixels: u32, count: u32 }
@group(0) @binding(0) var<storage, read> pictures: array<u32>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.pixels) { return; }
  let picture = min(u32(u[id.y].x * f32(p.count)), p.count - 1u);
  let v = unpack4x8unorm(pictures[picture * p.pixels + id.x]);
  y[id.y * p.pixels + id.x] = vec4f(v.xyz, 0.0);
}
