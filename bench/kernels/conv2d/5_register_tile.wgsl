// y = conv2d(x, w), rung 5 (formula, layouts: 1_naive.wgsl; the ends of w: 3_vec4_in.wgsl).
// Changed: the register tile grows to PIXELS pixels × two vec4s of output channels, with neighbours along the channels.
// Why faster: 16 loads make 256 FMAs, rung 4 needs 32. A GPU has up to 255 registers an invocation for a tile that
// takes more than 100. SwiftShader gains half as much again. Lavapipe loses a fifth, and we have not found why: that
// the sums do not fit the CPU's registers cannot be all, since the winner "subgroup" holds as many.
const PIXELS: u32 = 8;

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  pixels: u32, weights: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let j = id.x + id.y * groups.x * 64u;
  let pairs = (p.co4 + 1u) / 2u;
  let oa = j % pairs;
  let m0 = j / pairs * PIXELS;
  if (m0 >= p.pixels) { return; }
  // The second vec4 of channels lies `pairs` further, so that neighbours stay side by side. With an odd count of them
  // the last one has no partner: it computes the last block once more, and does not store it.
  let ob = min(oa + pairs, p.co4 - 1u);

  var n: array<u32, PIXELS>; // unroll
  var y0: array<u32, PIXELS>; // unroll
  var x0: array<u32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  var bcc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = min(m0 + i, p.pixels - 1u);
    n[i] = m / p.ow / p.oh * p.h;
    y0[i] = m / p.ow % p.oh * p.stride - p.padTop;
    x0[i] = m % p.ow * p.stride - p.padLeft;
    acc[i] = vec4f();
    bcc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = 0u; ky < p.kh; ky++) {
    for (var kx = 0u; kx < p.kw; kx++) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        inside[i] = y0[i] + ky < p.h && x0[i] + kx < p.w;
        at[i] = select(0u, ((n[i] + y0[i] + ky) * p.w + x0[i] + kx) * p.ci4, inside[i]);
      }
      let tap = (ky * p.kw + kx) * p.ci * p.co4;
      for (var c = 0u; c < p.ci4; c++) {
        let r0 = tap + c * 4u * p.co4;
        let r1 = r0 + p.co4;
        let r2 = r1 + p.co4;
        let r3 = r2 + p.co4;
        let a0 = w[r0 + oa];
        let a1 = w[min(r1 + oa, last)];
        let a2 = w[min(r2 + oa, last)];
        let a3 = w[min(r3 + oa, last)];
        let b0 = w[r0 + ob];
        let b1 = w[min(r1 + ob, last)];
        let b2 = w[min(r2 + ob, last)];
        let b3 = w[min(r3 + ob, last)];
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let v = select(vec4f(), x[at[i] + c], inside[i]);
          acc[i] = fma(vec4f(v.x), a0, fma(vec4f(v.y), a1, fma(vec4f(v.z), a2, fma(vec4f(v.w), a3, acc[i]))));
          bcc[i] = fma(vec4f(v.x), b0, fma(vec4f(v.y), b1, fma(vec4f(v.z), b2, fma(vec4f(v.w), b3, bcc[i]))));
        }
      }
    }
  }
  for (var i = 0u; i < PIXELS; i++) { // unroll
    if (m0 + i < p.pixels) {
      y[(m0 + i) * p.co4 + oa] = acc[i];
      if (oa + pairs < p.co4) { y[(m0 + i) * p.co4 + ob] = bcc[i]; }
    }
  }
}
