// y = activation(Σ s partial[s] + b), in index order: the second pass of a convolution whose K was split.
//   partial [splits][rows][co]   b [co]   y [rows][co]      (last axis padded to vec4s; padding is zero)
// One invocation: one vec4. Bytes: 16·(splits + 1) a vec4; FLOPs: as many additions as values read.
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P { count: u32, splits: u32, co: u32, co4: u32, alpha: f32 }
@group(0) @binding(0) var<storage, read> partial: array<vec4f>;
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

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= p.count) { return; }
  var sum = vec4f();
  for (var s = 0u; s < p.splits; s++) { sum += partial[s * p.count + i]; }
  let o = i % p.co4;
  var bias = vec4f();
  if (BIAS == 1) { bias = b[o]; }
  y[i] = select(vec4f(), finish(sum, bias, i), vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co));
}
