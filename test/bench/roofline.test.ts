import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { boundOf, leastSeconds, type Roof, standingOf } from "../../src/bench/roofline.js";
import { figureOf, spreadOf } from "../../src/bench/statistics.js";

/** 100 GFLOP/s, 10 GB/s, caches 50 GB/s, 10 µs a dispatch: the ridge lies at 10 FLOP/byte. */
const ROOF: Roof = { peak: 1e11, bandwidth: 1e10, cacheBandwidth: 5e10, launch: 1e-5 };

describe("what bounds a kernel", () => {
  it.each([
    ["compute", 1e9, 1e6],
    ["memory", 1e6, 1e9],
    ["compute", 1e9, 1e8], // on the ridge
    ["launch", 9e5, 1], // 9 µs of arithmetic
    ["launch", 0, 9e4], // 9 µs of traffic
    ["memory", 0, 1.1e5],
    ["launch", 0, 0],
  ])("is %s for %d FLOP and %d bytes", (bound, flops, bytes) => {
    expect(boundOf({ flops, bytes }, ROOF)).toBe(bound);
  });
});

describe("how a kernel stands", () => {
  it("is its rates, and achieved / min(peak, bandwidth · intensity)", () => {
    // 2 FLOP/byte: at most 20 GFLOP/s.
    expect(standingOf({ flops: 2e8, bytes: 1e8 }, 0.02, ROOF)).toEqual({
      ...{ flopRate: 1e10, byteRate: 5e9, intensity: 2, bound: "memory", share: 0.5 },
    });
    expect(standingOf({ flops: 1e9, bytes: 1e6 }, 0.04, ROOF)).toMatchObject({ share: 0.25, bound: "compute" });
  });

  it("is by bytes alone where no operations are counted", () => {
    expect(standingOf({ flops: 0, bytes: 1e8 }, 0.02, ROOF)).toMatchObject({ intensity: 0, share: 0.5, flopRate: 0 });
    expect(standingOf({ flops: 0, bytes: 0 }, 0.02, ROOF)).toMatchObject({ intensity: 0, share: 0, bound: "launch" });
  });

  it("equals the formula of the roofline for any work", () => {
    const positive = fc.double({ min: 1, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(positive, positive, positive, (flops, bytes, time) => {
        const { share, flopRate, intensity } = standingOf({ flops, bytes }, time, ROOF);
        const roof = Math.min(ROOF.peak, ROOF.bandwidth * intensity);
        expect(share).toBeCloseTo(flopRate / roof, 8);
        expect(leastSeconds({ flops, bytes }, ROOF) / share).toBeCloseTo(time, 2);
      }),
    );
  });

  it("above the roof tells caches from faults", () => {
    const work = { flops: 0, bytes: 1e8 }; // 10 ms from memory, 2 ms from caches
    expect(standingOf(work, 0.011, ROOF).above).toBeUndefined();
    expect(standingOf(work, 0.009, ROOF).above).toBe("cache");
    expect(standingOf(work, 0.0019, ROOF).above).toBe("fault");
    // Caches do not help arithmetic.
    expect(standingOf({ flops: 1e9, bytes: 1 }, 0.0099, ROOF).above).toBe("fault");
  });
});

describe("a figure", () => {
  it("has median, quartiles and extremes, whatever the order", () => {
    expect(figureOf([5, 1, 3, 2, 4])).toEqual({ median: 3, low: 2, high: 4, least: 1, most: 5, count: 5 });
    expect(figureOf([1, 2])).toMatchObject({ median: 1.5, low: 1.25, high: 1.75 });
    expect(figureOf([7])).toEqual({ median: 7, low: 7, high: 7, least: 7, most: 7, count: 1 });
  });

  it("spreads by half the distance of its quartiles, as a part of the median", () => {
    expect(spreadOf(figureOf([1, 2, 3, 4, 5]))).toBeCloseTo(1 / 3, 12);
    expect(spreadOf(figureOf([0, 0, 0]))).toBe(0);
  });
});
