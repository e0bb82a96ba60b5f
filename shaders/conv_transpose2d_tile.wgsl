// y = activation(convTranspose2d(x, w) + b), as conv_transpose2d.wgsl (formula, layouts, phases, flags), in the style that
// GPUs like: a matrix product a phase in two levels of tiles, M = pixels of the phase, N = output channels, K = (ty, tx, c)
// over the phase's own taps, ky = ky0 + ty·stride.
// Workgroups and invocations share the work as in conv2d_tile.wgsl, with 16·STRIDE·(ROWS·TM + 4·COLS·TN) bytes of workgroup
// memory. The weights are staged as they lie, vec4s of c, and turned in registers, which costs a GPU nothing. FLOPs per
// byte loaded of M×N tiles: M·N / (2·(M + N)).
// Where K is split (splits > 1), y is [splits][N][OH][OW][co] without an epilogue; finish_partials.wgsl sums it up.
const TM: u32 = 8;
const TN: u32 = 1;
const ROWS: u32 = 8;
const COLS: u32 = 16;
const K4: u32 = 4; // vec4s of K a step: ROWS·COLS is a multiple of it
const A_LOADS: u32 = 2; // vec4s of x that one invocation stages: ROWS·TM·K4 / (ROWS·COLS), rounded up
const B_LOADS: u32 = 2; // vec4s of w that one invocation stages: 4·K4·COLS·TN / (ROWS·COLS), rounded up
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

const INVOCATIONS = ROWS * COLS;
const M = ROWS * TM;
const N4 = COLS * TN;
const STRIDE = K4 | 1u; // odd, so that neighbouring pixels lie in different banks

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32, splits: u32, k4: u32, alpha: f32, // k4 = K4
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

var<workgroup> aTile: array<vec4f, M * STRIDE>; // [pixel][K4 vec4s of c]
var<workgroup> bTile: array<vec4f, 4 * N4 * STRIDE>; // [channel % 4][channel / 4][K4 vec4s of c]

fn activate(v: vec4f) -> vec4f {
  if (ACTIVATION == 1) { return select(v * p.alpha, v, v > vec4f()); }
  if (ACTIVATION == 2) { return 1.0 / (1.0 + exp(-v)); }
  if (ACTIVATION == 3) { return tanh(clamp(v, vec4f(-10.0), vec4f(10.0))); } // as the op tanh
  return v;
}

// The activation's derivative, from its own output.
fn slope(v: vec4f) -> vec4f {
  if (ACTIVATION == 1) { return select(vec4f(p.alpha), vec4f(1.0), v > vec4f()); }
  if (ACTIVATION == 2) { return v * (1.0 - v); }
  return 1.0 - v * v;
}

