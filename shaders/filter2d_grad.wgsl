// The adjoint of filter2d: y[n, i, j, c] = Σ taps[i + ph − k·sh, j + pw − l·sw] · x[n, k, l, c], over all k < h, l < w with
// an entry of taps. A gather: k runs from ⌈(i + ph − kh + 1) / sh⌉ to ⌊(i + ph) / sh⌋ within x, and l alike.
//   x [N, h, w, C], y [N, oh, ow, C], channels padded to vec4s (c4 of them), zero in x and so in y; taps [kh][kw] floats.
// One invocation: one vec4 of y, id.z = n, id.y = i, id.x = j·c4 + c. 2·kh·kw FLOPs for each number of x.
struct P {
  c4: i32, h: i32, w: i32, oh: i32, ow: i32,
  kh: i32, kw: i32, sh: i32, sw: i32, ph: i32, pw: i32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> taps: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

// The first window that ends behind `place`.
fn first(place: i32, k: i32, s: i32) -> i32 { return max(0, place - k + s) / s; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = vec3i(id);
  if (at.x >= p.ow * p.c4) { return; }
  let c = at.x % p.c4;
  let column = at.x / p.c4 + p.pw;
  let row = at.y + p.ph;
  let lastRow = min(p.h - 1, row / p.sh);
  let firstColumn = first(column, p.kw, p.sw);
  let lastColumn = min(p.w - 1, column / p.sw);
  var v = vec4f();
  for (var k = first(row, p.kh, p.sh); k <= lastRow; k++) {
    let tap = (row - k * p.sh) * p.kw + column;
    let start = (at.z * p.h + k) * p.w;
    for (var l = firstColumn; l <= lastColumn; l++) {
      v += taps[tap - l * p.sw] * x[(start + l) * p.c4 + c];
    }
  }
  y[(at.z * p.oh + at.y) * p.ow * p.c4 + at.x] = v;
}
