// y = conv2d(x, w), rung 3 (formula, layouts: 1_naive.wgsl).
// Changed: x is read in vec4s too, four input channels at a time.
// Why faster: 5 loads make 16 FMAs, where rung 2 takes 8 loads. The loop over channels is a quarter as long. A CPU
// driver loads float by float, so there it gains next to nothing, and loses with 3 input channels: the padding is
// computed too.
// Where ci is no multiple of 4, the last weight rows read belong to the next tap: x's padding lanes, which are zero,
// cancel them, and `min` keeps the very last ones inside w.
struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, weights: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
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
  let last = p.weights - 1u;
  var acc = vec4f();
  for (var ky = 0u; ky < p.kh; ky++) {
    let iy = oy * p.stride + ky - p.padTop;
    if (iy >= p.h) { continue; }
    for (var kx = 0u; kx < p.kw; kx++) {
      let ix = ox * p.stride + kx - p.padLeft;
      if (ix >= p.w) { continue; }
      let place = ((n * p.h + iy) * p.w + ix) * p.ci4;
      let tap = (ky * p.kw + kx) * p.ci * p.co4 + o;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c * 4u * p.co4;
        let a = x[place + c];
        acc = fma(vec4f(a.x), w[row], acc);
        acc = fma(vec4f(a.y), w[min(row + p.co4, last)], acc);
        acc = fma(vec4f(a.z), w[min(row + 2u * p.co4, last)], acc);
        acc = fma(vec4f(a.w), w[min(row + 3u * p.co4, last)], acc);
      }
    }
  }
  y[i] = acc;
}
