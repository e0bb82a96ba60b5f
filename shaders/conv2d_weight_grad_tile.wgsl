// gw = conv2d's weight gradient, first pass, as conv2d_weight_grad.wgsl (formula, layouts), in the style that GPUs like: a
// matrix product in two levels of tiles, M = (ky, kx, c), N = output channels, K = output pixels (n, oy, ox).
// A "row" of the result is (tap, four input channels). One workgroup: a tile of ROWS·TM rows × COLS·TN vec4s of output
// channels, over the pixels of its split. For every STEP pixels it stages both operands in workgroup memory:
// 16·STEP·(ROWS·TM + COLS·TN + 1) bytes. While it computes on one step, the loads of the next are under way. One invocation:
// TM rows × TN vec4s in registers: TM + TN vec4 reads of workgroup memory for 4·TM·TN vec4 FMAs; its rows lie ROWS apart,
// its vec4s COLS apart. FLOPs per byte loaded of M×N tiles (M = 4·ROWS·TM, N = 4·COLS·TN): M·N / (2·(M + N)).
// The splits are summed in index order by sum_partials.wgsl.
const TM: u32 = 2;
const TN: u32 = 1;
const ROWS: u32 = 8;
const COLS: u32 = 16;
const STEP: u32 = 16;
const A_LOADS: u32 = 2; // vec4s of x that one invocation stages: STEP·TM / COLS, rounded up
const B_LOADS: u32 = 2; // vec4s of gy that one invocation stages: STEP·TN / ROWS, rounded up

const INVOCATIONS = ROWS * COLS; // a multiple of M4 and of N4
const M4 = ROWS * TM;
const N4 = COLS * TN;

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kw: u32, taps: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, splits: u32, step: u32, // step = STEP
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> gy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

var<workgroup> aTile: array<vec4f, STEP * M4>; // [pixel][row]
var<workgroup> bTile: array<vec4f, STEP * N4>; // [pixel][vec4 of channels]
var<workgroup> places: array<vec3u, STEP>; // of the next step's pixels: see placeOf

// Where an output pixel's window begins in x: line of x, row and column in the image (which may be negative).
fn placeOf(pixel: u32) -> vec3u {
  let row = pixel / p.ow;
  let iy = select(row % p.oh * p.stride - p.padTop, 0x80000000u, pixel >= p.pixels);
  return vec3u(row / p.oh * p.h, iy, pixel % p.ow * p.stride - p.padLeft);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) li: u32) {
  let r0 = wg.y * M4;
  let o0 = wg.x * N4;
  let steps = (p.pixels + STEP - 1u) / STEP;
  let stepsPerSplit = (steps + p.splits - 1u) / p.splits;
  let first = wg.z * stepsPerSplit;
  let last = max(first, min(first + stepsPerSplit, steps));

  // This invocation stages, of x, row li % M4 for A_LOADS pixels of each step.
  let r = r0 + li % M4;
  let tap = r / p.ci4;
  let c = r % p.ci4;
  let ky = tap / p.kw;
  let kx = tap % p.kw;
  let aPixel = li / M4;
  let aUsed = aPixel < STEP && tap < p.taps;
  // Of gy, column li % N4 for B_LOADS pixels.
  let bPixel = li / N4;
  let bo = o0 + li % N4;
  let bUsed = bPixel < STEP && bo < p.co4;

  let row = li / COLS;
  let col = li % COLS;
  // By input channel of the row.
  var g0: array<vec4f, TM * TN>; // unroll
  var g1: array<vec4f, TM * TN>; // unroll
  var g2: array<vec4f, TM * TN>; // unroll
  var g3: array<vec4f, TM * TN>; // unroll
  for (var i = 0u; i < TM * TN; i++) { // unroll
    g0[i] = vec4f();
    g1[i] = vec4f();
    g2[i] = vec4f();
    g3[i] = vec4f();
  }
  var aNext: array<vec4f, A_LOADS>; // unroll
  var bNext: array<vec4f, B_LOADS>; // unroll
  if (li < STEP) { places[li] = placeOf(first * STEP + li); }
  workgroupBarrier();
  let bound = p.step; // for GPUs the constant that it is: their drivers then unroll the loop (tiles/tile.ts)
  for (var step = first; ; step++) {
    if (step < last) {
      for (var j = 0u; j < A_LOADS; j++) { // unroll
        let place = places[(aPixel + j * (INVOCATIONS / M4)) % STEP];
        let iy = place.y + ky;
        let ix = place.z + kx;
        let inside = iy < p.h && ix < p.w && aUsed;
        aNext[j] = select(vec4f(), x[select(0u, ((place.x + iy) * p.w + ix) * p.ci4 + c, inside)], inside);
      }
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        let m = step * STEP + bPixel + j * (INVOCATIONS / N4);
        let inside = m < p.pixels && bUsed;
        bNext[j] = select(vec4f(), gy[select(0u, m * p.co4 + bo, inside)], inside);
      }
    }
    if (step > first) {
      for (var k = 0u; k < bound; k++) {
        var b: array<vec4f, TN>; // unroll
        for (var j = 0u; j < TN; j++) { // unroll
          b[j] = bTile[k * N4 + j * COLS + col];
        }
        for (var i = 0u; i < TM; i++) { // unroll
          let a = aTile[k * M4 + i * ROWS + row];
          for (var j = 0u; j < TN; j++) { // unroll
            g0[i * TN + j] = fma(vec4f(a.x), b[j], g0[i * TN + j]);
            g1[i * TN + j] = fma(vec4f(a.y), b[j], g1[i * TN + j]);
            g2[i * TN + j] = fma(vec4f(a.z), b[j], g2[i * TN + j]);
            g3[i * TN + j] = fma(vec4f(a.w), b[j], g3[i * TN + j]);
          }
        }
      }
    }
    if (step >= last) { break; }
    workgroupBarrier();
    if (aPixel < STEP) {
      for (var j = 0u; j < A_LOADS; j++) { // unroll
        aTile[(aPixel + j * (INVOCATIONS / M4)) * M4 + li % M4] = aNext[j];
      }
    }
    if (bPixel < STEP) {
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        bTile[(bPixel + j * (INVOCATIONS / N4)) * N4 + li % N4] = bNext[j];
      }
    }
    if (li < STEP) { places[li] = placeOf((step + 1u) * STEP + li); }
    workgroupBarrier();
  }

  for (var i = 0u; i < TM; i++) { // unroll
    let to = r0 + i * ROWS + row;
    let toTap = to / p.ci4;
    let toC = to % p.ci4 * 4u;
    for (var j = 0u; j < TN; j++) { // unroll
      let o = o0 + j * COLS + col;
      if (toTap < p.taps && o < p.co4) {
        let at = ((wg.z * p.taps + toTap) * p.ci + toC) * p.co4 + o;
        partial[at] = g0[i * TN + j];
        if (toC + 1u < p.ci) { partial[at + p.co4] = g1[i * TN + j]; }
        if (toC + 2u < p.ci) { partial[at + 2u * p.co4] = g2[i * TN + j]; }
        if (toC + 3u < p.ci) { partial[at + 3u * p.co4] = g3[i * TN + j]; }
      }
    }
  }
}
