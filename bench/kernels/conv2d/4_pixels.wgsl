// y = conv2d(x, w), rung 4 (formula, layouts: 1_naive.wgsl; the ends of w: 3_vec4_in.wgsl).
// Changed: one invocation computes PIXELS pixels of a vec4 of output channels, with the sums in registers. Neighbouring
// invocations lie along the PIXELS; all of a workgroup share their channels.
// Why faster: the 4 weight vec4s are used for 4 pixels: 8 loads make 64 FMAs, rung 3 needs 20.
// Not the last word: neighbours read x at addresses ci apart. The winner "baseline" has the same tile with neighbours
// along the channels, where they read the same x and weights side by side; on a GPU that is one wide access instead of
// many narrow ones. A CPU driver loads lane by lane either way.
// How many pixels are best is the adapter's: lavapipe is slower by a third with 8, SwiftShader still gains with 16.
const PIXELS: u32 = 4;

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
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let o = wg.y;
  let m0 = ((wg.x + wg.z * count.x) * 64u + li) * PIXELS;
  if (m0 >= p.pixels) { return; }

  var n: array<u32, PIXELS>; // unroll
  var y0: array<u32, PIXELS>; // unroll
  var x0: array<u32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  for (var i = 0u; i < PIXELS; i++) { // unroll
    // Pixels beyond the last compute the last once more, and are not stored.
    let m = min(m0 + i, p.pixels - 1u);
    n[i] = m / p.ow / p.oh * p.h;
    y0[i] = m / p.ow % p.oh * p.stride - p.padTop;
    x0[i] = m % p.ow * p.stride - p.padLeft;
    acc[i] = vec4f();
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
      let tap = (ky * p.kw + kx) * p.ci * p.co4 + o;
      for (var c = 0u; c < p.ci4; c++) {
        let row = tap + c * 4u * p.co4;
        let w0 = w[row];
        let w1 = w[min(row + p.co4, last)];
        let w2 = w[min(row + 2u * p.co4, last)];
        let w3 = w[min(row + 3u * p.co4, last)];
        for (var i = 0u; i < PIXELS; i++) { // unroll
          let a = select(vec4f(), x[at[i] + c], inside[i]);
          acc[i] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[i]))));
        }
      }
    }
  }
  for (var i = 0u; i < PIXELS; i++) { // unroll
    if (m0 + i < p.pixels) { y[(m0 + i) * p.co4 + o] = acc[i]; }
  }
}
