// y[n, h, w, c·r² + i·r + j] = x[n, h·r + i, w·r + j, c]   (the order of torch.nn.PixelUnshuffle)
//   x [N, H·r, W·r, C], rows of channels padded to xRow floats   y [N, H, W, C·r²], channels padded to vec4s (c4 of
//   them), padding zero.
// One invocation: one vec4 of y, from up to four floats of x. No FLOPs; every number is moved once.
struct P { count: u32, width: u32, c: u32, c4: u32, r: u32, xWidth: u32, xRow: u32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let first = t % p.c4 * 4u;
  let column = t / p.c4 % p.width;
  let row = t / (p.c4 * p.width); // of all pictures together
  var v = vec4f();
  for (var lane = 0u; lane < min(4u, p.c - first); lane++) {
    let k = first + lane;
    let i = k / p.r % p.r;
    let j = k % p.r;
    v[lane] = x[((row * p.r + i) * p.xWidth + column * p.r + j) * p.xRow + k / (p.r * p.r)];
  }
  y[t] = v;
}
