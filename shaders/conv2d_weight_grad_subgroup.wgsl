// gw = conv2d's weight gradient, first pass, as conv2d_weight_grad.wgsl (formula, layouts, uniform), in the style that CPU
// adapters like (see conv2d_subgroup.wgsl).
// A "row" of the result is (tap, four input channels). One subgroup: ROWS rows × SG vec4s of output channels, over the
// output rows of its split. A lane owns one vec4 of output channels; per SG / ROWS pixels it loads one x vec4 (row
// lane % ROWS, pixel lane / ROWS) and its own gy, and the subgroup hands x round: 4·SG vec4 FMAs for 1 + SG/ROWS loads.
enable subgroups;
const SG: u32 = 8;
const ROWS: u32 = 4;

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

@compute @workgroup_size(SG)
fn main(@builtin(workgroup_id) wg: vec3u, @builtin(local_invocation_index) lane: u32) {
  let o0 = wg.x * SG + lane;
  let o = min(o0, p.co4 - 1u);
  // The row that this lane loads x for; rows beyond the last are computed and not stored.
  let r = wg.y * ROWS + lane % ROWS;
  let tap = r / p.ci4;
  let c = r % p.ci4;
  let ky = i32(tap / p.kw) - i32(p.padTop);
  let kx = i32(tap % p.kw) - i32(p.padLeft);
  let ahead = lane / ROWS;

  var acc: array<vec4f, ROWS * 4>; // unroll
  for (var i = 0u; i < ROWS * 4; i++) { // unroll
    acc[i] = vec4f();
  }
  let end = min((wg.z + 1u) * p.rowsPerSplit, p.rows);
  for (var row = wg.z * p.rowsPerSplit; row < end; row++) {
    let iy = u32(i32(row % p.oh * p.stride) + ky);
    let line = (row / p.oh * p.h + iy) * p.w;
    let inside = iy < p.h && tap < p.taps;
    for (var ox = 0u; ox < p.ow; ox += SG / ROWS) {
      let ix = u32(i32((ox + ahead) * p.stride) + kx);
      let ok = inside && ix < p.w && ox + ahead < p.ow;
      let v = select(vec4f(), x[select(0u, (line + ix) * p.ci4 + c, ok)], ok);
      for (var j = 0u; j < SG / ROWS; j++) { // unroll
        let g = gy[(row * p.ow + min(ox + j, p.ow - 1u)) * p.co4 + o];
        for (var i = 0u; i < ROWS; i++) { // unroll
          let a = subgroupShuffle(v, j * ROWS + i);
          acc[i * 4 + 0] = fma(vec4f(a.x), g, acc[i * 4 + 0]);
          acc[i * 4 + 1] = fma(vec4f(a.y), g, acc[i * 4 + 1]);
          acc[i * 4 + 2] = fma(vec4f(a.z), g, acc[i * 4 + 2]);
          acc[i * 4 + 3] = fma(vec4f(a.w), g, acc[i * 4 + 3]);
        }
      }
    }
  }
  if (o0 >= p.co4) { return; }
  for (var i = 0u; i < ROWS; i++) { // unroll
    let toTap = (wg.y * ROWS + i) / p.ci4;
    let toC = (wg.y * ROWS + i) % p.ci4 * 4u;
    if (toTap < p.taps) {
      let to = ((wg.z * p.taps + toTap) * p.ci + toC) * p.co4 + o;
      partial[to] = acc[i * 4 + 0];
      if (toC + 1u < p.ci) { partial[to + p.co4] = acc[i * 4 + 1]; }
      if (toC + 2u < p.ci) { partial[to + 2u * p.co4] = acc[i * 4 + 2]; }
      if (toC + 3u < p.ci) { partial[to + 3u * p.co4] = acc[i * 4 + 3]; }
    }
  }
}
