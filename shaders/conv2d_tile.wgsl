// y = activation(conv2d(x, w) + b), as conv2d.wgsl (formula, layouts, flags), in the style that GPUs like: a matrix product
// in two levels of tiles, M = pixels, N = output channels, K = (ky, kx, c).
// One workgroup: a tile of ROWS·TM pixels × 4·COLS·TN channels, over the K steps of its split. For every 4·K4 of K it
// stages both operands in workgroup memory: 16·(ROWS·TM·STRIDE + 4·K4·COLS·TN) bytes. While it computes on one step, the
// loads of the next are under way. One invocation: TM pixels × TN vec4s of channels in registers: TM + 4·TN vec4 reads of
// workgroup memory for 4·TM·TN vec4 FMAs. Its pixels lie ROWS apart, its vec4s COLS apart, so that neighbours read and
// write neighbouring addresses.
// FLOPs per byte loaded of M×N tiles: M·N / (2·(M + N)), that is 16 for 64×64 and 32 for 128×128.
// Where K is split (splits > 1), y is [splits][N][OH][OW][co] without an epilogue; finish_partials.wgsl sums it up.
const TM: u32 = 8;
const TN: u32 = 1;
const ROWS: u32 = 8;
const COLS: u32 = 16;
const K4: u32 = 4; // vec4s of K a step: ROWS·COLS is a multiple of it
const A_LOADS: u32 = 2; // vec4s of x that one invocation stages: ROWS·TM·K4 / (ROWS·COLS), rounded up
const B_LOADS: u32 = 2; // vec4s of w that one invocation stages: 4·K4·COLS·TN / (ROWS·COLS), rounded up; 1, 2 or 4
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

const INVOCATIONS = ROWS * COLS;
const M = ROWS * TM;
const N4 = COLS * TN;
const STRIDE = K4 | 1u; // odd, so that neighbouring pixels lie in different banks

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, splits: u32, k4: u32, alpha: f32, // k4 = K4
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

var<workgroup> aTile: array<vec4f, M * STRIDE>; // [pixel][K4 vec4s of c]
var<workgroup> bTile: array<vec4f, 4 * K4 * N4>; // [4·K4 of K][vec4 of channels]

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
  // Tiles of the same pixels are neighbours: they find x in a cache.
  let channelTiles = (p.co4 + N4 - 1u) / N4;
  let split = wg.x / channelTiles;
  let o0 = wg.x % channelTiles * N4;
  let m0 = (wg.y + wg.z * count.y) * M;
  if (m0 >= p.pixels) { return; }
  let steps = (p.kh * p.kw * p.ci4 + K4 - 1u) / K4;
  let stepsPerSplit = (steps + p.splits - 1u) / p.splits;
  let first = split * stepsPerSplit;
  let last = max(first, min(first + stepsPerSplit, steps));

  // This invocation stages, of x, vec4 li % K4 of each step for A_LOADS pixels: where these begin, and (ky, kx, ac).
  var origin: array<u32, A_LOADS>; // unroll
  var y0: array<i32, A_LOADS>; // unroll
  var x0: array<i32, A_LOADS>; // unroll
  for (var j = 0u; j < A_LOADS; j++) { // unroll
    let m = m0 + li / K4 + j * (INVOCATIONS / K4);
    let row = m / p.ow;
    origin[j] = row / p.oh * p.h;
    y0[j] = select(i32((row % p.oh) * p.stride) - i32(p.padTop), -65536, m >= p.pixels || li >= M * K4);
    x0[j] = i32((m % p.ow) * p.stride) - i32(p.padLeft);
  }
  let aBlock = first * K4 + li % K4;
  var ac = aBlock % p.ci4;
  var ky = aBlock / p.ci4 / p.kw;
  var kx = aBlock / p.ci4 % p.kw;
  // Of w, B_LOADS neighbouring rows of one tap and four input channels, (tap, bc), in column li % N4.
  let bRow = li / N4 * B_LOADS;
  let bBlock = first * K4 + bRow / 4u;
  var bc = bBlock % p.ci4;
  var tap = bBlock / p.ci4;
  let bo = select(p.co4, o0 + li % N4, bRow < 4 * K4);

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
        let iy = u32(y0[j] + i32(ky));
        let ix = u32(x0[j] + i32(kx));
        let inside = iy < p.h && ix < p.w && ky < p.kh;
        aNext[j] = select(vec4f(), x[select(0u, ((origin[j] + iy) * p.w + ix) * p.ci4 + ac, inside)], inside);
      }
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        // Beyond ci the next tap begins: x is zero there, but w is not.
        let c = bc * 4u + bRow % 4u + j;
        let inside = c < p.ci && tap < p.kh * p.kw && bo < p.co4;
        bNext[j] = select(vec4f(), w[select(0u, (tap * p.ci + c) * p.co4 + bo, inside)], inside);
      }
      ac += K4;
      while (ac >= p.ci4) {
        ac -= p.ci4;
        kx++;
        if (kx == p.kw) {
          kx = 0u;
          ky++;
        }
      }
      bc += K4;
      while (bc >= p.ci4) {
        bc -= p.ci4;
        tap++;
      }
    }
    if (step > first) {
      for (var k = 0u; k < bound; k++) {
        var r: array<vec4f, 4 * TN>; // unroll
        for (var q = 0u; q < 4u; q++) { // unroll
          for (var j = 0u; j < TN; j++) { // unroll
            r[q * TN + j] = bTile[(k * 4u + q) * N4 + j * COLS + col];
          }
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
    if (bRow < 4 * K4) {
      for (var j = 0u; j < B_LOADS; j++) { // unroll
        bTile[(bRow + j) * N4 + li % N4] = bNext[j];
      }
    }
    workgroupBarrier();
  }

  for (var j = 0u; j < TN; j++) { // unroll
    let o = o0 + j * COLS + col;
    let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
    var bias = vec4f();
    if (BIAS == 1) { bias = b[min(o, p.co4 - 1u)]; }
    for (var i = 0u; i < TM; i++) { // unroll
      let m = m0 + i * ROWS + row;
      let at = m * p.co4 + o;
      if (m < p.pixels && o < p.co4) {
        y[split * p.pixels * p.co4 + at] = select(vec4f(), finish(acc[i * TN + j], bias, at), keep);
      }
    }
  }
}
