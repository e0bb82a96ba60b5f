// y = activation(convTranspose2d(x, w) + b), as conv_transpose2d.wgsl (formula, layouts, flags), for at most four output
// channels on a GPU: the last layer of a decoder, the input gradient of a network's first convolution.
// With oy + padTop = qy·S + ry the taps of a phase ry are ky = ry + ty·S, and they read row qy − ty of x, whatever ry is: all
// S² phases of a position q = (qy, qx) want the same TH × TW pixels of x. (conv_transpose2d_tile.wgsl loads them anew for each
// phase and each tap, which is what bounds it here.) Taps beyond kh or kw count as zeros, so x must be finite there too.
// One workgroup: DOWN·Q × COLS positions of one picture. For every 4·K4 input channels it stages their pixels of x, with a
// halo of TH − 1 rows and TW − 1 columns, and the weights of all taps, turned so that the values (phase, output) of one (tap, c)
// lie side by side: 16·(K4·PLANE + W_TILE) bytes. While it computes on these, the loads of the next are under way.
// One invocation: Q positions, one below the other, × RY rows of phases: Q·N4 vec4s of sums. The Q + TH − 1 pixels it reads
// serve all its taps of one column. For 4 channels of c: TW·(Q + TH − 1 + 4·TH·N4) vec4 reads of workgroup memory, all of
// neighbouring or of equal addresses, for 4·TH·TW·Q·N4 vec4 FMAs; at a 4×4 kernel of stride 2, 3 channels and Q = 8 that is
// 66 for 384. FLOPs per byte of x and y, each moved once: 2·CO·kh·kw·ci / (4·ci + 16·S²), that is 19 for that kernel and
// 64 channels (a GPU's two roofs are then close), 90 for 11×11 of stride 4.
const S: u32 = 2; // the stride
const TH: u32 = 2; // ⌈kh / S⌉
const TW: u32 = 2; // ⌈kw / S⌉
const CO: u32 = 3; // output channels, from 1 to 4: what is left of a vec4 no invocation computes
const Q: u32 = 4;
const RY: u32 = 2; // divides S
const N4: u32 = 3; // ⌈RY·S·CO / 4⌉
const WINDOW: u32 = 5; // Q + TH − 1
const DOWN: u32 = 2; // invocations below each other; DOWN·COLS is a multiple of 4·K4 and, for equal addresses, of 32
const COLS: u32 = 32; // and side by side; a multiple of 8, so that neighbours lie in different banks
const K4: u32 = 2; // vec4s of c a step, 1 or 2
const X_LOADS: u32 = 10; // vec4s of x that one invocation stages: K4·PIXELS / INVOCATIONS, rounded up
const W_LOADS: u32 = 2; // vec4s of weights that one invocation stages: W_TILE / INVOCATIONS, rounded up
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

const GROUPS = S / RY; // of phase rows
const INVOCATIONS = GROUPS * DOWN * COLS;
const ACROSS = COLS + TW - 1u;
const PIXELS = (DOWN * Q + TH - 1u) * ACROSS;
const PLANE = (PIXELS + 3u) / 8u * 8u + 4u; // 4 more than a multiple of 8: both vec4s of 4 pixels lie in different banks
const C = 4u * K4;
const W_TILE = GROUPS * TH * TW * C * N4;
const NONE = 0xffffffffu;

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32,
  kh: u32, kw: u32, padTop: u32, padLeft: u32,
  batch: u32, blocksDown: u32, blocksAcross: u32, steps: u32, alpha: f32, // steps = K4·TW
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<f32>; // rows of 4·ci4
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

var<workgroup> xTile: array<vec4f, K4 * PLANE>; // [vec4 of c][row][column]
var<workgroup> wTile: array<vec4f, W_TILE>; // [group][TH − 1 − ty][TW − 1 − tx][c][vec4 of (ry, rx, o)]

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

