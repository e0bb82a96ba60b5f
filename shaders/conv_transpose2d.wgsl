// y = activation(convTranspose2d(x, w) + b): the input gradient of conv2d, as a gather (never a scatter).
//   x [N][H][W][ci]   w [kh][kw][co][ci]   b [co]   y [N][OH][OW][co]      (last axis padded to vec4s; padding is zero)
//   y[n,oy,ox,o] = Σ ky,kx,c  x[n, (oy+padTop−ky)/stride, (ox+padLeft−kx)/stride, c] · w[ky,kx,o,c], over exact quotients
// Outputs of one phase (oy mod stride, ox mod stride) use the same taps, so each phase is a dense convolution; the phases
// lie along the workgroup's z. Phase extents: qh·qw positions; pixel m of a phase is (n, qy, qx), oy = qy·stride + phase.
// The readable baseline. One invocation: PIXELS pixels of one phase × one vec4 of output channels. One workgroup: LANES
// neighbours along the channels, 64 / LANES groups of pixels. FLOPs: 2·N·OH·OW·co·ci·kh·kw / stride².
const LANES: u32 = 8;
const PIXELS: u32 = 4;
const BIAS: u32 = 1; // 0 none, 1 b is a bias [co], 2 b is of y's shape: y = sum · activation'(where the activation gave b)
const ACTIVATION: u32 = 0; // 0 none, 1 leaky ReLU (ReLU: alpha = 0), 2 sigmoid, 3 tanh

struct P {
  h: u32, w: u32, ci4: u32,
  oh: u32, ow: u32, co: u32, co4: u32,
  kh: u32, kw: u32, stride: u32, padTop: u32, padLeft: u32,
  batch: u32, weights: u32, alpha: f32,
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

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) li: u32) {
  let phaseY = wg.z / p.stride;
  let phaseX = wg.z % p.stride;
  if (phaseY >= p.oh || phaseX >= p.ow) { return; }
  let qh = (p.oh - phaseY + p.stride - 1u) / p.stride;
  let qw = (p.ow - phaseX + p.stride - 1u) / p.stride;
  let pixels = p.batch * qh * qw;
  let channelGroups = (p.co4 + LANES - 1u) / LANES;
  let o = wg.y % channelGroups * LANES + li % LANES;
  let m0 = ((wg.x + wg.y / channelGroups * count.x) * (64 / LANES) + li / LANES) * PIXELS;
  if (o >= p.co4 || m0 >= pixels) { return; }

  var n: array<u32, PIXELS>; // unroll
  var y0: array<i32, PIXELS>; // unroll
  var x0: array<i32, PIXELS>; // unroll
  var to: array<u32, PIXELS>; // unroll
  var acc: array<vec4f, PIXELS>; // unroll
  // The first tap of this phase, and the source row that it reads for qy = 0.
  let ky0 = (phaseY + p.padTop) % p.stride;
  let kx0 = (phaseX + p.padLeft) % p.stride;
  for (var i = 0u; i < PIXELS; i++) { // unroll
    let m = m0 + i;
    let row = m / qw;
    let image = row / qh;
    let oy = row % qh * p.stride + phaseY;
    let ox = m % qw * p.stride + phaseX;
    n[i] = image * p.h;
    y0[i] = select(i32((oy + p.padTop) / p.stride), -65536, m >= pixels);
    x0[i] = i32((ox + p.padLeft) / p.stride);
    to[i] = ((image * p.oh + oy) * p.ow + ox) * p.co4 + o;
    acc[i] = vec4f();
  }
  let last = p.weights - 1u;
  for (var ky = ky0; ky < p.kh; ky += p.stride) {
    for (var kx = kx0; kx < p.kw; kx += p.stride) {
      var at: array<u32, PIXELS>; // unroll
      var inside: array<bool, PIXELS>; // unroll
      for (var i = 0u; i < PIXELS; i++) { // unroll
        let iy = u32(y0[i] - i32(ky / p.stride));
        let ix = u32(x0[i] - i32(kx / p.stride));
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
        // Turned so that the four outputs lie in one vec4.
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
  var bias = vec4f();
  if (BIAS == 1) { bias = b[o]; }
  for (var i = 0u; i < PIXELS; i++) { // unroll
    if (m0 + i < pixels) { y[to[i]] = select(vec4f(), finish(acc[i], bias, to[i]), keep); }
  }
}
