// y[n, i, j, c] = x[n, ⌊i·h / oh⌋, ⌊j·w / ow⌋, c]: the nearest neighbour of torch.nn.functional.interpolate.
//   x [N, h, w, C], y [N, oh, ow, C], channels padded to vec4s (c4 of them): padding is copied like the rest.
// One invocation: one vec4 of y. No FLOPs.
struct P { count: u32, h: u32, w: u32, oh: u32, ow: u32, c4: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let c = t % p.c4;
  let j = t / p.c4 % p.ow;
  let i = t / (p.c4 * p.ow) % p.oh;
  let n = t / (p.c4 * p.ow * p.oh);
  y[t] = x[((n * p.h + i * p.h / p.oh) * p.w + j * p.w / p.ow) * p.c4 + c];
}
