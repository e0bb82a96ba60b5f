// y = x·w, rung 5 (formula, layouts: 1_naive.wgsl): the textbook's tiled matrix product.
// Changed: both operands go through workgroup memory. One workgroup: 32 rows × 8 vec4s of outputs; every 16 inputs it
// stages 32 × 4 vec4s of x and 16 × 8 of w (4 KiB together), four an invocation. One invocation: ROWS rows × one vec4.
// Why faster: 4 buffer loads an invocation make 256 FMAs (rung 3: 24). It needs 32 rows to fill its tile: right for
// square products on a GPU, wasteful for a batch of 8. See conv2d/7_workgroup_tile.wgsl for the CPU's side.
const ROWS: u32 = 4;
const OUTPUTS: u32 = 8; // vec4s
const STEP: u32 = 4; // vec4s of inputs
const HEIGHT: u32 = 32; // rows of a workgroup: ROWS · 64 / OUTPUTS

struct P { n: u32, inputs: u32, in4: u32, out4: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

var<workgroup> tileX: array<vec4f, HEIGHT * STEP>;
var<workgroup> tileW: array<vec4f, 4 * STEP * OUTPUTS>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) wg: vec3u,
  @builtin(num_workgroups) count: vec3u,
  @builtin(local_invocation_index) li: u32,
) {
  let lane = li % OUTPUTS;
  let o = wg.y * OUTPUTS + lane;
  let base = (wg.x + wg.z * count.x) * HEIGHT;
  let own = li / OUTPUTS * ROWS; // the first of its rows within the workgroup's
  var acc: array<vec4f, ROWS>; // unroll
  for (var r = 0u; r < ROWS; r++) { // unroll
    acc[r] = vec4f();
  }
  for (var i0 = 0u; i0 < p.in4; i0 += STEP) {
    workgroupBarrier();
    for (var j = 0u; j < HEIGHT * STEP / 64; j++) { // unroll
      let n = base + (j * 64 + li) / STEP;
      let i = i0 + li % STEP;
      let ok = n < p.n && i < p.in4;
      tileX[j * 64 + li] = select(vec4f(), x[select(0u, n * p.in4 + i, ok)], ok);
    }
    for (var j = 0u; j < 4 * STEP * OUTPUTS / 64; j++) { // unroll
      let row = i0 * 4u + (j * 64 + li) / OUTPUTS;
      let ok = row < p.inputs && o < p.out4;
      tileW[j * 64 + li] = select(vec4f(), w[select(0u, row * p.out4 + o, ok)], ok);
    }
    workgroupBarrier();
    let end = min(STEP, p.in4 - i0);
    for (var i = 0u; i < end; i++) {
      let w0 = tileW[i * 4u * OUTPUTS + lane];
      let w1 = tileW[(i * 4u + 1u) * OUTPUTS + lane];
      let w2 = tileW[(i * 4u + 2u) * OUTPUTS + lane];
      let w3 = tileW[(i * 4u + 3u) * OUTPUTS + lane];
      for (var r = 0u; r < ROWS; r++) { // unroll
        let a = tileX[(own + r) * STEP + i];
        acc[r] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[r]))));
      }
    }
  }
  if (o < p.out4) {
    for (var r = 0u; r < ROWS; r++) { // unroll
      if (base + own + r < p.n) { y[(base + own + r) * p.out4 + o] = acc[r]; }
    }
  }
}
