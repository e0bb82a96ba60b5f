// y = convTranspose2d(x, w), rung 4 (formula, layouts: 1_naive.wgsl; phases: 3_phase.wgsl; the ends of w: 2_vec4.wgsl).
// Changed: one invocation computes PIXELS pixels of a phase. The 4×4 block of weights is turned once, so that 4 outputs
// lie in a vec4, and then used for all of them.
// Why faster: 12 loads make 128 FMAs, rung 3 needs 40; turning is paid once for PIXELS pixels and saves the additions
// across lanes that a dot product ends with. The winner "baseline" is this with 4 pixels: more invocations, fewer
// registers.
const PIXELS: u32 = 8;

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
  let pixels = p.batch * qh * qw;
  let j = id.x + id.y * groups.x * 64u;
  let o = j % p.co4;
  let m0 = j / p.co4 * PIXELS;
  if (m0 >= pixels) { return; }

  var n: array<u32, PIXELS>; // unroll
  var y0: array<u32, PIXELS>; // unroll
  var x0: array<u32, PIXELS>; // unroll
  var to: array<u32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    // Pixels beyond the last compute the last once more, and are not stored.
    let m = min(m0 + i, pixels - 1u);
    let oy = m / qw % qh * p.stride + phaseY;
    let ox = m % qw * p.stride + phaseX;
    n[i] = m / qw / qh * p.h;
    y0[i] = (oy + p.padTop) / p.stride;
    x0[i] = (ox + p.padLeft) / p.stride;
    to[i] = ((m / qw / qh * p.oh + oy) * p.ow + ox) * p.co4 + o;
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = (phaseY + p.padTop) % p.stride; ky < p.kh; ky += p.stride) {
    for (var kx = (phaseX + p.padLeft) % p.stride; kx < p.kw; kx += p.stride) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let iy = y0[i] - ky / p.stride;
        let ix = x0[i] - kx / p.stride;
        inside[i] = iy < p.h && ix < p.w;
        at[i] = select(0u, ((n[i] + iy) * p.w + ix) * p.ci4, inside[i]);
      }
      let tap = ((ky * p.kw + kx) * p.co + o * 4u) * p.ci4;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c;
        let r0 = w[row];
        let r1 = w[min(row + p.ci4, last)];
        let r2 = w[min(row + 2u * p.ci4, last)];
        let r3 = w[min(row + 3u * p.ci4, last)];
        let w0 = vec4f(r0.x, r1.x, r2.x, r3.x);
        let w1 = vec4f(r0.y, r1.y, r2.y, r3.y);
        let w2 = vec4f(r0.z, r1.z, r2.z, r3.z);
        let w3 = vec4f(r0.w, r1.w, r2.w, r3.w);
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = select(vec4f(), x[at[i] + c], inside[i]);
          acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
        }
      }
    }
  }
  let keep = vec4u(0, 1, 2, 3) + o * 4u < vec4u(p.co);
  for (var i = 0u; i < PIXELS; i++) { // unroll
    if (m0 + i < pixels) { y[to[i]] = select(vec4f(), acc[i], keep); }
  }
}
