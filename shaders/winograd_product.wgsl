// m = Aᵀ (u ⊙ v): products of a tile's T×T numbers with the weights', summed over the input channels, and at once the first
// half of what makes pixels of them, down the columns; winograd_output does the other. See winograd.ts; in the style that CPU
// adapters like (see conv2d_subgroup.wgsl).
//   v [phases, T·T, tiles, 4·sum4]   u [phases, T·T, 4·sum4, co]   m [phases, M, T, tiles, co]
// One subgroup: SG/BLOCKS groups of lanes. A group owns a column of PIXELS consecutive tiles × BLOCKS vec4s of output
// channels, one for each of its lanes. For every four input channels a lane loads LOADS v vec4s (of each group of its quad) and
// 4 of u, and the lanes of a group hand v round: 4·PIXELS vec4 FMAs for (SHARED + 1)·LOADS + 4 loads. Workgroup = one subgroup.
enable subgroups;
const SG: u32 = 8;
const PIXELS: u32 = 16; // tiles of a group: what are pixels for the other kernels
const BLOCKS: u32 = 8; // a power of two up to SG
const QUADS: u32 = 2; // quads of a group that load different tiles: BLOCKS / 4, up to PIXELS / 4, from 1
const LOADS: u32 = 2; // PIXELS / (4 · QUADS)
const SHARED: u32 = 0; // groups of a quad but the first: 4 / BLOCKS − 1, from 0
const T: u32 = 6;
const M: u32 = 4;
// A, row by row.
const A = array<vec4f, 6>(
  vec4f(1, 0, 0, 0),
  vec4f(1, 1, 1, 1),
  vec4f(1, -1, 1, -1),
  vec4f(1, 2, 4, 8),
  vec4f(1, -2, 4, -8),
  vec4f(0, 0, 0, 1),
);

struct P { tiles: u32, sum4: u32, co4: u32, rows: u32 }
@group(0) @binding(0) var<storage, read> v: array<vec4f>;
@group(0) @binding(1) var<storage, read> u: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

// What lanes 4k … 4k + 3 of the lane's group hold, in every quad of the group: see conv2d_subgroup.wgsl.
fn quad(v: vec4f, lane: u32, k: u32) -> vec4f {
  if (QUADS == 1) { return v; }
  return subgroupShuffle(v, lane / BLOCKS * BLOCKS + lane % 4 + k * 4);
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Lanes beyond the channels, and tiles beyond the last, compute the last once more and do not store.
  let o0 = wg.y * BLOCKS + lane % BLOCKS;
  let o = min(o0, p.co4 - 1);
  let group = lane / BLOCKS;
  let tile0 = wg.x * PIXELS * (SG / BLOCKS);
  let phase = wg.z / T;
  let column = wg.z % T;
  var fromTile: array<u32, SHARED * LOADS + LOADS>; // unroll
  for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
    let first = (lane / max(BLOCKS, 4) * (SHARED + 1) + j / LOADS) * PIXELS;
    let own = first + (j % LOADS * QUADS + lane / 4 % QUADS) * 4 + lane % 4;
    fromTile[j] = min(tile0 + own, p.tiles - 1) * p.sum4;
  }

  var sums: array<vec4f, M * PIXELS>; // unroll
  for (var i = 0u; i < M * PIXELS; i++) { // unroll
    sums[i] = vec4f();
  }
  for (var row = 0u; row < T; row++) {
    let matrix = (phase * T + row) * T + column;
    let fromV = matrix * p.tiles * p.sum4;
    var fromU = matrix * 4 * p.sum4 * p.co4 + o;
    var acc: array<vec4f, PIXELS>; // unroll
    for (var i = 0u; i < PIXELS; i++) { // unroll
      acc[i] = vec4f();
    }
    for (var c = 0u; c < p.sum4; c++) {
      var x: array<vec4f, SHARED * LOADS + LOADS>; // unroll
      for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
        x[j] = v[fromV + fromTile[j] + c];
      }
      let u0 = u[fromU];
      let u1 = u[fromU + p.co4];
      let u2 = u[fromU + 2 * p.co4];
      let u3 = u[fromU + 3 * p.co4];
      fromU += 4 * p.co4;
      var q: array<vec4f, SHARED * PIXELS / 4 + PIXELS / 4>; // unroll
      for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
        for (var k = 0u; k < QUADS; k++) { // unroll
          q[j * QUADS + k] = quad(x[j], lane, k);
        }
      }
      for (var i = 0u; i < PIXELS; i++) { // unroll
        var a = subgroupShuffle(q[i / 4], lane / 4 * 4 + i % 4);
        for (var g = 0u; g < SHARED; g++) { // unroll
          a = select(a, subgroupShuffle(q[g * PIXELS / 4 + PIXELS / 4 + i / 4], lane / 4 * 4 + i % 4), group % (SHARED + 1) == g + 1);
        }
        var sum = fma(vec4f(a.w), u3, acc[i]);
        sum = fma(vec4f(a.z), u2, sum);
        sum = fma(vec4f(a.y), u1, sum);
        acc[i] = fma(vec4f(a.x), u0, sum);
      }
    }
    let by = A[row];
    for (var i = 0u; i < M; i++) { // unroll
      for (var j = 0u; j < PIXELS; j++) { // unroll
        sums[i * PIXELS + j] = fma(vec4f(by[i]), acc[j], sums[i * PIXELS + j]);
      }
    }
  }

  if (o0 >= p.co4) { return; }
  // A store is a few hundred instructions for a CPU: one for all rows of a tile, p.rows = M, which no driver unrolls.
  for (var i = 0u; i < p.rows; i++) {
    let to = ((phase * M + i) * T + column) * p.tiles;
    for (var j = 0u; j < PIXELS; j++) { // unroll
      let tile = tile0 + group * PIXELS + j;
      if (tile < p.tiles) {
        let upper = select(sums[j], sums[PIXELS + j], i == 1);
        let lower = select(sums[2 * PIXELS + j], sums[3 * PIXELS + j], i == 3);
        m[(to + tile) * p.co4 + o] = select(upper, lower, i >= 2);
      }
    }
  }
}
