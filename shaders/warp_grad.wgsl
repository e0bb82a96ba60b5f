// The gradient of warp for its pictures, its adjoint, as a gather: gx[n, r, s, c] = Σ gy[n, i, j, c] · how much of pixel
// (r, s) is in pixel (i, j) of the warped picture, which is max(0, 1 − |row − r|) · max(0, 1 − |column − s|) for the place
// (row, column) that (i, j) was taken from.
//   gy, gx [N, h, w, C], channels padded to vec4s (c4 of them), zero in gy and so in gx; grid as in warp.wgsl.
// No pixel is taken from further away than the picture's largest displacement, so only those within it, and two pixels
// more, are looked at: one between pixels, one for rounding.
// One invocation: one vec4 of gx, id.z = n, id.y = r, id.x = s·c4 + c, over (i, j) row by row.
// 36 FLOPs for each (i, j) looked at, 2 for each number added.
struct P { c4: u32, h: u32, w: u32 }
@group(0) @binding(0) var<storage, read> gy: array<vec4f>;
@group(0) @binding(1) var<storage, read> grid: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gx: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

const POINTS = 5u;

// As in warp.wgsl.
fn origin(n: u32, i: u32, j: u32) -> vec2f {
  let extent = vec2u(p.h, p.w);
  // The pixel's centre is (i + 1/2) · 4 / h control points from the border. In whole numbers, so that the cell is exact.
  let at = vec2u(i, j) * 4u + 2u;
  let cell = at / extent;
  let within = vec2f(at % extent) / vec2f(extent);
  let first = (n * POINTS + cell.x) * POINTS + cell.y;
  let above = mix(grid[first].xy, grid[first + 1].xy, within.y);
  let below = mix(grid[first + POINTS].xy, grid[first + POINTS + 1].xy, within.y);
  return clamp(vec2f(vec2u(i, j)) + mix(above, below, within.x), vec2f(), vec2f(extent - 1u));
}

// How many pixels away, down and across, there may be some that were taken from a pixel of picture n.
fn reach(n: u32) -> vec2i {
  var most = vec2f();
  for (var k = 0u; k < POINTS * POINTS; k++) {
    most = max(most, abs(grid[n * POINTS * POINTS + k].xy));
  }
  return vec2i(min(most, vec2f(vec2u(p.h, p.w)))) + 2;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.w * p.c4) { return; }
  let own = vec2u(id.y, id.x / p.c4);
  let c = id.x % p.c4;
  let far = reach(id.z);
  let first = vec2u(max(vec2i(own) - far, vec2i()));
  let end = min(own + vec2u(far) + 1u, vec2u(p.h, p.w));
  var g = vec4f();
  for (var i = first.x; i < end.x; i++) {
    for (var j = first.y; j < end.y; j++) {
      let share = max(1 - abs(origin(id.z, i, j) - vec2f(own)), vec2f());
      let weight = share.x * share.y;
      if (weight > 0) { g += weight * gy[((id.z * p.h + i) * p.w + j) * p.c4 + c]; }
    }
  }
  gx[(id.z * p.h + id.y) * p.w * p.c4 + id.x] = g;
}
