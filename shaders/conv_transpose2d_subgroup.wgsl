// y = activation(convTranspose2d(x, w) + b), as conv_transpose2d.wgsl (formula, layouts, phases, uniform), in the style
// that CPU adapters like (see conv2d_subgroup.wgsl).
// One subgroup: PIXELS pixels of one phase × SG·BLOCKS vec4s of output channels. A lane owns BLOCKS vec4s of channels, so
// 4·BLOCKS weight rows; inputs are loaded once by the subgroup and handed round.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 16;
const BLOCKS: u32 = 1;
const BIAS: u32 = 1;
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32, alpha: f32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

fn activate(v: vec4f) -> vec4f {
  if (ACTIVATION == 1) { return select(v * p.alpha, v, v > vec4f()); }
  if (ACTIVATION == 2) { return 1.0 / (1.0 + exp(-v)); }
  if (ACTIVATION == 3) { return tanh(v); }
  return v;
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let phaseY = wg.z / p.stride;
  let phaseX = wg.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let pixels = p.batch * qh * qw;
  let channelGroups = (p.co4 + SG * BLOCKS - 1u) / (SG * BLOCKS);
  let o0 = wg.y % channelGroups * SG * BLOCKS + lane;
  let m0 = (wg.x + wg.y / channelGroups * count.x) * PIXELS;
  if (m0 >= pixels) { return; }

  var n: array<u32, PIXELS / SG>; // unroll
  var y0: array<i32, PIXELS / SG>; // unroll
  var x0: array<i32, PIXELS / SG>; // unroll
  let ky0 = (phaseY + p.padTop) % p.stride;
  let kx0 = (phaseX + p.padLeft) % p.stride;
  for (var j = 0u; j < PIXELS / SG; j++) { // unroll
    let m = m0 + j * SG + lane;
    let row = m / qw;
    n[j] = row / qh * p.h;
    y0[j] = select(i32((row % qh * p.stride + phaseY + p.padTop) / p.stride), -65536, m >= pixels);
    x0[j] = i32((m % qw * p.stride + phaseX + p.padLeft) / p.stride);
  }
  var o: array<u32, BLOCKS>; // unroll
  for (var k = 0u; k < BLOCKS; k++) { // unroll
    o[k] = min(o0 + k * SG, p.co4 - 1u);
  }
  var acc: array<vec4f, PIXELS * BLOCKS>; // unroll
  for (var i = 0u; i < PIXELS * BLOCKS; i++) { // unroll
    acc[i] = vec4f();
  }
  for (var ky = ky0; ky < p.kh; ky += p.stride) {
    for (var kx = kx0; kx < p.kw; kx += p.stride) {
      var at: array<u32, PIXELS / SG>; // unroll
      var inside: array<bool, PIXELS / SG>; // unroll
      for (var j = 0u; j < PIXELS / SG; j++) { // unroll
        let iy = u32(y0[j] - i32(ky / p.stride));
        let ix = u32(x0[j] - i32(kx / p.stride));
        inside[j] = iy < p.h && ix < p.w;
        at[j] = select(0u, ((n[j] + iy) * p.w + ix) * p.ci4, inside[j]);
      }
      let tap = (ky * p.kw + kx) * p.co;
      for (var c = 0u; c < p.ci4; c++) {
        var v: array<vec4f, PIXELS / SG>; // unroll
        for (var j = 0u; j < PIXELS / SG; j++) { // unroll
          v[j] = select(vec4f(), x[at[j] + c], inside[j]);
        }
        for (var k = 0u; k < BLOCKS; k++) { // unroll
          let row = (tap + o[k] * 4u) * p.ci4 + c;
          let w0 = w[row];
          let w1 = w[row + p.ci4];
          let w2 = w[row + 2u * p.ci4];
          let w3 = w[row + 3u * p.ci4];
          for (var i = 0u; i < PIXELS; i++) { // unroll
            let a = subgroupShuffle(v[i / SG], i % SG);
            acc[k * PIXELS + i] += vec4f(dot(a, w0), dot(a, w1), dot(a, w2), dot(a, w3));
          }
        }
      }
    }
  }
  for (var k = 0u; k < BLOCKS; k++) { // unroll
    if (o0 + k * SG < p.co4) {
      var bias = vec4f();
      if (BIAS == 1) { bias = b[o[k]]; }
      let keep = vec4u(0, 1, 2, 3) + o[k] * 4u < vec4u(p.co);
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let m = m0 + i;
        if (m < pixels) {
          let row = m / qw;
          let pixel = (row / qh * p.oh + row % qh * p.stride + phaseY) * p.ow + m % qw * p.stride + phaseX;
          y[pixel * p.co4 + o[k]] = select(vec4f(), activate(acc[k * PIXELS + i] + bias), keep);
        }
      }
    }
  }
}
