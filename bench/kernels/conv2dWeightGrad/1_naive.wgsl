// gw = conv2d's weight gradient, rung 1: the formula, as it is written.
//   x [N][H][W][ci]   gy [N][OH][OW][co]   gw [kh][kw][ci][co]      (last axis padded to vec4s; padding is zero)
//   gw[ky,kx,c,o] = Σ n,oy,ox  x[n, oy·stride+ky−padTop, ox·stride+kx−padLeft, c] · gy[n,oy,ox,o]
// One invocation: one float of gw; neighbours lie along the output channels. FLOPs: 2·pixels·kh·kw·ci·co.
// As a matrix product: M = taps·ci, N = co, K = all output pixels. Small results, very long sums: the other way round
// than in conv2d.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kw: u32, taps: u32, stride: u32, padTop: u32, padLeft: u32,
  rows: u32, // n·oh
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> gy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let width = p.co4 * 4u;
  let o = i % width;
  let c = i / width % p.ci;
  let tap = i / width / p.ci;
  if (tap >= p.taps) { return; }
  var sum = 0.0;
  for (var row = 0u; row < p.rows; row++) {
    // Above the image the difference wraps round to a huge number, which is beyond the image too.
    let iy = row % p.oh * p.stride + tap / p.kw - p.padTop;
    if (iy >= p.h) { continue; }
    for (var ox = 0u; ox < p.ow; ox++) {
      let ix = ox * p.stride + tap % p.kw - p.padLeft;
      if (ix >= p.w) { continue; }
      let place = ((row / p.oh * p.h + iy) * p.w + ix) * p.ci4 * 4u + c;
      sum = fma(x[place], gy[(row * p.ow + ox) * width + o], sum);
    }
  }
  partial[i] = sum; // padding lanes: those of gy are zero
}
