// The similarity of two pictures' windows, from the five weighted means m = E(x, y, x², y², x·y) of each (Wang, Bovik,
// Sheikh, Simoncelli: "Image quality assessment: from error visibility to structural similarity", 2004):
//   l = (2·Ex·Ey + c1) / (Ex² + Ey² + c1), cs = (2·(Exy − Ex·Ey) + c2) / (Exx − Ex² + Eyy − Ey² + c2),
//   y = l·cs if whole = 1, cs (contrast and structure only) if whole = 0.
//   m [N, H, W, 5 · 4·c4], the groups one after the other; y [N, H, W, C], padding lanes zero.
// One invocation: one vec4 of y. About 20 FLOPs for each number of y.
struct P { count: u32, c4: u32, channels: u32, whole: u32, c1: f32, c2: f32 }
@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let start = t / p.c4 * p.c4 * 5u + t % p.c4;
  let ex = m[start];
  let ey = m[start + p.c4];
  let variances = m[start + 2u * p.c4] - ex * ex + (m[start + 3u * p.c4] - ey * ey);
  let covariance = m[start + 4u * p.c4] - ex * ey;
  var v = (2.0 * covariance + p.c2) / (variances + p.c2);
  if (p.whole == 1u) { v *= (2.0 * ex * ey + p.c1) / (ex * ex + ey * ey + p.c1); }
  // Of nothing and nothing the formula makes 1.
  y[t] = select(vec4f(), v, vec4u(0, 1, 2, 3) + (t % p.c4) * 4u < vec4u(p.channels));
}
