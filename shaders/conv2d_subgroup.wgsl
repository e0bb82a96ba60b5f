// y = activation(conv2d(x, w) + b), as conv2d.wgsl (formula, layouts, uniform), in the style that CPU adapters like: a
// memory load costs them ten FMAs, a broadcast within the subgroup almost nothing.
// One subgroup: SG/BLOCKS groups of lanes. A group owns PIXELS consecutive output pixels × BLOCKS vec4s of output
// channels, one for each of its lanes: with BLOCKS = SG there is one group, with fewer channels no lane is idle. For every
// four input channels a lane loads LOADS input vec4s (of each group of its quad) and 4 weight vec4s, and the lanes of a group
// hand the inputs round: 4·PIXELS vec4 FMAs for (SHARED + 1)·LOADS + 4 loads. Workgroup = one subgroup.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 16;
const BLOCKS: u32 = 8; // a power of two up to SG
const QUADS: u32 = 2; // quads of a group that load different pixels: BLOCKS / 4, up to PIXELS / 4, from 1
const LOADS: u32 = 2; // PIXELS / (4 · QUADS)
const SHARED: u32 = 0; // groups of a quad but the first: 4 / BLOCKS − 1, from 0
const CHANNELS: u32 = 4; // input channels of a vec4: fewer than 4 if there are no more
const SMALL: u32 = 1; // whether all pixels are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, weights: u32, alpha: f32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

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

// a / d, rounded down. CPU drivers divide whole numbers, and turn floats into them, one lane after the other; this way
// they need not. Exact for a < 2^20 (SMALL = 1): the quotient's error is less than its distance from a whole number.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

// What lanes 4k … 4k + 3 of the lane's group hold, in every quad of the group: from within its quad a lane gets it with one
// instruction of a CPU driver, from any lane of the subgroup with two and a mask.
fn quad(v: vec4f, lane: u32, k: u32) -> vec4f {
  if (QUADS == 1) { return v; }
  return subgroupShuffle(v, lane / BLOCKS * BLOCKS + lane % 4 + k * 4);
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Lanes beyond the channels compute the last block once more (they still load and broadcast) and do not store.
  let o0 = wg.y * BLOCKS + lane % BLOCKS;
  let group = lane / BLOCKS;
  let m0 = (wg.x + wg.z * count.x) * PIXELS * (SG / BLOCKS);

  // The pixels that this lane loads: LOADS of each group of its quad.
  var n: array<u32, SHARED * LOADS + LOADS>; // unroll
  var y0: array<i32, SHARED * LOADS + LOADS>; // unroll
  var x0: array<i32, SHARED * LOADS + LOADS>; // unroll
  for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
    let first = (lane / max(BLOCKS, 4) * (SHARED + 1) + j / LOADS) * PIXELS;
    let m = m0 + first + (j % LOADS * QUADS + lane / 4 % QUADS) * 4 + lane % 4;
    let row = divide(m, p.ow);
    let image = divide(row, p.oh);
    n[j] = image * p.h;
    y0[j] = select(i32((row - image * p.oh) * p.stride) - i32(p.padTop), -65536, m >= p.pixels);
    x0[j] = i32((m - row * p.ow) * p.stride) - i32(p.padLeft);
  }
  let o = min(o0, p.co4 - 1u);
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      var at: array<u32, SHARED * LOADS + LOADS>; // unroll
      var inside: array<bool, SHARED * LOADS + LOADS>; // unroll
      for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
        let iy = u32(y0[j] + i32(ky));
        let ix = u32(x0[j] + i32(kx));
        inside[j] = iy < p.h && ix < p.w;
        at[j] = select(0u, ((n[j] + iy) * p.w + ix) * p.ci4, inside[j]);
      }
      let tap = (ky * p.kw + kx) * p.ci * p.co4;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c * 4u * p.co4;
        var v: array<vec4f, SHARED * LOADS + LOADS>; // unroll
        for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
          v[j] = select(vec4f(), x[at[j] + c], inside[j]);
        }
        let w0 = w[row + o];
        let w1 = w[min(row + p.co4 + o, last)];
        let w2 = w[min(row + 2u * p.co4 + o, last)];
        let w3 = w[min(row + 3u * p.co4 + o, last)];
        var q: array<vec4f, SHARED * PIXELS / 4 + PIXELS / 4>; // unroll
        for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
          for (var k = 0u; k < QUADS; k++) { // unroll
            q[j * QUADS + k] = quad(v[j], lane, k);
          }
        }
        for (var i = 0u; i < PIXELS; i++) { // unroll
          var a = subgroupShuffle(q[i / 4], lane / 4 * 4 + i % 4);
          for (var g = 0u; g < SHARED; g++) { // unroll
            a = select(a, subgroupShuffle(q[g * PIXELS / 4 + PIXELS / 4 + i / 4], lane / 4 * 4 + i % 4), group % (SHARED + 1) == g + 1);
          }
          var sum = acc[i];
          if (CHANNELS > 3) { sum = fma(vec4f(a.w), w3, sum); }
          if (CHANNELS > 2) { sum = fma(vec4f(a.z), w2, sum); }
          if (CHANNELS > 1) { sum = fma(vec4f(a.y), w1, sum); }
          acc[i] = fma(vec4f(a.x), w0, sum);
        }
      }
    }
  }
  if (o0 < p.co4) {
    var bias = vec4f();
    if (BIAS == 1) { bias = b[o]; }
    let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
    for (var i = 0u; i < PIXELS; i++) { // unroll
      let m = m0 + group * PIXELS + i;
      let at = m * p.co4 + o;
      if (m < p.pixels) { y[at] = select(vec4f(), finish(acc[i], bias, at), keep); }
    }
  }
}
