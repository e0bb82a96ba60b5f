// y[n, i, j, c] = x[n, i + down, j + across, c], bilinear between pixels; what lies outside of x is the pixel at its border.
// How far down and across: bilinear between 5×5 control points, spread evenly from border to border.
//   x, y [N, h, w, C], channels padded to vec4s (c4 of them), zero in x and so in y; grid [N][5][5] vec4, in pixels: down,
//   across, and two lanes of padding.
// One invocation: one vec4 of y, id.z = n, id.y = i, id.x = j·c4 + c.
// 36 FLOPs for the place of a vec4, 9 for each number of y.
struct P { c4: u32, h: u32, w: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> grid: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

const POINTS = 5u;

// The row and column, within the picture, that pixel (i, j) of picture n is taken from.
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.x >= p.w * p.c4) { return; }
  let place = origin(id.z, id.y, id.x / p.c4);
  // No more than the last pixel, whatever a NaN is clamped and converted to.
  let last = vec2u(p.h, p.w) - 1u;
  let first = min(vec2u(place), last);
  let next = min(first + 1u, last);
  let part = place - vec2f(first);
  let c = id.x % p.c4;
  let upper = (id.z * p.h + first.x) * p.w;
  let lower = (id.z * p.h + next.x) * p.w;
  let above = mix(x[(upper + first.y) * p.c4 + c], x[(upper + next.y) * p.c4 + c], part.y);
  let below = mix(x[(lower + first.y) * p.c4 + c], x[(lower + next.y) * p.c4 + c], part.y);
  y[(id.z * p.h + id.y) * p.w * p.c4 + id.x] = mix(above, below, part.x);
}