// Where c = 0 of a value of a tile of weights begins in w; NONE where there is no such tap.
fn weightAt(tap: u32, value: u32) -> u32 {
  let ky = (TH - 1u - tap / TW % TH) * S + tap / (TW * TH) * RY + value / (S * CO);
  let kx = (TW - 1u - tap % TW) * S + value / CO % S;
  let there = ky < p.kh && kx < p.kw && value < RY * S * CO && tap < GROUPS * TH * TW;
  return select(NONE, ((ky * p.kw + kx) * p.co + value % CO) * p.ci4 * 4u, there);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) li: u32) {
  let block = wg.x + wg.y * count.x;
  let blockRow = block / p.blocksAcross;
  let n = blockRow / p.blocksDown;
  if (n >= p.batch) { return; }
  let qy0 = p.padTop / S + blockRow % p.blocksDown * (DOWN * Q);
  let qx0 = p.padLeft / S + block % p.blocksAcross * COLS;

  // This invocation stages vec4 xc of each step for X_LOADS pixels, and channel wc of each step for W_LOADS vec4s of weights.
  let xc = li % K4;
  let wc = li % C;
  var xAt: array<u32, X_LOADS>; // unroll
  for (var j = 0u; j < X_LOADS; j++) { // unroll
    let pixel = (li + j * INVOCATIONS) / K4;
    let iy = qy0 + pixel / ACROSS - (TH - 1u);
    let ix = qx0 + pixel % ACROSS - (TW - 1u);
    xAt[j] = select(NONE, ((n * p.h + iy) * p.w + ix) * p.ci4 + xc, pixel < PIXELS && iy < p.h && ix < p.w);
  }
  var wAt: array<vec4u, W_LOADS>; // unroll
  for (var j = 0u; j < W_LOADS; j++) { // unroll
    let four = (li + j * INVOCATIONS) / C;
    for (var e = 0u; e < 4; e++) { // unroll
      wAt[j][e] = weightAt(four / N4, four % N4 * 4u + e);
    }
  }

  let group = li / (DOWN * COLS);
  let row = li / COLS % DOWN * Q;
  let col = li % COLS;
  var acc: array<vec4f, Q * N4>; // unroll
  for (var i = 0u; i < Q * N4; i++) { // unroll
    acc[i] = vec4f();
  }
  var xNext: array<vec4f, X_LOADS>; // unroll
  var wNext: array<vec4f, W_LOADS>; // unroll
  let bound = p.steps; // for GPUs the constant that it is: their drivers then unroll the loop (tiles/tile.ts)
  for (var c4 = 0u; ; c4 += K4) {
    if (c4 < p.ci4) {
      for (var j = 0u; j < X_LOADS; j++) { // unroll
        let inside = xAt[j] != NONE && c4 + xc < p.ci4;
        xNext[j] = select(vec4f(), x[select(0u, xAt[j] + c4, inside)], inside);
      }
      for (var j = 0u; j < W_LOADS; j++) { // unroll
        for (var e = 0u; e < 4; e++) { // unroll
          let inside = wAt[j][e] != NONE && c4 * 4u + wc < p.ci4 * 4u;
          wNext[j][e] = select(0.0, w[select(0u, wAt[j][e] + c4 * 4u + wc, inside)], inside);
        }
      }
    }
    if (c4 > 0u) {
      for (var step = 0u; step < bound; step++) {
        let k = step / TW;
        let dx = step % TW;
        var a: array<vec4f, WINDOW>; // unroll
        var r: array<vec4f, N4>; // unroll
        for (var i = 0u; i < WINDOW; i++) { // unroll
          a[i] = xTile[k * PLANE + (row + i) * ACROSS + col + dx];
        }
        for (var dy = 0u; dy < TH; dy++) { // unroll
          for (var e = 0u; e < 4; e++) { // unroll
            for (var j = 0u; j < N4; j++) { // unroll
              r[j] = wTile[(((group * TH + dy) * TW + dx) * C + k * 4u + e) * N4 + j];
            }
            for (var i = 0u; i < Q; i++) { // unroll
              for (var j = 0u; j < N4; j++) { // unroll
                acc[i * N4 + j] = fma(vec4f(a[i + dy][e]), r[j], acc[i * N4 + j]);
              }
            }
          }
        }
      }
    }
    if (c4 >= p.ci4) { break; }
    workgroupBarrier();
    for (var j = 0u; j < X_LOADS; j++) { // unroll
      let pixel = (li + j * INVOCATIONS) / K4;
      if (pixel < PIXELS) { xTile[xc * PLANE + pixel] = xNext[j]; }
    }
    for (var j = 0u; j < W_LOADS; j++) { // unroll
      let four = (li + j * INVOCATIONS) / C;
      if (four < W_TILE / C) { wTile[(four / N4 * C + wc) * N4 + four % N4] = wNext[j]; }
    }
    workgroupBarrier();
  }

  let keep = vec4u(0, 1, 2, 3) < vec4u(CO);
  var bias = vec4f();
  if (BIAS == 1) { bias = b[0]; }
  for (var i = 0u; i < Q; i++) { // unroll
    var values: array<vec4f, N4>; // of constant indices only, when unrolled
    for (var j = 0u; j < N4; j++) { // unroll
      values[j] = acc[i * N4 + j];
    }
    for (var ry = 0u; ry < RY; ry++) { // unroll
      for (var rx = 0u; rx < S; rx++) { // unroll
        let oy = (qy0 + row + i) * S + group * RY + ry - p.padTop;
        let ox = (qx0 + col) * S + rx - p.padLeft;
        if (oy < p.oh && ox < p.ow) {
          let at = (n * p.oh + oy) * p.ow + ox;
          var sum = vec4f();
          for (var o = 0u; o < CO; o++) { // unroll
            sum[o] = values[((ry * S + rx) * CO + o) / 4u][((ry * S + rx) * CO + o) % 4u];
          }
          y[at] = select(vec4f(), finish(sum, bias, at), keep);
        }
      }
    }
  }
}
