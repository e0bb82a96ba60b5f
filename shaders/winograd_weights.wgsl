// u = G w Gᵀ for every pair of channels: the 6×6 numbers by which winograd_input's are multiplied. See winograd.ts.
// x [3, 3, ci, co] as conv2d has weights, or TRANSPOSED: [3, 3, co, ci] as convTranspose2d has them, turned by 180°.
// u [36, ci, co]. One invocation makes one vec4 of output channels for one input channel.
const TRANSPOSED: u32 = 0;

struct P { count: u32, ci: u32, ci4: u32, co: u32, co4: u32 }
@group(0) @binding(0) var<storage, read> w: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> u: array<vec4f>;
@group(0) @binding(2) var<uniform> p: P;

fn weight(tap: u32, c: u32, o: u32) -> vec4f {
  if (TRANSPOSED == 0) { return w[(tap * p.ci + c) * p.co4 + o]; }
  var v: vec4f;
  for (var i = 0u; i < 4; i++) { // unroll
    let row = min(o * 4 + i, p.co - 1);
    v[i] = w[((8 - tap) * p.co + row) * p.ci4 + c / 4][c % 4];
  }
  return select(vec4f(), v, vec4u(0, 1, 2, 3) + o * 4 < vec4u(p.co));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let at = id.x + id.y * groups.x * 64;
  if (at >= p.count) { return; }
  let c = at / p.co4;
  let o = at % p.co4;
  var t: array<vec4f, 18>; // unroll
  for (var j = 0u; j < 3; j++) { // unroll
    let a = weight(j, c, o);
    let b = weight(3 + j, c, o);
    let d = weight(6 + j, c, o);
    let even = (a + d) / 6.0;
    let far = (a / 4.0 + d) / 6.0;
    t[j] = a / 4.0;
    t[3 + j] = -even - b / 6.0;
    t[6 + j] = b / 6.0 - even;
    t[9 + j] = far + b / 12.0;
    t[12 + j] = far - b / 12.0;
    t[15 + j] = d;
  }
  for (var r = 0u; r < 6; r++) { // unroll
    let a = t[r * 3];
    let b = t[r * 3 + 1];
    let d = t[r * 3 + 2];
    let even = (a + d) / 6.0;
    let far = (a / 4.0 + d) / 6.0;
    let to = r * 6 * p.count + at;
    u[to] = a / 4.0;
    u[to + p.count] = -even - b / 6.0;
    u[to + 2 * p.count] = b / 6.0 - even;
    u[to + 3 * p.count] = far + b / 12.0;
    u[to + 4 * p.count] = far - b / 12.0;
    u[to + 5 * p.count] = d;
  }
}
