// y = convTranspose2d(x, w), which is also conv2d's input gradient; rung 1: a gather that tests every tap.
//   x [N][H][W][ci]   w [kh][kw][co][ci]   y [N][OH][OW][co]      (last axis padded to vec4s; padding is zero)
//   y[n,oy,ox,o] = Σ ky,kx,c  x[n, (oy+padTop−ky)/stride, (ox+padLeft−kx)/stride, c] · w[ky,kx,o,c], where exact
// One invocation: one float of y. FLOPs that count: 2·N·H·W·co·ci·kh·kw.
// The definition is a scatter: every x adds to kh·kw places of y. Invocations that add to one place would need atomics,
// which WGSL has for integers only, and whose order changes from run to run. So each y gathers what would reach it, and
// with stride s only 1 tap in s² does: the others are tested and passed over.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let o = i % (p.co4 * 4u);
  let m = i / (p.co4 * 4u);
  let n = m / p.ow / p.oh;
  if (n >= p.batch) { return; }
  let oy = m / p.ow % p.oh;
  let ox = m % p.ow;
  var sum = 0.0;
  if (o < p.co) { // w has no rows for padding lanes
    for (var ky = 0u; ky < p.kh; ky++) {
      // Before the image the difference wraps round to a huge number, whose quotient is beyond the image too.
      let ty = oy + p.padTop - ky;
      if (ty % p.stride != 0u || ty / p.stride >= p.h) { continue; }
      for (var kx = 0u; kx < p.kw; kx++) {
        let tx = ox + p.padLeft - kx;
        if (tx % p.stride != 0u || tx / p.stride >= p.w) { continue; }
        let place = ((n * p.h + ty / p.stride) * p.w + tx / p.stride) * p.ci4 * 4u;
        let tap = ((ky * p.kw + kx) * p.co + o) * p.ci4 * 4u;
        for (var c = 0u; c < p.ci; c++) { sum = fma(x[place + c], w[tap + c], sum); }
      }
    }
  }
  y[i] = sum;
}
