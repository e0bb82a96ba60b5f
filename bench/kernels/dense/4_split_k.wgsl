// y = x·w, rung 4 (formula, layouts: 1_naive.wgsl; the ends of w: 2_vec4.wgsl), first pass of two:
//   partial [splits][N][out]; shaders/sum_partials.wgsl adds the splits in index order.
// Changed: the inputs are split among the workgroups' z, `perSplit` vec4s of them each.
// Why faster: a dense layer behind a flatten has thousands of inputs and a batch of a few rows. Rung 3 then has
// N/8·out4 invocations, too few to fill a GPU, each with a very long loop. The price: splits times the result is
// written and read.
const ROWS: u32 = 8;

struct P { n: u32, in4: u32, out4: u32, weights: u32, perSplit: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> w: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let j = id.x + id.y * groups.x * 64u;
  let o = j % p.out4;
  let n0 = j / p.out4 * ROWS;
  if (n0 >= p.n) { return; }
  let last = p.weights - 1u;
  var at: array<u32, ROWS>; // unroll
  var acc: array<vec4f, ROWS>; // unroll
  for (var r = 0u; r < ROWS; r++) { // unroll
    at[r] = min(n0 + r, p.n - 1u) * p.in4;
    acc[r] = vec4f();
  }
  let end = min((id.z + 1u) * p.perSplit, p.in4);
  for (var i = id.z * p.perSplit; i < end; i++) {
    let row = i * 4u * p.out4 + o;
    let w0 = w[row];
    let w1 = w[min(row + p.out4, last)];
    let w2 = w[min(row + 2u * p.out4, last)];
    let w3 = w[min(row + 3u * p.out4, last)];
    for (var r = 0u; r < ROWS; r++) { // unroll
      let a = x[at[r] + i];
      acc[r] = fma(vec4f(a.x), w0, fma(vec4f(a.y), w1, fma(vec4f(a.z), w2, fma(vec4f(a.w), w3, acc[r]))));
    }
  }
  for (var r = 0u; r < ROWS; r++) { // unroll
    if (n0 + r < p.n) { partial[(id.z * p.n + n0 + r) * p.out4 + o] = acc[r]; }
  }
}
