// v = Bᵀ d B for every tile of x, D×D pixels every M, and every channel. See winograd.ts.
// With stride S x is S×S pictures of every S-th pixel, the phases: their channels follow one another, as if x had so many.
// TRANSPOSED: y is, and for each of its phases v has numbers of their own.
// x [N, h, w, ci]; v [T·T, tiles, S·S·ci], TRANSPOSED [S·S, T·T, tiles, ci]. One invocation makes one vec4 of channels of one
// tile of one phase.
const T: u32 = 6;
const D: u32 = 6;
const M: u32 = 4;
const S: u32 = 1;
const TRANSPOSED: u32 = 0;
const R: u32 = T - M + 1;
const STEP: u32 = select(S, 1, TRANSPOSED == 1); // from one pixel of a tile to the next
// Bᵀ, T×D, row by row.
const B = array<f32, 36>(
  4, 0, -5, 0, 1, 0,
  0, -4, -4, 1, 1, 0,
  0, 4, -4, -1, 1, 0,
  0, -2, -1, 2, 1, 0,
  0, 2, -1, -2, 1, 0,
  0, 4, 0, -5, 0, 1,
);
const SMALL: u32 = 1; // whether all invocations are fewer than 2^20

struct P { count: u32, tiles: u32, h: u32, w: u32, ci4: u32, down: u32, across: u32, padTop: u32, padLeft: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> v: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

// a / d, rounded down: see conv2d_subgroup.wgsl.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

fn pixel(image: u32, y: u32, x0: u32, c: u32) -> vec4f {
  let inside = y < p.h && x0 < p.w;
  return select(vec4f(), x[select(0, ((image * p.h + y) * p.w + x0) * p.ci4 + c, inside)], inside);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * groups.x * 64;
  if (at >= p.count) { return; }
  let channel = divide(at, p.ci4);
  let c = at - channel * p.ci4;
  let phase = channel % (S * S);
  let tile = channel / (S * S);
  let row = divide(tile, p.across);
  let image = divide(row, p.down);
  // Left of and above the picture they are beyond every extent.
  var y0 = (row - image * p.down) * M;
  var x0 = (tile - row * p.across) * M;
  if (TRANSPOSED == 0) {
    y0 = y0 * S + phase / S - p.padTop;
    x0 = x0 * S + phase % S - p.padLeft;
  } else {
    y0 += (phase / S + p.padTop) / S + 1 - R;
    x0 += (phase % S + p.padLeft) / S + 1 - R;
  }
  var d: array<vec4f, D>; // unroll
  var t: array<vec4f, T * D>; // unroll
  for (var j = 0u; j < D; j++) { // unroll
    for (var k = 0u; k < D; k++) { // unroll
      d[k] = pixel(image, y0 + k * STEP, x0 + j * STEP, c);
    }
    for (var i = 0u; i < T; i++) { // unroll
      var sum = vec4f();
      for (var k = 0u; k < D; k++) { // unroll
        if (B[i * D + k] != 0) { sum += B[i * D + k] * d[k]; }
      }
      t[i * D + j] = sum;
    }
  }
  var step = p.tiles * p.ci4 * S * S;
  var to = at;
  if (TRANSPOSED == 1) {
    step = p.tiles * p.ci4;
    to = phase * T * T * step + tile * p.ci4 + c;
  }
  for (var i = 0u; i < T; i++) { // unroll
    for (var j = 0u; j < T; j++) { // unroll
      var sum = vec4f();
      for (var k = 0u; k < D; k++) { // unroll
        if (B[j * D + k] != 0) { sum += B[j * D + k] * t[i * D + k]; }
      }
      v[to + (i * T + j) * step] = sum;
    }
  }
}
