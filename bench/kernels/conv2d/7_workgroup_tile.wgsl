// y = conv2d(x, w), rung 7 (formula, layouts: 1_naive.wgsl): the textbook's tiled matrix product.
// Changed: x goes through workgroup memory as well. One workgroup: 32 pixels × 8 vec4s of output channels; for each tap
// and every 16 input channels it stages 32 × 4 vec4s of x and 16 × 8 vec4s of w (4 KiB together), four an invocation.
// Why faster: 4 buffer loads an invocation make 256 FMAs, rung 6 needs 18; the 8 loads of each inner step come from
// workgroup memory. With larger tiles (see the winner "tile") this is what GPUs run at most of their peak. On a CPU it
// is the wrong way twice over, for the reasons given in rung 6.
const PIXELS: u32 = 4;
const CHANNELS: u32 = 8; // vec4s of output channels
const STEP: u32 = 4; // vec4s of input channels
const ROWS: u32 = 32; // pixels of a workgroup: PIXELS · 64 / CHANNELS

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

var<workgroup> tileX: array<vec4f, ROWS * STEP>;
var<workgroup> tileW: array<vec4f, 4 * STEP * CHANNELS>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let lane = li % CHANNELS;
  let o = wg.y * CHANNELS + lane;
  let base = (wg.x + wg.z * count.x) * ROWS;
  let own = li / CHANNELS * PIXELS; // the first of its pixels within the workgroup's

  // The pixels that this invocation stages: not the ones that it computes.
  var n: array<u32, ROWS * STEP / 64>; // unroll
  var y0: array<u32, ROWS * STEP / 64>; // unroll
  var x0: array<u32, ROWS * STEP / 64>; // unroll
  for (var j = 0u; j < ROWS * STEP / 64; j++) { // unroll
    let m = min(base + (j * 64 + li) / STEP, p.pixels - 1u);
    n[j] = m / p.ow / p.oh * p.h;
    y0[j] = m / p.ow % p.oh * p.stride - p.padTop;
    x0[j] = m % p.ow * p.stride - p.padLeft;
  }
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      let tap = (ky * p.kw + kx) * p.ci;
      for (var c0 = 0u; c0 < p.ci4; c0 += STEP) {
        workgroupBarrier();
        for (var j = 0u; j < ROWS * STEP / 64; j++) { // unroll
          let c = c0 + li % STEP;
          let ok = y0[j] + ky < p.h && x0[j] + kx < p.w && c < p.ci4;
          let place = ((n[j] + y0[j] + ky) * p.w + x0[j] + kx) * p.ci4 + c;
          tileX[j * 64 + li] = select(vec4f(), x[select(0u, place, ok)], ok);
        }
        for (var j = 0u; j < 4 * STEP * CHANNELS / 64; j++) { // unroll
          let row = c0 * 4u + (j * 64 + li) / CHANNELS;
          let ok = row < p.ci && o < p.co4;
          tileW[j * 64 + li] = select(vec4f(), w[select(0u, (tap + row) * p.co4 + o, ok)], ok);
        }
        workgroupBarrier();
        let end = min(STEP, p.ci4 - c0);
        for (var c = 0u; c < end; c++) {
          let w0 = tileW[c * 4u * CHANNELS + lane];
          let w1 = tileW[(c * 4u + 1u) * CHANNELS + lane];
          let w2 = tileW[(c * 4u + 2u) * CHANNELS + lane];
          let w3 = tileW[(c * 4u + 3u) * CHANNELS + lane];
          for (var i = 0u; i < PIXELS; i++) { // unroll
            let a = tileX[(own + i) * STEP + c];
            acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
          }
        }
      }
    }
  }
  if (o < p.co4) {
    for (var i = 0u; i < PIXELS; i++) { // unroll
      let m = base + own + i;
      if (m < p.pixels) { y[m * p.co4 + o] = acc[i]; }
    }
  }
}
