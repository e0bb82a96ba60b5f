// The gradient of similarity, for all five means: with l, cs as there, their divisors B1 = Ex² + Ey² + c1 and
// B2 = Exx − Ex² + Eyy − Ey² + c2, and gl = g·cs, gc = g·l (whole = 1) or gl = 0, gc = g (whole = 0):
//   gEx = 2·gl·(Ey − l·Ex) / B1 + 2·gc·(cs·Ex − Ey) / B2, gEy the same with x and y exchanged,
//   gExx = gEyy = −gc·cs / B2, gExy = 2·gc / B2.
//   m, y [N, H, W, 5 · 4·c4], the groups one after the other; g [N, H, W, C], whose padding lanes, zero, make those of y.
// One invocation: one vec4 of g and the five of y. About 40 FLOPs for each number of g.
struct P { count: u32, c4: u32, whole: u32, c1: f32, c2: f32 }
@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read> g: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let start = t / p.c4 * p.c4 * 5u + t % p.c4;
  let ex = m[start];
  let ey = m[start + p.c4];
  let divisor2 = m[start + 2u * p.c4] - ex * ex + (m[start + 3u * p.c4] - ey * ey) + p.c2;
  let cs = (2.0 * (m[start + 4u * p.c4] - ex * ey) + p.c2) / divisor2;
  var gc = g[t] / divisor2;
  var gx = vec4f();
  var gy = vec4f();
  if (p.whole == 1u) {
    let divisor1 = ex * ex + ey * ey + p.c1;
    let l = (2.0 * ex * ey + p.c1) / divisor1;
    let gl = g[t] * cs / divisor1;
    gx = gl * (ey - l * ex);
    gy = gl * (ex - l * ey);
    gc *= l;
  }
  y[start] = 2.0 * (gx + gc * (cs * ex - ey));
  y[start + p.c4] = 2.0 * (gy + gc * (cs * ey - ex));
  y[start + 2u * p.c4] = -gc * cs;
  y[start + 3u * p.c4] = -gc * cs;
  y[start + 4u * p.c4] = 2.0 * gc;
}
