// y = convTranspose2d(x, w), rung 3 (formula, layouts: 1_naive.wgsl; the ends of w: 2_vec4.wgsl).
// Changed: outputs go by phase (oy mod stride, ox mod stride), one phase for each workgroup's z. All outputs of a phase
// use the same taps, ky = (phase + padTop) mod stride and every stride-th after it, so no tap is tested for
// divisibility.
// Why faster: with stride 2 the loops visit a quarter of the taps, and on a GPU the neighbours of a subgroup no longer
// disagree about which (one lane that takes a tap makes all wait). On a CPU it gains little: to pass over a tap costs
// little beside the channels of one that counts. With stride 1 nothing changes.
// Phase extents: qh·qw positions; pixel m of a phase is (n, qy, qx), oy = qy·stride + phase.
struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32, weights: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let phaseY = id.z / p.stride;
  let phaseX = id.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let i = id.x + id.y * groups.x * 64u;
  let o = i % p.co4;
  let m = i / p.co4;
  let n = m / qw / qh;
  if (n >= p.batch) { return; }
  let oy = m / qw % qh * p.stride + phaseY;
  let ox = m % qw * p.stride + phaseX;
  let last = p.weights - 1u;
  var acc = vec4f();
  for (var ky = (phaseY + p.padTop) % p.stride; ky < p.kh; ky += p.stride) {
    let iy = (oy + p.padTop) / p.stride - ky / p.stride;
    if (iy >= p.h) { continue; }
    for (var kx = (phaseX + p.padLeft) % p.stride; kx < p.kw; kx += p.stride) {
      let ix = (ox + p.padLeft) / p.stride - kx / p.stride;
      if (ix >= p.w) { continue; }
      let place = ((n * p.h + iy) * p.w + ix) * p.ci4;
      let tap = ((ky * p.kw + kx) * p.co + o * 4u) * p.ci4;
      for (var c = 0u; c < p.ci4; c++) {
        let a = x[place + c];
        let row = tap + c;
        acc.x += dot(a, w[row]);
        acc.y += dot(a, w[min(row + p.ci4, last)]);
        acc.z += dot(a, w[min(row + 2u * p.ci4, last)]);
        acc.w += dot(a, w[min(row + 3u * p.ci4, last)]);
      }
    }
  }
  y[((n * p.oh + oy) * p.ow + ox) * p.co4 + o] = select(vec4f(), acc, vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co));
}
