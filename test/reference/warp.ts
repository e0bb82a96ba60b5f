import { at, fill, indices, map, offset, type Tensor, zeros } from "./tensor.js";

/** A share of a picture's pixel (row, column), and how far at most it is from that in float32. */
interface Share {
  row: number;
  column: number;
  share: number;
  error: number;
}

const EPSILON = 2 ** -24;

/**
 * Where pixel `i` of `size` is taken from along one axis, within the picture, and how far at most float32 is from that.
 * In units of 2⁻²⁴, D the largest displacement: the part of a cell is a quotient below 1, granted 2.5 ULP; a mix of two
 * displacements gets 2D times that, and D for each of 1 − f, two products and their sum: 9D, and twice that for the mix
 * of two mixes. The last sum is rounded once: i + D more. Clamping adds nothing.
 */
function origin(i: number, size: number, displacement: number, most: number): { place: number; error: number } {
  const place = Math.min(Math.max(i + displacement, 0), size - 1);
  return { place, error: EPSILON * (19 * most + i) };
}

/** Bilinear between the control points: point (a, b) of 5×5 stands at a·H / 4, b·W / 4, the pixel's centre at i + ½, j + ½. */
function displacementAt(grid: Tensor, n: number, [i, j]: number[], [h, w]: number[], axis: number): number {
  const [u, v] = [((i + 0.5) * 4) / h, ((j + 0.5) * 4) / w];
  let sum = 0;
  for (let a = 0; a < 5; a++) {
    for (let b = 0; b < 5; b++) sum += tent(u - a) * tent(v - b) * at(grid, n, a, b, axis);
  }
  return sum;
}

const tent = (t: number): number => Math.max(0, 1 - Math.abs(t));

/** The pixels that y[n, i, j] is made of: where they may be of none in float64 and of some in float32, with a share of 0. */
function sharesOf(grid: Tensor, n: number, i: number, j: number, h: number, w: number): Share[] {
  const most = [0, 1].map((axis) => {
    const own = indices([5, 5]).map(([a, b]) => Math.abs(at(grid, n, a, b, axis)));
    return Math.max(...own);
  });
  const rows = along(origin(i, h, displacementAt(grid, n, [i, j], [h, w], 0), most[0]), h);
  const columns = along(origin(j, w, displacementAt(grid, n, [i, j], [h, w], 1), most[1]), w);
  return rows.flatMap(([row, p, e]) =>
    columns.map(([column, q, f]) => ({ row, column, share: p * q, error: e * (q + f) + f * p })),
  );
}

/** Pixels next to a place, each with its share and that share's error: the place's, and one rounding of 1 − share. */
function along({ place, error }: { place: number; error: number }, size: number): [number, number, number][] {
  const first = Math.floor(place);
  return [first - 1, first, first + 1, first + 2].flatMap((pixel): [number, number, number][] => {
    const distance = Math.abs(place - pixel);
    if (pixel < 0 || pixel >= size || distance >= 1 + error) return [];
    return [[pixel, tent(distance), error + EPSILON]];
  });
}

/** x [N, H, W, C], grid [N, 5, 5, 2] in pixels, down and across → y [N, H, W, C]. */
export function forward(x: Tensor, grid: Tensor): Tensor {
  return spread(x, grid, (y, to, from, { share }) => {
    y.data[to] += share * x.data[from];
  });
}

/** For x, by scattering. */
export function backward(x: Tensor, grid: Tensor, gy: Tensor): Tensor {
  return spread(x, grid, (gx, to, from, { share }) => {
    gx.data[from] += share * gy.data[to];
  });
}

/** Calls `add` for each number of y, each pixel that it is made of, and the same channel there. */
function spread(
  { shape }: Tensor,
  grid: Tensor,
  add: (into: Tensor, to: number, from: number, share: Share) => void,
): Tensor {
  const [n, h, w, channels] = shape;
  const into = zeros(shape);
  for (const [b, i, j] of indices([n, h, w])) {
    for (const share of sharesOf(grid, b, i, j, h, w)) {
      for (let c = 0; c < channels; c++) {
        add(into, offset(shape, [b, i, j, c]), offset(shape, [b, share.row, share.column, c]), share);
      }
    }
  }
  return into;
}

/**
 * How far y and gx may be from these: the errors of the shares, and for each of K terms that may be added K roundings of
 * its magnitude, and two of its share's product. (A mix is no more than that: 1 − f, two products and a sum, twice.)
 */
export function tolerances(x: Tensor, grid: Tensor, gy: Tensor): Record<"y" | "gx", Tensor> {
  const bound = (of: Tensor, place: (to: number, from: number) => [into: number, term: number]): Tensor => {
    const count = fill(x.shape, 2);
    const magnitude = zeros(x.shape);
    const inherited = spread(x, grid, (into, to, from, { share, error }) => {
      const [target, term] = place(to, from);
      into.data[target] += error * Math.abs(of.data[term]);
      magnitude.data[target] += (share + error) * Math.abs(of.data[term]);
      count.data[target]++;
    });
    return map(inherited, (e, k) => e + count.data[k] * EPSILON * magnitude.data[k]);
  };
  return { y: bound(x, (to, from) => [to, from]), gx: bound(gy, (to, from) => [from, to]) };
}
