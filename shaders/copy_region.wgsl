// Copies a box of x into a box of y: y[to + i] = x[i + from] for i inside the extent, 0 where i + from is outside of x.
// Serves slice (from > 0), its gradient (from < 0) and concat (to > 0). A cut along the last axis moves values between
// lanes, so it works on single floats; the extent of the last axis may then reach into y's padding, which it fills with
// 0. Any other cut works on whole vec4s.
//   x, y: four axes; strides of the first three in units, the last is 1. xn: extents of x, in units along the last axis.
// One invocation: one unit of the box.
alias Unit = f32; // f32 or vec4f

struct P {
  units: u32,
  e1: u32, e2: u32, e3: u32,
  from0: i32, from1: i32, from2: i32, from3: i32,
  xn0: u32, xn1: u32, xn2: u32, xn3: u32,
  xs0: u32, xs1: u32, xs2: u32,
  ys0: u32, ys1: u32, ys2: u32,
  base: u32, // where the box begins in y, in units
}
@group(0) @binding(0) var<storage, read> x: array<Unit>;
@group(0) @binding(1) var<storage, read_write> y: array<Unit>;
@group(0) @binding(2) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.units) { return; }
  let i3 = i % p.e3;
  let i2 = i / p.e3 % p.e2;
  let i1 = i / (p.e3 * p.e2) % p.e1;
  let i0 = i / (p.e3 * p.e2 * p.e1);
  let at = vec4u(vec4i(vec4u(i0, i1, i2, i3)) + vec4i(p.from0, p.from1, p.from2, p.from3));
  var v = Unit();
  if (all(at < vec4u(p.xn0, p.xn1, p.xn2, p.xn3))) { v = x[at.x * p.xs0 + at.y * p.xs1 + at.z * p.xs2 + at.w]; }
  y[p.base + i0 * p.ys0 + i1 * p.ys1 + i2 * p.ys2 + i3] = v;
}
