// y[n, i, j, c] = Σ taps[a, b] · x[n, i·sh + a − ph, j·sw + b − pw, c] over a < kh, b < kw; x is 0 outside of itself.
//   x [N, h, w, C], y [N, oh, ow, C], channels padded to vec4s (c4 of them), zero in x and so in y; taps [kh][kw] floats.
// One invocation: one vec4 of y, id.z = n, id.y = i, id.x = j·c4 + c, over the taps that meet x, row by row.
// 2·kh·kw FLOPs for each number of y.
struct P {
  c4: i32, h: i32, w: i32, oh: i32, ow: i32,
  kh: i32, kw: i32, sh: i32, sw: i32, ph: i32, pw: i32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> taps: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = vec3i(id);
  if (at.x >= p.ow * p.c4) { return; }
  let j = at.x / p.c4;
  let left = j * p.sw - p.pw;
  let top = at.y * p.sh - p.ph;
  let lastRow = min(p.kh, p.h - top);
  let lastColumn = min(p.kw, p.w - left);
  var v = vec4f();
  for (var a = max(0, -top); a < lastRow; a++) {
    let row = ((at.z * p.h + top + a) * p.w + left - j) * p.c4 + at.x;
    for (var b = max(0, -left); b < lastColumn; b++) {
      v += taps[a * p.kw + b] * x[row + b * p.c4];
    }
  }
  y[(at.z * p.oh + at.y) * p.ow * p.c4 + at.x] = v;
}
