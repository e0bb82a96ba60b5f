// m = Σ over the tiles  v zᵀ, channels of x by channels of gy, for each of the T·T numbers that winograd_input makes of a
// tile of either: T·T matrix products. See winograd.ts; in the style that CPU adapters like (see conv2d_subgroup.wgsl).
//   v [matrices, tiles, phases·ci]   z [matrices, tiles, co]   m [phases, matrices, ci, co]
// One subgroup: SG/BLOCKS groups of lanes, each with a matrix of its own. A group owns ROWS vec4s of x's channels × BLOCKS
// vec4s of gy's, one for each of its lanes. For every STEP tiles a lane loads LOADS v vec4s of each group's matrix and
// STEP of z, and the subgroup hands v round: 4·ROWS·STEP vec4 FMAs for (MORE + 1)·LOADS + STEP loads. (To hand it round within
// quads, as conv2d_subgroup.wgsl does, was a fifth slower here.)
enable subgroups;
const SG: u32 = 8;
const ROWS: u32 = 8; // up to SG
const STEP: u32 = 2;
const AHEAD: u32 = 1; // SG / ROWS: tiles that one load of all lanes covers
const LOADS: u32 = 2; // STEP / AHEAD
const BLOCKS: u32 = 8; // a power of two up to SG
const MORE: u32 = 0; // groups but the first: SG / BLOCKS − 1

struct P { matrices: u32, tiles: u32, ci: u32, ci4: u32, sum4: u32, co4: u32 }
@group(0) @binding(0) var<storage, read> v: array<vec4f>;
@group(0) @binding(1) var<storage, read> z: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> m: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  // Lanes beyond the channels or matrices compute the last ones once more, and do not store.
  let o0 = wg.x * BLOCKS + lane % BLOCKS;
  let group = lane / BLOCKS;
  let matrix = wg.z * (MORE + 1) + group;
  let last = p.matrices - 1;
  let o = min(o0, p.co4 - 1);
  let fromZ = min(matrix, last) * p.tiles * p.co4 + o;
  let c = min(wg.y * ROWS + lane % ROWS, p.sum4 - 1);
  let ahead = lane / ROWS;

  var acc: array<vec4f, ROWS * 4>; // unroll
  for (var i = 0u; i < ROWS * 4; i++) { // unroll
    acc[i] = vec4f();
  }
  for (var tile = 0u; tile < p.tiles; tile += STEP) {
    var a: array<vec4f, MORE * LOADS + LOADS>; // unroll
    for (var g = 0u; g < MORE + 1; g++) { // unroll
      let fromV = min(wg.z * (MORE + 1) + g, last) * p.tiles;
      for (var l = 0u; l < LOADS; l++) { // unroll
        let at = tile + l * AHEAD + ahead;
        let ok = at < p.tiles;
        a[g * LOADS + l] = select(vec4f(), v[select(0, (fromV + at) * p.sum4 + c, ok)], ok);
      }
    }
    var b: array<vec4f, STEP>; // unroll
    for (var k = 0u; k < STEP; k++) { // unroll
      b[k] = z[fromZ + min(tile + k, p.tiles - 1) * p.co4];
    }
    for (var i = 0u; i < ROWS; i++) { // unroll
      for (var l = 0u; l < LOADS; l++) { // unroll
        for (var j = 0u; j < AHEAD; j++) { // unroll
          var one = subgroupShuffle(a[l], j * ROWS + i);
          for (var g = 0u; g < MORE; g++) { // unroll
            one = select(one, subgroupShuffle(a[g * LOADS + LOADS + l], j * ROWS + i), group == g + 1);
          }
          let by = b[l * AHEAD + j];
          acc[i * 4 + 0] = fma(vec4f(one.x), by, acc[i * 4 + 0]);
          acc[i * 4 + 1] = fma(vec4f(one.y), by, acc[i * 4 + 1]);
          acc[i * 4 + 2] = fma(vec4f(one.z), by, acc[i * 4 + 2]);
          acc[i * 4 + 3] = fma(vec4f(one.w), by, acc[i * 4 + 3]);
        }
      }
    }
  }
  if (o0 >= p.co4 || matrix > last) { return; }
  for (var i = 0u; i < ROWS; i++) { // unroll
    let row = wg.y * ROWS + i;
    let phase = row / p.ci4;
    let channel = (row - phase * p.ci4) * 4;
    let to = ((phase * p.matrices + matrix) * p.ci + channel) * p.co4 + o;
    if (row < p.sum4) {
      m[to] = acc[i * 4 + 0];
      if (channel + 1 < p.ci) { m[to + p.co4] = acc[i * 4 + 1]; }
      if (channel + 2 < p.ci) { m[to + 2 * p.co4] = acc[i * 4 + 2]; }
      if (channel + 3 < p.ci) { m[to + 3 * p.co4] = acc[i * 4 + 3]; }
    }
  }
}
