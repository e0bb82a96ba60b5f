// m[n, i, j] = Σ taps[a, b] · (x, y, x², y², x·y)[n, i·sh + a, j·sw + b], five groups of channels one after the other.
//   x, y [N, h, w, C], channels padded to vec4s (c4 of them); m [N, oh, ow, 5 · 4·c4]: each group has x's padding, zero;
//   taps [kh][kw] floats.
// One invocation: one vec4 of each group, id.z = n, id.y = i, id.x = j·c4 + c, over the taps row by row.
// 13·kh·kw FLOPs for each channel of a window.
struct P { c4: u32, h: u32, w: u32, oh: u32, ow: u32, kh: u32, kw: u32, sh: u32, sw: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> taps: array<f32>;
@group(0) @binding(3) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.ow * p.c4) { return; }
  let j = id.x / p.c4;
  let c = id.x - j * p.c4;
  var ex = vec4f();
  var ey = vec4f();
  var exx = vec4f();
  var eyy = vec4f();
  var exy = vec4f();
  for (var a = 0u; a < p.kh; a++) {
    var at = ((id.z * p.h + id.y * p.sh + a) * p.w + j * p.sw) * p.c4 + c;
    for (var b = 0u; b < p.kw; b++) {
      let tap = taps[a * p.kw + b];
      let u = x[at];
      let v = y[at];
      ex += tap * u;
      ey += tap * v;
      exx += tap * (u * u);
      eyy += tap * (v * v);
      exy += tap * (u * v);
      at += p.c4;
    }
  }
  let to = ((id.z * p.oh + id.y) * p.ow + j) * p.c4 * 5u + c;
  m[to] = ex;
  m[to + p.c4] = ey;
  m[to + 2u * p.c4] = exx;
  m[to + 3u * p.c4] = eyy;
  m[to + 4u * p.c4] = exy;
}
