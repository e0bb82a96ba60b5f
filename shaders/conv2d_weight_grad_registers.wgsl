// gw = conv2d's weight gradient, first pass, as conv2d_weight_grad.wgsl (formula, layouts, uniform), with a larger tile in
// registers: one invocation has 8 input × 8 output channels of one tap, so 64 FMAs take 4 loads, the baseline's 16 take 2.
// For CPU adapters: without subgroups the best, and with them where the maps are small (the bottleneck's layers).
// The second vec4 of either side lies `half` of them further; where the count is odd the last one has no partner,
// computes a block once more and does not store it.
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
fn main(
  @builtin(global_invocation_id) id: vec3u,
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) groups: vec3u,
) {
  let halfC = (p.ci4 + 1u) / 2u;
  let halfO = (p.co4 + 1u) / 2u;
  let i = id.x + wg.z * groups.x * 64u;
  let o = i % halfO;
  let c = i / halfO % halfC;
  let tap = i / halfO / halfC;
  if (tap >= p.taps) { return; }
  let o2 = min(o + halfO, p.co4 - 1u);
  let c2 = min(c + halfC, p.ci4 - 1u);
  var acc: array<vec4f, 16>; // unroll
  for (var k = 0u; k < 16; k++) { // unroll
    acc[k] = vec4f();
  }
  let end = min((wg.y + 1u) * p.rowsPerSplit, p.rows);
  for (var row = wg.y * p.rowsPerSplit; row < end; row++) {
    let iy = row % p.oh * p.stride + tap / p.kw - p.padTop;
    if (iy >= p.h) { continue; }
    for (var ox = 0u; ox < p.ow; ox++) {
      let ix = ox * p.stride + tap % p.kw - p.padLeft;
      if (ix >= p.w) { continue; }
      let place = ((row / p.oh * p.h + iy) * p.w + ix) * p.ci4;
      let at = (row * p.ow + ox) * p.co4;
      let a = x[place + c];
      let b = x[place + c2];
      let g = gy[at + o];
      let h = gy[at + o2];
      acc[0] = fma(vec4f(a.x), g, acc[0]);
      acc[1] = fma(vec4f(a.y), g, acc[1]);
      acc[2] = fma(vec4f(a.z), g, acc[2]);
      acc[3] = fma(vec4f(a.w), g, acc[3]);
      acc[4] = fma(vec4f(b.x), g, acc[4]);
      acc[5] = fma(vec4f(b.y), g, acc[5]);
      acc[6] = fma(vec4f(b.z), g, acc[6]);
      acc[7] = fma(vec4f(b.w), g, acc[7]);
      acc[8] = fma(vec4f(a.x), h, acc[8]);
      acc[9] = fma(vec4f(a.y), h, acc[9]);
      acc[10] = fma(vec4f(a.z), h, acc[10]);
      acc[11] = fma(vec4f(a.w), h, acc[11]);
      acc[12] = fma(vec4f(b.x), h, acc[12]);
      acc[13] = fma(vec4f(b.y), h, acc[13]);
      acc[14] = fma(vec4f(b.z), h, acc[14]);
      acc[15] = fma(vec4f(b.w), h, acc[15]);
    }
  }
  let base = (wg.y * p.taps + tap) * p.ci;
  for (var k = 0u; k < 4; k++) { // unroll
    let ca = c * 4u + k;
    let cb = c2 * 4u + k;
    let second = c + halfC < p.ci4 && cb < p.ci;
    if (ca < p.ci) { partial[(base + ca) * p.co4 + o] = acc[k]; }
    if (second) { partial[(base + cb) * p.co4 + o] = acc[4 + k]; }
    if (o + halfO < p.co4) {
      if (ca < p.ci) { partial[(base + ca) * p.co4 + o2] = acc[8 + k]; }
      if (second) { partial[(base + cb) * p.co4 + o2] = acc[12 + k]; }
    }
  }
}
