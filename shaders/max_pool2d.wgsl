// y[n, i, j, c] = max x[n, i·stride + a, j·stride + b, c] over 0 ≤ a, b < size, as far as the window lies inside x.
//   x [N, h, w, C], y [N, oh, ow, C], channels padded to vec4s (c4 of them): the greatest of zeros is zero.
// One invocation: one vec4 of y, its window row by row. One comparison for each number of a window.
struct P { count: u32, h: u32, w: u32, oh: u32, ow: u32, c4: u32, size: u32, stride: u32 }
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
  let top = i * p.stride;
  let left = j * p.stride;
  let bottom = min(top + p.size, p.h);
  let right = min(left + p.size, p.w);
  // Every window begins inside of x, so there is a first number to begin with.
  var best = x[((n * p.h + top) * p.w + left) * p.c4 + c];
  for (var a = top; a < bottom; a++) {
    for (var b = left; b < right; b++) {
      let v = x[((n * p.h + a) * p.w + b) * p.c4 + c];
      best = select(best, v, v > best);
    }
  }
  y[t] = best;
}