fn finish(sum: vec4f, bias: vec4f, at: u32) -> vec4f {
  if (BIAS == 2) { return sum * slope(b[at]); }
  return activate(sum + bias);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) li: u32) {
  let phases = p.stride * p.stride;
  let phaseY = wg.z % phases / p.stride;
  let phaseX = wg.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let pixels = p.batch * qh * qw;
  let channelTiles = (p.co4 + N4 - 1u) / N4;
  let split = wg.x / channelTiles;
  let o0 = wg.x % channelTiles * N4;
  let m0 = (wg.y + wg.z / phases * count.y) * M;
  if (m0 >= pixels) { return; }
  // The first tap of this phase, and how many there are.
  let ky0 = (phaseY + p.padTop) % p.stride;
  let kx0 = (phaseX + p.padLeft) % p.stride;
  let th = (max(p.kh, ky0) - ky0 + p.stride - 1u) / p.stride;
  let tw = (max(p.kw, kx0) - kx0 + p.stride - 1u) / p.stride;
  let steps = (th * tw * p.ci4 + K4 - 1u) / K4;
  let stepsPerSplit = (steps + p.splits - 1u) / p.splits;
  let first = split * stepsPerSplit;
  let last = max(first, min(first + stepsPerSplit, steps));

  // This invocation stages vec4 li % K4 of each step, of tap (ty, tx): of x for A_LOADS pixels, of w for B_LOADS channels.
  var origin: array<u32, A_LOADS>; // unroll
  var y0: array<i32, A_LOADS>; // unroll
  var x0: array<i32, A_LOADS>; // unroll
  for (var j = 0u; j < A_LOADS; j++) { // unroll
    let m = m0 + li / K4 + j * (INVOCATIONS / K4);
    let row = m / qw;
    origin[j] = row / qh * p.h;
    y0[j] = select(i32((row % qh * p.stride + phaseY + p.padTop) / p.stride), -65536, m >= pixels || li >= M * K4);
    x0[j] = i32((m % qw * p.stride + phaseX + p.padLeft) / p.stride);
  }
  let block = first * K4 + li % K4;
  let taps = max(tw, 1u); // a phase without taps has no steps either
  var c = block % p.ci4;
  var ty = block / p.ci4 / taps;
  var tx = block / p.ci4 % taps;

  let row = li / COLS;
  let col = li % COLS;
  var acc: array<vec4f, TM * TN>; // unroll
  for (var i = 0u; i < TM * TN; i++) { // unroll
    acc[i] = vec4f();
  }
  var aNext: array<vec4f, A_LOADS>; // unroll
  var bNext: array<vec4f, B_LOADS>; // unroll
  let bound = p.k4; // for GPUs the constant that it is: their drivers then unroll the loop (tiles/tile.ts)
  for (var step = first; ; step++) {
    if (step < last) {
      for (var j = 0u; j < A_LOADS; j++) { // unroll
        let iy = u32(y0[j] - i32(ty));
        let ix = u32(x0[j] - i32(tx));
        let inside = iy < p.h && ix < p.w && ty < th;
        aNext[j] = select(vec4f(), x[select(0u, ((origin[j] + iy) * p.w + ix) * p.ci4 + c, inside)], inside);
      }
      let tap = (ky0 + ty * p.stride) * p.kw + kx0 + tx * p.stride;
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        let o = o0 * 4u + li / K4 + j * (INVOCATIONS / K4);
        let inside = o < p.co && ty < th && li < 4 * N4 * K4;
        bNext[j] = select(vec4f(), w[select(0u, (tap * p.co + o) * p.ci4 + c, inside)], inside);
      }
      c += K4;
      while (c >= p.ci4) {
        c -= p.ci4;
        tx++;
        if (tx == tw) {
          tx = 0u;
          ty++;
        }
      }
    }
    if (step > first) {
      for (var k = 0u; k < bound; k++) {
        var r: array<vec4f, 4 * TN>; // unroll
        for (var j = 0u; j < TN; j++) { // unroll
          let r0 = bTile[(0 * N4 + j * COLS + col) * STRIDE + k];
          let r1 = bTile[(1 * N4 + j * COLS + col) * STRIDE + k];
          let r2 = bTile[(2 * N4 + j * COLS + col) * STRIDE + k];
          let r3 = bTile[(3 * N4 + j * COLS + col) * STRIDE + k];
          // Turned so that the four outputs lie in one vec4.
          r[j] = vec4f(r0.x, r1.x, r2.x, r3.x);
          r[1 * TN + j] = vec4f(r0.y, r1.y, r2.y, r3.y);
          r[2 * TN + j] = vec4f(r0.z, r1.z, r2.z, r3.z);
          r[3 * TN + j] = vec4f(r0.w, r1.w, r2.w, r3.w);
        }
        for (var i = 0u; i < TM; i++) { // unroll
          let a = aTile[(i * ROWS + row) * STRIDE + k];
          for (var j = 0u; j < TN; j++) { // unroll
            acc[i * TN + j] = fma(vec4f(a.x), r[j], fma(vec4f(a.y), r[1 * TN + j], fma(vec4f(a.z), r[2 * TN + j], fma(vec4f(a.w), r[3 * TN + j], acc[i * TN + j]))));
          }
        }
      }
    }
    if (step >= last) { break; }
    workgroupBarrier();
    if (li < M * K4) {
      for (var j = 0u; j < A_LOADS; j++) { // unroll
        aTile[(li / K4 + j * (INVOCATIONS / K4)) * STRIDE + li % K4] = aNext[j];
      }
    }
    if (li < 4 * N4 * K4) {
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        let n = li / K4 + j * (INVOCATIONS / K4);
        bTile[(n % 4u * N4 + n / 4u) * STRIDE + li % K4] = bNext[j];
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < TM; i++) { // unroll
    let m = m0 + i * ROWS + row;
    if (m < pixels) {
      let line = m / qw;
      let pixel = (line / qh * p.oh + line % qh * p.stride + phaseY) * p.ow + m % qw * p.stride + phaseX;
      for (var j = 0u; j < TN; j++) { // unroll
        let o = o0 + j * COLS + col;
        if (o < p.co4) {
          let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
          let at = pixel * p.co4 + o;
          var bias = vec4f();
          if (BIAS == 1) { bias = b[o]; }
          y[split * p.batch * p.oh * p.ow * p.co4 + at] = select(vec4f(), finish(acc[i * TN + j], bias, at), keep);
        }
      }
    }
  }
}
