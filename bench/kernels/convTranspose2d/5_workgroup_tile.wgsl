// y = convTranspose2d(x, w), rung 5 (formula, layouts: 1_naive.wgsl; phases: 3_phase.wgsl).
// Changed: x and w go through workgroup memory, as in conv2d/7_workgroup_tile.wgsl. One workgroup: 32 pixels of a phase
// × 8 vec4s of output channels; for each tap and every 16 input channels it stages 32 × 4 vec4s of x and 32 × 4 of w.
// Why faster: weights are turned while they are staged, once a workgroup: a staged vec4 holds 4 input channels of one
// output, so its 4 floats go to 4 places. 4 buffer loads an invocation make 256 FMAs. Good for GPUs only.
const PIXELS: u32 = 4;
const CHANNELS: u32 = 8; // vec4s of output channels
const STEP: u32 = 4; // vec4s of input channels
const ROWS: u32 = 32; // pixels of a workgroup: PIXELS · 64 / CHANNELS
const OUTPUTS: u32 = 32; // output channels of a workgroup

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

var<workgroup> tileX: array<vec4f, ROWS * STEP>;
var<workgroup> tileW: array<f32, 4 * STEP * OUTPUTS>; // a row for each input channel

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let phaseY = wg.z / p.stride;
  let phaseX = wg.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let pixels = p.batch * qh * qw;
  let channelGroups = (p.co4 + CHANNELS - 1u) / CHANNELS;
  let o0 = wg.y % channelGroups * CHANNELS;
  let base = (wg.x + wg.y / channelGroups * count.x) * ROWS;
  let lane = li % CHANNELS;
  let own = li / CHANNELS * PIXELS; // the first of its pixels within the workgroup's

  // The pixels that this invocation stages: not the ones that it computes.
  var n: array<u32, ROWS * STEP / 64>; // unroll
  var y0: array<u32, ROWS * STEP / 64>; // unroll
  var x0: array<u32, ROWS * STEP / 64>; // unroll
  for (var j = 0u; j < ROWS * STEP / 64; j++) { // unroll
    let m = min(base + (j * 64 + li) / STEP, pixels - 1u);
    n[j] = m / qw / qh * p.h;
    y0[j] = (m / qw % qh * p.stride + phaseY + p.padTop) / p.stride;
    x0[j] = (m % qw * p.stride + phaseX + p.padLeft) / p.stride;
  }
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  for (var ky = (phaseY + p.padTop) % p.stride; ky < p.kh; ky += p.stride) {
    for (var kx = (phaseX + p.padLeft) % p.stride; kx < p.kw; kx += p.stride) {
      let tap = (ky * p.kw + kx) * p.co;
      for (var c0 = 0u; c0 < p.ci4; c0 += STEP) {
        let c = c0 + li % STEP;
        workgroupBarrier();
        for (var j = 0u; j < ROWS * STEP / 64; j++) { // unroll
          let iy = y0[j] - ky / p.stride;
          let ix = x0[j] - kx / p.stride;
          let ok = iy < p.h && ix < p.w && c < p.ci4;
          tileX[j * 64 + li] = select(vec4f(), x[select(0u, ((n[j] + iy) * p.w + ix) * p.ci4 + c, ok)], ok);
        }
        for (var j = 0u; j < OUTPUTS * STEP / 64; j++) { // unroll
          let column = (j * 64 + li) / STEP;
          let o = o0 * 4u + column;
          let ok = o < p.co && c < p.ci4;
          let v = select(vec4f(), w[select(0u, (tap + o) * p.ci4 + c, ok)], ok);
          let row = li % STEP * 4u;
          tileW[row * OUTPUTS + column] = v.x;
          tileW[(row + 1u) * OUTPUTS + column] = v.y;
          tileW[(row + 2u) * OUTPUTS + column] = v.z;
          tileW[(row + 3u) * OUTPUTS + column] = v.w;
        }
        workgroupBarrier();
        let end = min(STEP, p.ci4 - c0);
        for (var k = 0u; k < end; k++) {
          let f = k * 4u * OUTPUTS + lane * 4u;
          let w0 = vec4f(tileW[f], tileW[f + 1u], tileW[f + 2u], tileW[f + 3u]);
          let g = f + OUTPUTS;
          let w1 = vec4f(tileW[g], tileW[g + 1u], tileW[g + 2u], tileW[g + 3u]);
          let h = g + OUTPUTS;
          let w2 = vec4f(tileW[h], tileW[h + 1u], tileW[h + 2u], tileW[h + 3u]);
          let q = h + OUTPUTS;
          let w3 = vec4f(tileW[q], tileW[q + 1u], tileW[q + 2u], tileW[q + 3u]);
          for (var i = 0u; i < PIXELS; i++) { // unroll
            let a = tileX[(own + i) * STEP + k];
            acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
          }
        }
      }
    }
  }
  let o = o0 + lane;
  if (o < p.co4) {
    for (var i = 0u; i < PIXELS; i++) { // unroll
      let m = base + own + i;
      let oy = m / qw % qh * p.stride + phaseY;
      let ox = m % qw * p.stride + phaseX;
      // Rows of w beyond the last output channel were staged as zero, so padding lanes are.
      if (m < pixels) { y[((m / qw / qh * p.oh + oy) * p.ow + ox) * p.co4 + o] = acc[i]; }
    }
  }
}
