// The gradient of max_pool2d, as a gather: gx[n, a, b, c] = Σ gy[n, i, j, c] over the windows (i, j) that hold (a, b) and
// whose greatest number, in row-major order the first of equals, stands there.
//   x, gx [N, h, w, C], y, gy [N, oh, ow, C], channels padded to vec4s (c4 of them), zero in gy and so in gx.
// A window holds row a if i·stride ≤ a < i·stride + size: i from ⌈(a − size + 1) / stride⌉ to ⌊a / stride⌋.
// One invocation: one vec4 of gx, over the windows row by row; a window's earlier numbers are read only where its y is
// x[a, b]. At most one addition for each window that a number lies in.
struct P { count: u32, h: u32, w: u32, oh: u32, ow: u32, c4: u32, size: u32, stride: u32 }
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> gy: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> gx: array<vec4f>;
@group(0) @binding(4) var<uniform> p: P;

// The first window that holds this row or column.
fn firstWindow(at: u32) -> u32 { return select((at - p.size) / p.stride + 1u, 0u, at < p.size); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let t = id.x + id.y * groups.x * 64u;
  if (t >= p.count) { return; }
  let c = t % p.c4;
  let b = t / p.c4 % p.w;
  let a = t / (p.c4 * p.w) % p.h;
  let n = t / (p.c4 * p.w * p.h);
  let own = x[t];
  let lastRow = min(a / p.stride + 1u, p.oh);
  let lastColumn = min(b / p.stride + 1u, p.ow);
  var g = vec4f();
  for (var i = firstWindow(a); i < lastRow; i++) {
    for (var j = firstWindow(b); j < lastColumn; j++) {
      let at = ((n * p.oh + i) * p.ow + j) * p.c4 + c;
      var first = y[at] == own;
      if (any(first)) {
        let top = i * p.stride;
        let left = j * p.stride;
        let right = min(left + p.size, p.w);
        for (var u = top; u <= a; u++) {
          // Of its own row, only what stands before it.
          let end = select(right, b, u == a);
          for (var v = left; v < end; v++) {
            first = first & (x[((n * p.h + u) * p.w + v) * p.c4 + c] != own);
          }
        }
        g += select(vec4f(), gy[at], first);
      }
    }
  }
  gx[t] = g;
}
