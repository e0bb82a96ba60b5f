// y[n, h·r + i, w·r + j, c] = x[n, h, w, c·r² + i·r + j]   (Shi et al., 2016; the order of torch.nn.PixelShuffle)
//   x [N, H, W, C·r²], rows of channels padded to xRow floats   y [N, H·r, W·r, C], channels padded to vec4s (c4 of
//   them), padding zero.
// One invocation: one vec4 of y, from up to four floats of x that lie r² apart. No FLOPs; every number is moved once.
struct P { count: u32, width: u32, c: u32, c4: u32, r: u32, xWidth: u32, xRow: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let c = t % p.c4 * 4u;
  let column = t / p.c4 % p.width;
  // Of all pictures together: a picture's height is a multiple of r.
  let row = t / (p.c4 * p.width);
  let within = row % p.r * p.r + column % p.r;
  let start = (row / p.r * p.xWidth + column / p.r) * p.xRow + within;
  var v = vec4f();
  for (var lane = 0u; lane < min(4u, p.c - c); lane++) { v[lane] = x[start + (c + lane) * p.r * p.r]; }
  y[t] = v;
}
