/**
 * The roofline model (Williams, Waterman, Patterson: Roofline, 2009): a kernel can be no faster than its arithmetic at the
 * adapter's peak, and no faster than its bytes at the adapter's bandwidth.
 */

/** What a kernel does: floating-point operations, and the bytes that must move at least once. */
export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

/** What the adapter can do. */
export interface Roof {
  /** FLOP per second of multiply-adds alone. */
  readonly peak: number;
  /** Bytes per second, read and written, between the processor and its main memory. */
  readonly bandwidth: number;
  /** The same while everything lies in caches. */
  readonly cacheBandwidth: number;
  /** Seconds of a dispatch that does nothing. */
  readonly launch: number;
}

/** compute and memory: the two roofs. launch: a dispatch that does nothing takes longer than both. */
export type Bound = "compute" | "memory" | "launch";

/** Seconds that the work takes at the roof: the larger of arithmetic at the peak and bytes at the bandwidth. */
export const leastSeconds = ({ flops, bytes }: Work, { peak, bandwidth }: Pick<Roof, "peak" | "bandwidth">): number =>
  Math.max(flops / peak, bytes / bandwidth);

export function boundOf(work: Work, roof: Roof): Bound {
  const arithmetic = work.flops / roof.peak;
  const traffic = work.bytes / roof.bandwidth;
  if (roof.launch > Math.max(arithmetic, traffic)) return "launch";
  return arithmetic >= traffic ? "compute" : "memory";
}

/** How a kernel stands below the roof. */
export interface Standing {
  /** FLOP per second. */
  readonly flopRate: number;
  /** Bytes per second. */
  readonly byteRate: number;
  /** FLOP per byte; 0 for kernels whose operations are not counted. */
  readonly intensity: number;
  readonly bound: Bound;
  /**
   * The part of the roof that is reached: achieved / min(peak, bandwidth · intensity); for kernels whose operations are
   * not counted, byteRate / bandwidth, which is the same.
   */
  readonly share: number;
  /**
   * Beyond 1 means: "cache" if caches explain it (the data of a small kernel need not come from main memory), "fault" if
   * not even they do: then FLOPs or bytes are counted wrongly, or the machine was busy while the roof was measured.
   */
  readonly above?: "cache" | "fault";
}

/** @param seconds of one launch */
export function standingOf(work: Work, seconds: number, roof: Roof): Standing {
  const least = leastSeconds(work, roof);
  const inCache = leastSeconds(work, { peak: roof.peak, bandwidth: Math.max(roof.bandwidth, roof.cacheBandwidth) });
  const above = seconds < inCache ? "fault" : seconds < least ? "cache" : undefined;
  return {
    flopRate: work.flops / seconds,
    byteRate: work.bytes / seconds,
    intensity: work.bytes ? work.flops / work.bytes : 0,
    bound: boundOf(work, roof),
    share: least / seconds,
    ...(above && { above }),
  };
}
