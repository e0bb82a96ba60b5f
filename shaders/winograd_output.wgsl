// y = activation(Aᵀ m A + b): 4×4 pixels of a tile from the 36 products of winograd_input's and winograd_weights' numbers,
// summed over the input channels. See winograd.ts; epilogue as in conv2d.wgsl.
// m [36, rows, co]; y [N, oh, ow, co]. One invocation makes one vec4 of channels of one tile.
const SMALL: u32 = 1; // whether all invocations are fewer than 2^20
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P { count: u32, rows: u32, oh: u32, ow: u32, co: u32, co4: u32, down: u32, across: u32, alpha: f32 }
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
  let tile = divide(at, p.co4);
  let o = at - tile * p.co4;
  let row = divide(tile, p.across);
  let image = divide(row, p.down);
  let y0 = (row - image * p.down) * 4;
  let x0 = (tile - row * p.across) * 4;
  let step = p.rows * p.co4;
  var t: array<vec4f, 24>; // unroll
  for (var j = 0u; j < 6; j++) { // unroll
    let start = j * step + at;
    let a = m[start + 6 * step];
    let c = m[start + 12 * step];
    let d = m[start + 18 * step];
    let e = m[start + 24 * step];
    t[j] = m[start] + (a + c) + (d + e);
    t[6 + j] = (a - c) + 2.0 * (d - e);
    t[12 + j] = (a + c) + 4.0 * (d + e);
    t[18 + j] = (a - c) + 8.0 * (d - e) + m[start + 30 * step];
  }
  var bias = vec4f();
  if (BIAS == 1) { bias = b[o]; }
  let keep = vec4u(0, 1, 2, 3) + o * 4 < vec4u(p.co);
  for (var r = 0u; r < 4; r++) { // unroll
    if (y0 + r < p.oh) {
      let a = t[r * 6 + 1] + t[r * 6 + 2];
      let c = t[r * 6 + 1] - t[r * 6 + 2];
      let d = t[r * 6 + 3] + t[r * 6 + 4];
      let e = t[r * 6 + 3] - t[r * 6 + 4];
      let to = ((image * p.oh + y0 + r) * p.ow + x0) * p.co4 + o;
      y[to] = select(vec4f(), finish(t[r * 6] + a + d, bias, to), keep);
      if (x0 + 1 < p.ow) { y[to + p.co4] = select(vec4f(), finish(c + 2.0 * e, bias, to + p.co4), keep); }
      if (x0 + 2 < p.ow) { y[to + 2 * p.co4] = select(vec4f(), finish(a + 4.0 * d, bias, to + 2 * p.co4), keep); }
      if (x0 + 3 < p.ow) {
        y[to + 3 * p.co4] = select(vec4f(), finish(c + 8.0 * e + t[r * 6 + 5], bias, to + 3 * p.co4), keep);
      }
    }
  }
}
