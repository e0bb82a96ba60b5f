// gw = conv2d's weight gradient, rung 4 (formula, layouts: 1_naive.wgsl), first pass of two:
//   partial [splits][kh][kw][ci][co]; shaders/sum_partials.wgsl adds the splits in index order.
// Changed: the pixels are split by rows among the workgroups, to make as many as the adapter wants, and x and gy go
// through workgroup memory. A "row" of the result is (tap, four input channels). One workgroup: 16
// rows × 16 vec4s of output channels, over the pixels of its split; it stages 8 pixels at a time, 8 × 16 vec4s of x and
// as many of gy (4 KiB together), four an invocation. One invocation: 2 rows × 2 vec4s.
// Why faster: 4 buffer loads an invocation make 512 FMAs, rung 3 needs 64 (16 FMAs of 2). For GPUs only: see
// conv2d/6_workgroup_weights.wgsl.
const ROWS: u32 = 16;
const CHANNELS: u32 = 16; // vec4s of output channels
const STEP: u32 = 8; // pixels

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

var<workgroup> tileX: array<vec4f, STEP * ROWS>;
var<workgroup> tileG: array<vec4f, STEP * CHANNELS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) li: u32) {
  // What this invocation stages: one row and one block of channels, for the pixels li / 16 + 4·j.
  let r = wg.y * ROWS + li % ROWS;
  let tap = r / p.ci4;
  let c = r % p.ci4;
  let stageO = wg.x * CHANNELS + li % CHANNELS;
  // What it computes: rows 2·(li / 8), + 1 and blocks li % 8, + 8.
  let ownR = li / 8u * 2u;
  let ownO = li % 8u;
  var acc: array<vec4f, 16>; // unroll
  for (var k = 0u; k < 16; k++) { // unroll
    acc[k] = vec4f();
  }
  let end = min((wg.z + 1u) * p.rowsPerSplit, p.rows) * p.ow;
  for (var k0 = wg.z * p.rowsPerSplit * p.ow; k0 < end; k0 += STEP) {
    workgroupBarrier();
    for (var j = 0u; j < STEP * ROWS / 64; j++) { // unroll
      let k = k0 + (j * 64 + li) / ROWS;
      let row = k / p.ow;
      let iy = row % p.oh * p.stride + tap / p.kw - p.padTop;
      let ix = k % p.ow * p.stride + tap % p.kw - p.padLeft;
      let inside = k < end && tap < p.taps && iy < p.h && ix < p.w;
      let place = ((row / p.oh * p.h + iy) * p.w + ix) * p.ci4 + c;
      tileX[j * 64 + li] = select(vec4f(), x[select(0u, place, inside)], inside);
      let there = k < end && stageO < p.co4;
      tileG[j * 64 + li] = select(vec4f(), gy[select(0u, k * p.co4 + stageO, there)], there);
    }
    workgroupBarrier();
    let count = min(STEP, end - k0);
    for (var k = 0u; k < count; k++) {
      let a = tileX[k * ROWS + ownR];
      let b = tileX[k * ROWS + ownR + 1u];
      let g = tileG[k * CHANNELS + ownO];
      let h = tileG[k * CHANNELS + ownO + 8u];
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
  let o = wg.x * CHANNELS + ownO;
  for (var j = 0u; j < 2; j++) { // unroll
    let toRow = wg.y * ROWS + ownR + j;
    let toTap = toRow / p.ci4;
    let to = (wg.z * p.taps + toTap) * p.ci;
    for (var k = 0u; k < 4; k++) { // unroll
      let toC = toRow % p.ci4 * 4u + k;
      if (toTap < p.taps && toC < p.ci) {
        if (o < p.co4) { partial[(to + toC) * p.co4 + o] = acc[j * 4 + k]; }
        if (o + 8u < p.co4) { partial[(to + toC) * p.co4 + o + 8u] = acc[j * 4 + 8 + k]; }
      }
    }
  }
}
