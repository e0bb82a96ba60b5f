// The gradient of pair_means for one of its operands: y[n, i, j] = G₁ + 2·a·G₂ + b·G₅ there, where a is the operand, b the
// other one, and G₁, G₂, G₅ are the sums Σ taps[i − k·sh, j − l·sw] · g[n, k, l] over all windows k < h, l < w that hold the
// pixel, of the groups of g that belong to the operand, to its square and to the product. A gather: k runs from
// ⌈(i − kh + 1) / sh⌉ to ⌊i / sh⌋ within g, and l alike.
//   a, b, y [N, oh, ow, C], channels padded to vec4s (c4 of them); g [N, h, w, 5 · 4·c4]; taps [kh][kw] floats.
// One invocation: one vec4 of y, id.z = n, id.y = i, id.x = j·c4 + c, over the windows row by row. `operand`: 0 for the
// first, 1 for the second. 6·kh·kw FLOPs for each channel of a window.
struct P { c4: i32, h: i32, w: i32, oh: i32, ow: i32, kh: i32, kw: i32, sh: i32, sw: i32, operand: i32, channels: u32 }
@group(0) @binding(0) var<storage, read> g: array<vec4f>;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> taps: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(5) var<uniform> p: P;

// The first window that ends behind `place`.
fn first(place: i32, k: i32, s: i32) -> i32 { return max(0, place - k + s) / s; }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let at = vec3i(id);
  if (at.x >= p.ow * p.c4) { return; }
  let j = at.x / p.c4;
  let c = at.x - j * p.c4;
  let own = c + p.operand * p.c4;
  let cross = (4 - p.operand) * p.c4;
  let lastRow = min(p.h - 1, at.y / p.sh);
  let firstColumn = first(j, p.kw, p.sw);
  let lastColumn = min(p.w - 1, j / p.sw);
  var g1 = vec4f();
  var g2 = vec4f();
  var g5 = vec4f();
  for (var k = first(at.y, p.kh, p.sh); k <= lastRow; k++) {
    let row = (at.y - k * p.sh) * p.kw + j;
    let start = (at.z * p.h + k) * p.w;
    for (var l = firstColumn; l <= lastColumn; l++) {
      let tap = taps[row - l * p.sw];
      let group = (start + l) * p.c4 * 5 + own;
      g1 += tap * g[group];
      g2 += tap * g[group + 2 * p.c4];
      g5 += tap * g[group + cross];
    }
  }
  let to = (at.z * p.oh + at.y) * p.ow * p.c4 + at.x;
  let v = g1 + 2.0 * a[to] * g2 + b[to] * g5;
  // The groups' own zeros are values like any other, and may have gradients.
  y[to] = select(vec4f(), v, vec4u(0, 1, 2, 3) + u32(c) * 4u < vec4u(p.channels));
}
