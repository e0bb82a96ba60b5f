import type { Candidate, Dispatch } from "../../graph.js";

/** How a kernel cuts a matrix product [m, k]·[k, n] for a GPU; see conv2d_tile.wgsl. */
export interface Tile {
  /** The tile of a workgroup: m × n. */
  readonly M: number;
  readonly N: number;
  /** The tile of an invocation, kept in registers: m × n. */
  readonly m: number;
  readonly n: number;
  /** How much of k lies in workgroup memory at a time. */
  readonly step: number;
}

/**
 * All within what WebGPU grants everywhere: 256 invocations and 16 KiB of workgroup memory a workgroup. Large register
 * tiles read workgroup memory less, small tiles fill a GPU with less work; the long ones are for few channels.
 */
export const TILES: readonly Tile[] = [
  { M: 128, N: 128, m: 8, n: 8, step: 8 },
  { M: 128, N: 64, m: 8, n: 8, step: 8 },
  { M: 64, N: 64, m: 8, n: 4, step: 16 },
  { M: 128, N: 32, m: 8, n: 4, step: 16 },
  { M: 64, N: 32, m: 4, n: 4, step: 16 },
  { M: 32, N: 64, m: 4, n: 4, step: 16 },
  { M: 32, N: 32, m: 4, n: 4, step: 16 },
  { M: 16, N: 128, m: 4, n: 4, step: 16 },
  { M: 256, N: 16, m: 8, n: 4, step: 8 },
  { M: 256, N: 4, m: 4, n: 4, step: 8 },
];

/** Invocations of a workgroup. */
export const invocations = ({ M, N, m, n }: Tile): number => (M / m) * (N / n);

/** The constants of the tile kernels. `perRow`: rows of the result that one vec4 of the first operand holds (1 or 4). */
export function tileConstants({ tile, unroll = false }: Variant, perRow: 1 | 4) {
  const { M, N, m, n, step } = tile;
  const loads = (values: number) => Math.max(1, values / 4 / invocations(tile));
  return {
    ...{ TM: m / perRow, TN: n / 4, ROWS: M / m, COLS: N / n },
    ...{ A_LOADS: loads(M * step), B_LOADS: loads(N * step) },
    // Not `select(p.k4, K4, …)`: an H200's driver does not see through that.
    ...(unroll && { bound: perRow === 1 ? "K4" : "STEP" }),
  };
}

/** `count` products [m, k]·[k, n] of one size, as the phases of a transposed convolution are. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly count?: number;
  /** So many partial sums fit a binding. */
  readonly maxSplits: number;
  /** For each variant, see there. */
  readonly unroll?: boolean;
}

export interface Variant {
  readonly tile: Tile;
  /** Parts of k that workgroups of their own compute; more than 1 needs a second pass. */
  readonly splits: number;
  /** The loop over a step of k may be unrolled: a tenth faster on an H200, and ten times as long to compile for lavapipe. */
  readonly unroll?: boolean;
}

export const candidate = ({ tile: { M, N }, splits }: Variant, dispatches: () => Dispatch[]): Candidate => ({
  name: `tile ${M}×${N}${splits > 1 ? ` split ${splits}` : ""}`,
  adapters: "gpu",
  dispatches,
});

// A large GPU of today: 132 processors with two workgroups of 128 invocations each are busy; what it computes a second,
// and what its cache and its memory give.
const BUSY = 132 * 2 * 128;
const FLOPS = 60e12;
const CACHE_BYTES = 5e12;
const BYTES = 3e12;
/** A second pass costs a launch, and a part of k that is shorter than this costs more than it gains. */
const LAUNCH = 4e-6;
const LEAST_K = 128;

const tiles = ({ M, N }: Tile, { m, n, count = 1 }: Product) => count * Math.ceil(m / M) * Math.ceil(n / N);

/** A guess of the time on a large GPU, in seconds: it orders the variants, and measuring decides. */
function seconds({ tile, splits }: Variant, product: Product): number {
  const { M, N, m, n } = tile;
  const groups = tiles(tile, product);
  const busy = Math.min(1, (groups * splits * invocations(tile)) / BUSY);
  // For every 4 of k: m + n vec4 reads of workgroup memory, each as dear as two of the m · n vec4 FMAs.
  const computing = (m * n) / (m * n + 2 * (m + n));
  const multiply = (2 * groups * M * N * product.k) / (FLOPS * busy * computing);
  const load = (4 * groups * (M + N) * product.k) / CACHE_BYTES;
  const { m: rows, n: columns, count = 1 } = product;
  const second = splits > 1 ? LAUNCH + (8 * splits * count * rows * columns) / BYTES : 0;
  return Math.max(multiply, load) + second;
}

/** Up to eight variants that make sense for a product, the best guess first. */
export function variants(product: Product): Variant[] {
  const { k, maxSplits, unroll } = product;
  const size = (tile: Tile) => tiles(tile, product) * tile.M * tile.N;
  const least = Math.min(...TILES.map(size));
  const bySeconds = (list: Variant[]) => list.sort((a, b) => seconds(a, product) - seconds(b, product));
  const ways = (tile: Tile): Variant[] => {
    const wanted = Math.ceil(BUSY / (tiles(tile, product) * invocations(tile)));
    // Twice and four times as many may hide more of the latency, and leave no processor without work at the end.
    const splits = [1, 2, 4].map((times) => Math.min(times * wanted, Math.floor(k / LEAST_K), maxSplits));
    const several = [...new Set(splits)].filter((count) => count > 1);
    return bySeconds([1, ...several].map((count) => ({ tile, splits: count, unroll })));
  };
  // A tile that computes more than four times what another does computes mostly padding.
  const found = TILES.filter((tile) => size(tile) <= 4 * least).map(ways);
  const best = bySeconds(found.map(([way]) => way)).slice(0, 5);
  const limit = 3 * seconds(best[0], product);
  const others = found.flat().filter((way) => way.tile === best[0].tile && way !== best[0]);
  return [...best, ...others].filter((way) => seconds(way, product) < limit);
}
