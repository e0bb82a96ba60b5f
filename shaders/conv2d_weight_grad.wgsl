// gw = conv2d's weight gradient, first pass: one partial sum for each split of the output rows (n, oy).
//   x [N][H][W][ci]   gy [N][OH][OW][co]   partial [splits][kh][kw][ci][co]   (last axis padded to vec4s; padding is zero)
//   gw[ky,kx,c,o] = Σ n,oy,ox  x[n, oy·stride+ky−padTop, ox·stride+kx−padLeft, c] · gy[n,oy,ox,o]
// The second pass (sum_partials.wgsl) adds the splits in index order: no atomics, the same bits every time.
// The readable baseline. One invocation: one tap × four input channels × one vec4 of output channels, over the rows of
// its split. Invocations lie with o fastest. FLOPs: 2·pixels·kh·kw·ci·co.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kw: u32, taps: u32, stride: u32, padTop: u32, padLeft: u32,
  rows: u32, rowsPerSplit: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> gy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + wg.z * groups.x * 64u;
  let o = i % p.co4;
  let r = i / p.co4;
  let tap = r / p.ci4;
  let c = r % p.ci4;
  if (tap >= p.taps) { return; }
  let ky = i32(tap / p.kw) - i32(p.padTop);
  let kx = i32(tap % p.kw) - i32(p.padLeft);
  var g0 = vec4f();
  var g1 = vec4f();
  var g2 = vec4f();
  var g3 = vec4f();
  let end = min((wg.y + 1u) * p.rowsPerSplit, p.rows);
  for (var row = wg.y * p.rowsPerSplit; row < end; row++) {
    let n = row / p.oh;
    let iy = u32(i32(row % p.oh * p.stride) + ky);
    if (iy >= p.h) { continue; }
    for (var ox = 0u; ox < p.ow; ox++) {
      let ix = u32(i32(ox * p.stride) + kx);
      if (ix >= p.w) { continue; }
      let a = x[((n * p.h + iy) * p.w + ix) * p.ci4 + c];
      let g = gy[(row * p.ow + ox) * p.co4 + o];
      g0 = fma(vec4f(a.x), g, g0);
      g1 = fma(vec4f(a.y), g, g1);
      g2 = fma(vec4f(a.z), g, g2);
      g3 = fma(vec4f(a.w), g, g3);
    }
  }
  let to = ((wg.y * p.taps + tap) * p.ci + c * 4u) * p.co4 + o;
  let left = p.ci - c * 4u;
  partial[to] = g0;
  if (left > 1u) { partial[to + p.co4] = g1; }
  if (left > 2u) { partial[to + 2u * p.co4] = g2; }
  if (left > 3u) { partial[to + 3u * p.co4] = g3; }
}
