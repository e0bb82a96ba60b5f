// gw = conv2d's weight gradient, first pass, as conv2d_weight_grad.wgsl (formula, layouts, uniform), in the style that CPU
// adapters like (see conv2d_subgroup.wgsl).
// A "row" of the result is (tap, four input channels). One subgroup: four rows × BLOCKS vec4s of output channels, one for
// each lane of a group; its SG/BLOCKS groups of lanes share the pixels of an output row, so that few channels leave no lane
// idle, and each group makes a partial sum of its own. Per STEP pixels of its group a lane loads LOADS x vec4s (of each group of
// its quad; row lane % 4) and STEP of gy, and the lanes of a group hand x round: 16·STEP vec4 FMAs for (SHARED + 1)·LOADS +
// STEP loads.
enable subgroups;
const SG: u32 = 8;
const STEP: u32 = 2; // SG / 4
const BLOCKS: u32 = 8; // a power of two up to SG
const QUADS: u32 = 2; // quads of a group that load different pixels: BLOCKS / 4, up to STEP, from 1
const LOADS: u32 = 1; // STEP / QUADS
const SHARED: u32 = 0; // groups of a quad but the first: 4 / BLOCKS − 1, from 0
const SMALL: u32 = 1; // whether all rows are fewer than 2^20

struct P {
  h: u32, w: u32, ci: u32, ci4: u32,
  oh: u32, ow: u32, co4: u32,
  kw: u32, taps: u32, stride: u32, padTop: u32, padLeft: u32,
  rows: u32, rowsPerSplit: u32,
}
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> gy: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> partial: array<vec4f>;
@group(0) @binding(3) var<uniform> p: P;

// a / d, rounded down. CPU drivers divide whole numbers, and turn floats into them, one lane after the other; this way
// they need not. Exact for a < 2^20 (SMALL = 1): the quotient's error is less than its distance from a whole number.
fn divide(a: u32, d: u32) -> u32 {
  if (SMALL == 0) { return a / d; }
  return bitcast<u32>(floor((f32(i32(a)) + 0.5) / f32(i32(d))) + 8388608.0) & 0x7fffffu;
}

// What lanes 4k … 4k + 3 of the lane's group hold, in every quad of the group: see conv2d_subgroup.wgsl.
fn quad(v: vec4f, lane: u32, k: u32) -> vec4f {
  if (QUADS == 1) { return v; }
  return subgroupShuffle(v, lane / BLOCKS * BLOCKS + lane % 4 + k * 4);
}

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let o0 = wg.x * BLOCKS + lane % BLOCKS;
  let group = lane / BLOCKS;
  let o = min(o0, p.co4 - 1u);
  // The row that this lane loads x for; rows beyond the last are computed and not stored.
  let r = wg.y * 4 + lane % 4;
  let tap = divide(r, p.ci4);
  let c = r - tap * p.ci4;
  let tapRow = divide(tap, p.kw);
  let ky = i32(tapRow) - i32(p.padTop);
  let kx = i32(tap - tapRow * p.kw) - i32(p.padLeft);
  // Its first pixel, of those that the subgroup takes in a turn.
  let ahead = lane / max(BLOCKS, 4) * (SHARED + 1) * STEP + lane / 4 % QUADS;

  var acc: array<vec4f, 16>; // unroll
  for (var i = 0u; i < 16; i++) { // unroll
    acc[i] = vec4f();
  }
  let begin = wg.z * p.rowsPerSplit;
  let end = min(begin + p.rowsPerSplit, p.rows);
  var image = divide(begin, p.oh);
  var oy = begin - image * p.oh;
  for (var row = begin; row < end; row++) {
    let iy = u32(i32(oy * p.stride) + ky);
    let line = (image * p.h + iy) * p.w;
    let inside = iy < p.h && tap < p.taps;
    // Group g takes the STEP pixels from ox + g·STEP on.
    for (var ox = 0u; ox < p.ow; ox += STEP * (SG / BLOCKS)) {
      var q: array<vec4f, SHARED * STEP + STEP>; // unroll
      for (var j = 0u; j < SHARED * LOADS + LOADS; j++) { // unroll
        let at = ox + ahead + j * QUADS;
        let ix = u32(i32(at * p.stride) + kx);
        let ok = inside && ix < p.w && at < p.ow;
        let v = select(vec4f(), x[select(0u, (line + ix) * p.ci4 + c, ok)], ok);
        for (var k = 0u; k < QUADS; k++) { // unroll
          q[j * QUADS + k] = quad(v, lane, k);
        }
      }
      for (var j = 0u; j < STEP; j++) { // unroll
        let gv = gy[(row * p.ow + min(ox + group * STEP + j, p.ow - 1u)) * p.co4 + o];
        for (var i = 0u; i < 4; i++) { // unroll
          var a = subgroupShuffle(q[j], lane / 4 * 4 + i);
          for (var g = 0u; g < SHARED; g++) { // unroll
            a = select(a, subgroupShuffle(q[g * STEP + STEP + j], lane / 4 * 4 + i), group % (SHARED + 1) == g + 1);
          }
          acc[i * 4 + 0] = fma(vec4f(a.x), gv, acc[i * 4 + 0]);
          acc[i * 4 + 1] = fma(vec4f(a.y), gv, acc[i * 4 + 1]);
          acc[i * 4 + 2] = fma(vec4f(a.z), gv, acc[i * 4 + 2]);
          acc[i * 4 + 3] = fma(vec4f(a.w), gv, acc[i * 4 + 3]);
        }
      }
    }
    oy++;
    if (oy == p.oh) {
      oy = 0u;
      image++;
    }
  }
  if (o0 >= p.co4) { return; }
  var toTap = divide(wg.y * 4, p.ci4);
  var toC = (wg.y * 4 - toTap * p.ci4) * 4u;
  for (var i = 0u; i < 4; i++) { // unroll
    if (toTap < p.taps) {
      let to = (((wg.z * (SG / BLOCKS) + group) * p.taps + toTap) * p.ci + toC) * p.co4 + o;
      partial[to] = acc[i * 4 + 0];
      if (toC + 1u < p.ci) { partial[to + p.co4] = acc[i * 4 + 1]; }
      if (toC + 2u < p.ci) { partial[to + 2u * p.co4] = acc[i * 4 + 2]; }
      if (toC + 3u < p.ci) { partial[to + 3u * p.co4] = acc[i * 4 + 3]; }
    }
    toC += 4u;
    if (toC >= p.ci) {
      toC = 0u;
      toTap++;
    }
  }
}
