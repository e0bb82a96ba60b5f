// v = Bᵀ d B for every tile of x, 6×6 pixels every 4, and every channel. See winograd.ts.
// x [N, h, w, ci]; v [36, rows, ci], rows = tiles and what follows them unused. One invocation makes one vec4 of channels
// of one tile.
const SMALL: u32 = 1; // whether all invocations are fewer than 2^20

struct P { count: u32, rows: u32, h: u32, w: u32, ci4: u32, down: u32, across: u32, padTop: u32, padLeft: u32 }
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
  let tile = divide(at, p.ci4);
  let c = at - tile * p.ci4;
  let row = divide(tile, p.across);
  let image = divide(row, p.down);
  // Left of and above the picture they are beyond every extent.
  let y0 = (row - image * p.down) * 4 - p.padTop;
  let x0 = (tile - row * p.across) * 4 - p.padLeft;
  var t: array<vec4f, 36>; // unroll
  for (var j = 0u; j < 6; j++) { // unroll
    let d0 = pixel(image, y0, x0 + j, c);
    let d1 = pixel(image, y0 + 1, x0 + j, c);
    let d2 = pixel(image, y0 + 2, x0 + j, c);
    let d3 = pixel(image, y0 + 3, x0 + j, c);
    let d4 = pixel(image, y0 + 4, x0 + j, c);
    let d5 = pixel(image, y0 + 5, x0 + j, c);
    let a = d4 - 4.0 * d2;
    let b = d3 - 4.0 * d1;
    let e = d4 - d2;
    let f = 2.0 * (d3 - d1);
    t[j] = 4.0 * d0 - 5.0 * d2 + d4;
    t[6 + j] = a + b;
    t[12 + j] = a - b;
    t[18 + j] = e + f;
    t[24 + j] = e - f;
    t[30 + j] = 4.0 * d1 - 5.0 * d3 + d5;
  }
  let step = p.rows * p.ci4;
  for (var r = 0u; r < 6; r++) { // unroll
    let a = t[r * 6 + 4] - 4.0 * t[r * 6 + 2];
    let b = t[r * 6 + 3] - 4.0 * t[r * 6 + 1];
    let e = t[r * 6 + 4] - t[r * 6 + 2];
    let f = 2.0 * (t[r * 6 + 3] - t[r * 6 + 1]);
    let to = r * 6 * step + at;
    v[to] = 4.0 * t[r * 6] - 5.0 * t[r * 6 + 2] + t[r * 6 + 4];
    v[to + step] = a + b;
    v[to + 2 * step] = a - b;
    v[to + 3 * step] = e + f;
    v[to + 4 * step] = e - f;
    v[to + 5 * step] = 4.0 * t[r * 6 + 1] - 5.0 * t[r * 6 + 3] + t[r * 6 + 5];
  }
}
