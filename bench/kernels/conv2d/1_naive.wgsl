// y = conv2d(x, w), rung 1: the formula, as it is written.
//   x [N][H][W][ci]   w [kh][kw][ci][co]   y [N][OH][OW][co]      (last axis padded to vec4s; padding is zero)
//   y[n,oy,ox,o] = Σ ky,kx,c  x[n, oy·stride+ky−padTop, ox·stride+kx−padLeft, c] · w[ky,kx,c,o]
// One invocation: one float of y; neighbours lie along the channels. FLOPs: 2·pixels·co·kh·kw·ci.
// Two loads for each FMA, on every kind of adapter the worst ratio there is. Bias and activation, which every rung
// would do alike, are left out of the ladder; the winners in shaders/ have them.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let row = p.co4 * 4u;
  // Padding lanes need no case of their own: those of w are zero, so y's become zero.
  let o = i % row;
  let m = i / row;
  if (m >= p.pixels) { return; }
  let n = m / p.ow / p.oh;
  let oy = m / p.ow % p.oh;
  let ox = m % p.ow;
  var sum = 0.0;
  for (var ky = 0u; ky < p.kh; ky++) {
    // Above the image the difference wraps round to a huge number, which is beyond the image too.
    let iy = oy * p.stride + ky - p.padTop;
    if (iy >= p.h) { continue; }
    for (var kx = 0u; kx < p.kw; kx++) {
      let ix = ox * p.stride + kx - p.padLeft;
      if (ix >= p.w) { continue; }
      let place = ((n * p.h + iy) * p.w + ix) * p.ci4 * 4u;
      let tap = (ky * p.kw + kx) * p.ci * row + o;
      for (var c = 0u; c < p.ci; c++) { sum = fma(x[place + c], w[tap + c * row], sum); }
    }
  }
  y[i] = sum;
}
