// y = activation(m A + b): the M pixels in a row of a tile from its T numbers, which winograd_product made, the first half
// of Aᵀ … A. See winograd.ts; epilogue as in conv2d.wgsl.
// m [S·S, M, T, tiles, co]; y [N, oh, ow, co], of S×S phases, pictures of every S-th pixel. One invocation makes one vec4 of
// channels of one row of one tile of one phase.
const T: u32 = 6;
const M: u32 = 4;
const S: u32 = 1;
// Aᵀ, row by row.
const A = array<f32, 24>(
  1, 1, 1, 1, 1, 0,
  0, 1, -1, 2, -2, 0,
  0, 1, 1, 4, 4, 0,
  0, 1, -1, 8, -8, 1,
);
const SMALL: u32 = 1; // whether all invocations are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P { count: u32, tiles: u32, oh: u32, ow: u32, co: u32, co4: u32, down: u32, across: u32, alpha: f32 }
@group(0) @binding(0) var<storage, read> m: array<vec4f>;
@group(0) @binding(1) var<storage, read> b: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

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

// a / d, rounded down: see conv2d_subgroup.wgsl.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * groups.x * 64;
  if (at >= p.count) { return; }
  let channel = divide(at, p.co4);
  let o = at - channel * p.co4;
  let line = divide(channel, p.tiles); // a row of a phase
  let tile = channel - line * p.tiles;
  let phase = line / M;
  let row = divide(tile, p.across);
  let image = divide(row, p.down);
  let y0 = ((row - image * p.down) * M + line % M) * S + phase / S;
  let x0 = (tile - row * p.across) * M * S + phase % S;
  if (y0 >= p.oh) { return; }
  var d: array<vec4f, T>; // unroll
  for (var k = 0u; k < T; k++) { // unroll
    d[k] = m[((line * T + k) * p.tiles + tile) * p.co4 + o];
  }
  var bias = vec4f();
  if (BIAS == 1) { bias = b[o]; }
  let keep = vec4u(0, 1, 2, 3) + o * 4 < vec4u(p.co);
  for (var j = 0u; j < M; j++) { // unroll
    if (x0 + j * S < p.ow) {
      var sum = vec4f();
      for (var k = 0u; k < T; k++) { // unroll
        if (A[j * T + k] != 0) { sum += A[j * T + k] * d[k]; }
      }
      let to = ((image * p.oh + y0) * p.ow + x0 + j * S) * p.co4 + o;
      y[to] = select(vec4f(), finish(sum, bias, to), keep);
    }
  }
}
