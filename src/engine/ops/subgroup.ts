/** How the subgroup kernels, those for CPU adapters, share the work of a convolution; see conv2d_subgroup.wgsl. */

/** Whether the subgroup kernels fit an adapter whose subgroups have so many lanes (0: none, or no single size). */
export const runsSubgroupKernels = (lanes: number): boolean => lanes === 4 || lanes === 8 || lanes === 16;

/** Pixels of a lane in the kernels for up to four output channels. */
export const NARROW_PIXELS = 8;

/** Whether the CPU kernels' short division is exact for so many pixels and a tile beyond. */
export const smallFlag = (pixels: number) => ({ SMALL: pixels + 4096 < 2 ** 20 ? 1 : 0 });

/**
 * How lanes share loads, as constants of the kernels. A group, BLOCKS lanes, wants `fours` · 4 vec4s. A quad of lanes loads four at
 * a time: a group of several quads has them load different ones, a quad of several groups loads for each.
 */
export function sharing(BLOCKS: number, fours: number) {
  const QUADS = Math.max(1, Math.min(BLOCKS / 4, fours));
  return { BLOCKS, QUADS, LOADS: fours / QUADS, SHARED: Math.max(1, 4 / BLOCKS) - 1 };
}

/** The constants of the subgroup kernels for a tile of `pixels` × `blocks` vec4s of channels, and what one launch covers. */
export function subgroupTile(SG: number, pixels: number, blocks: number) {
  const constants = { SG, PIXELS: pixels, ...sharing(blocks, pixels / 4) };
  return { constants, pixels: (pixels * SG) / blocks, blocks };
}

/** The tiles worth trying for so many vec4s of channels and so many pixels (of one phase): the best guess first. */
export function subgroupTiles(SG: number, co4: number, pixels: number): ReturnType<typeof subgroupTile>[] {
  let blocks = 1;
  while (blocks < Math.min(co4, SG)) blocks *= 2;
  // Twice as many pixels halve the loads of weights, as far as registers and pixels reach.
  const counts = pixels <= 4 ? [4, 8] : pixels <= 8 ? [8, 16] : [16, 8];
  return counts.filter((n) => n >= SG || n < 8).map((n) => subgroupTile(SG, n, blocks));
}

/** The name of a subgroup tile's kernel among the candidates: its pixels and channels. */
export const tileName = ({ constants: { PIXELS, BLOCKS } }: ReturnType<typeof subgroupTile>): string =>
  `subgroup ${PIXELS}×${4 * BLOCKS}`;
