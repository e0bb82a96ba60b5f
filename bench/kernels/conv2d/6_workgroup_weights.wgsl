// y = conv2d(x, w), rung 6 (formula, layouts: 1_naive.wgsl).
// Changed: weights go through workgroup memory. One workgroup: 8 groups of PIXELS pixels × 8 vec4s of output channels;
// for each tap and every 16 input channels it stages their 16 × 8 weight vec4s (2 KiB), two an invocation.
// Why faster: each weight is read once a workgroup from the buffer, not once for every group of pixels: 16 + 2 buffer
// loads an invocation make 256 FMAs, against 32 of the same tile without. Pays where workgroup memory is a memory of
// its own beside the arithmetic (GPUs). On a CPU it is ordinary memory: the staging is additional work, and each
// barrier makes the driver put all live registers of all invocations away and take them back.
const PIXELS: u32 = 4;
const CHANNELS: u32 = 8; // vec4s of output channels
const STEP: u32 = 4; // vec4s of input channels

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

var<workgroup> tile: array<vec4f, 4 * STEP * CHANNELS>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let lane = li % CHANNELS;
  let o = wg.y * CHANNELS + lane;
  let m0 = ((wg.x + wg.z * count.x) * (64 / CHANNELS) + li / CHANNELS) * PIXELS;

  var n: array<u32, PIXELS>; // unroll
  var y0: array<u32, PIXELS>; // unroll
  var x0: array<u32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = min(m0 + i, p.pixels - 1u);
    n[i] = m / p.ow / p.oh * p.h;
    y0[i] = m / p.ow % p.oh * p.stride - p.padTop;
    x0[i] = m % p.ow * p.stride - p.padLeft;
    acc[i] = vec4f();
  }
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        inside[i] = y0[i] + ky < p.h && x0[i] + kx < p.w;
        at[i] = select(0u, ((n[i] + y0[i] + ky) * p.w + x0[i] + kx) * p.ci4, inside[i]);
      }
      let tap = (ky * p.kw + kx) * p.ci;
      for (var c0 = 0u; c0 < p.ci4; c0 += STEP) {
        workgroupBarrier();
        for (var j = 0u; j < 4 * STEP * CHANNELS / 64; j++) { // unroll
          // The tile's row is an input channel; rows and columns beyond the end are zero.
          let row = c0 * 4u + (j * 64 + li) / CHANNELS;
          let ok = row < p.ci && o < p.co4;
          tile[j * 64 + li] = select(vec4f(), w[select(0u, (tap + row) * p.co4 + o, ok)], ok);
        }
        workgroupBarrier();
        let end = min(STEP, p.ci4 - c0);
        for (var c = 0u; c < end; c++) {
          let w0 = tile[c * 4u * CHANNELS + lane];
          let w1 = tile[(c * 4u + 1u) * CHANNELS + lane];
          let w2 = tile[(c * 4u + 2u) * CHANNELS + lane];
          let w3 = tile[(c * 4u + 3u) * CHANNELS + lane];
          for (var i = 0u; i < PIXELS; i++) { // unroll
            let a = select(vec4f(), x[at[i] + c0 + c], inside[i]);
            acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
          }
        }
      }
    }
  }
  if (o < p.co4) {
    for (var i = 0u; i < PIXELS; i++) { // unroll
      if (m0 + i < p.pixels) { y[(m0 + i) * p.co4 + o] = acc[i]; }
    }
  }
}
