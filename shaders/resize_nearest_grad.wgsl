// The adjoint of resize_nearest: y[n, i, j, c] = Σ x[n, a, b, c] over all a, b with ⌊a·oh / h⌋ = i and ⌊b·ow / w⌋ = j.
// Those are whole ranges: a from ⌈i·h / oh⌉ to below ⌈(i + 1)·h / oh⌉, maybe empty, and b alike.
//   x [N, h, w, C], y [N, oh, ow, C], channels padded to vec4s (c4 of them), zero in x and so in y.
// One invocation: one vec4 of y, row by row. One addition for each number of x.
struct P { count: u32, h: u32, w: u32, oh: u32, ow: u32, c4: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

fn ceiling(a: u32, b: u32) -> u32 { return (a + b - 1u) / b; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let c = t % p.c4;
  let j = t / p.c4 % p.ow;
  let i = t / (p.c4 * p.ow) % p.oh;
  let n = t / (p.c4 * p.ow * p.oh);
  let lastRow = ceiling((i + 1u) * p.h, p.oh);
  let lastColumn = ceiling((j + 1u) * p.w, p.ow);
  var v = vec4f();
  for (var a = ceiling(i * p.h, p.oh); a < lastRow; a++) {
    for (var b = ceiling(j * p.w, p.ow); b < lastColumn; b++) {
      v += x[((n * p.h + a) * p.w + b) * p.c4 + c];
    }
  }
  y[t] = v;
}
