// y = conv2d(x, w), rung 2 (formula, layouts: 1_naive.wgsl).
// Changed: one invocation computes a vec4 of output channels.
// Why faster: one load of x and one vec4 load of w make 4 FMAs; before, 4 FMAs took 8 loads. The address arithmetic and
// the loop's own cost are shared by four too. On every adapter: a GPU's loads are up to 16 bytes wide, a CPU driver
// pays for each load instruction.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32,
}
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  let o = i % p.co4;
  let m = i / p.co4;
  if (m >= p.pixels) { return; }
  let n = m / p.ow / p.oh;
  let oy = m / p.ow % p.oh;
  let ox = m % p.ow;
  var acc = vec4f();
  for (var ky = 0u; ky < p.kh; ky++) {
    let iy = oy * p.stride + ky - p.padTop;
    if (iy >= p.h) { continue; }
    for (var kx = 0u; kx < p.kw; kx++) {
      let ix = ox * p.stride + kx - p.padLeft;
      if (ix >= p.w) { continue; }
      let place = ((n * p.h + iy) * p.w + ix) * p.ci4 * 4u;
      let tap = (ky * p.kw + kx) * p.ci * p.co4 + o;
      for (var c = 0u; c < p.ci; c++) { acc = fma(vec4f(x[place + c]), w[tap + c * p.co4], acc); }
    }
  }
  y[i] = acc;
}
