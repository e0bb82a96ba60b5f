import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { benchText } from "../../src/cli/benchText.js";
import { rooflinePage } from "../../src/report/roofline.js";
import { benchRecord, kernel } from "./bench.js";
import { Browser, CHROMIUM } from "./browser.js";
import { opened } from "./html.js";

const withoutSweep = benchRecord({ sweep: undefined });
/** Far beyond what caches can do. */
const impossible = kernel({ kernel: "too_fast", flops: 1e9, bytes: 1e3, micros: 10 });

describe("the page", () => {
  it.each([
    ["of all", benchRecord()],
    ["without a sweep", withoutSweep],
    ["of one kernel that moves data", benchRecord({ kernels: [kernel({ flops: 0 })] })],
    ["with a fault", benchRecord({ kernels: [impossible] })],
    [
      "of an adapter with a hostile name",
      benchRecord({ command: "shibori bench --html '<b>'", kernels: [kernel({ kernel: "<i>&\"'" })] }),
    ],
  ])("%s is whole", (_, record) => {
    const { html, text } = opened(rooflinePage(record));
    // Every mark leads to its row, and says what it is.
    const marks = [...html.matchAll(/<a class="dot[^"]*" href="#([ks]\d+)"/g)];
    expect(marks).toHaveLength(record.kernels.length + (record.sweep?.cases.length ?? 0));
    for (const { preset } of record.steps) expect(text).toContain(preset);
    for (const { kernel } of record.kernels) expect(text).toContain(kernel);
  });

  it("says what was measured, in units", () => {
    const { text } = opened(rooflinePage(benchRecord()));
    expect(text).toContain("The adapter reaches 96.0 GFLOP/s and 12.0 GB/s; a dispatch takes at least 10.8 µs.");
    expect(text).toContain("avatar-64: 25.0 steps/s, 4.10 GFLOP/s, 4.3 % of the peak");
    expect(text).toContain("arithmetic intensity, FLOP per byte (log scale)");
    expect(text).toContain("memory 12.0 GB/s");
    // 1e7 FLOP in 800 µs; 20 FLOP/byte is beyond the ridge.
    expect(text).toContain("40 % avatar-64 + 1 2.40 3 × 800 ± 3 % 12.5 0.625 20.0 13 % compute");
    expect(text).toContain("1 cases not measured");
    expect(text).not.toContain("⚠");
  });

  it("warns of kernels above every roof, and of a busy machine", () => {
    const record = benchRecord({ kernels: [impossible] });
    const machine = { ...record.machine, load: [0.5, 7] as const };
    const { text } = opened(rooflinePage({ ...record, machine }));
    expect(text).toContain("⚠ 1 kernel is above every roof (too_fast): FLOPs or bytes are counted wrongly");
    expect(text).toContain("⚠ The machine was busy (0.5 before, 7.0 after, on 2 processors)");
  });
});

describe("the text", () => {
  it.each([
    ["of all", benchRecord()],
    ["without a sweep", withoutSweep],
    ["with long names", benchRecord({ kernels: [kernel({ kernel: "x".repeat(90), output: [64, 1024, 1024, 1024] })] })],
  ])("%s is aligned, and at most 120 columns wide", (_, record) => {
    const text = benchText(record);
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object/);
    for (const line of text.split("\n")) expect(line.length, line).toBeLessThanOrEqual(120);
    const [head, first] = text.split("\n").slice(text.split("\n").findIndex((line) => line.startsWith("share")));
    expect(first.indexOf("compute")).toBe(head.indexOf("bound"));
  });

  it("flags what is above every roof loudly, and nothing else", () => {
    expect(benchText(benchRecord())).not.toMatch(/WARNING|ABOVE/);
    const text = benchText(benchRecord({ kernels: [impossible] }));
    expect(text).toMatch(/WARNING: 1 kernel is above every roof/);
    expect(text).toMatch(/^ +conv2d too_fast: 10.0 µs, \d+ % of the roof$/m);
  });
});

describe.runIf(CHROMIUM && process.env.SHIBORI_FULL)("in a browser", () => {
  it("a mark says what it is, a choice hides the others, and nothing is wider than the screen", async () => {
    const place = mkdtempSync(join(tmpdir(), "shibori-roofline-"));
    const file = join(place, "page.html");
    writeFileSync(file, rooflinePage(benchRecord()));
    const browser = new Browser();
    try {
      for (const [width, dark] of [
        [1280, false],
        [360, true],
      ] as const) {
        await browser.open(file, { width, dark });
        expect(browser.problems).toEqual([]);
        expect(browser.requests).toHaveLength(1);
        expect(await browser.ask(`document.documentElement.scrollWidth - document.documentElement.clientWidth`)).toBe(
          0,
        );
        const tip = await browser.ask<string>(`(() => {
          document.querySelector("a[href='#k0']").dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
          const tip = document.querySelector(".tip");
          return tip.hidden ? "" : tip.textContent;
        })()`);
        expect(tip).toMatch(/^conv2d: conv2d_subgroup\n2×16×16×32 · .* → 2×16×16×64\n800 µs a launch\n/);
        const shown = await browser.ask(`(() => {
          const select = document.querySelector(".only select");
          select.value = "avatar-128";
          select.dispatchEvent(new Event("change"));
          return [...document.querySelectorAll("a.dot, tr[id]")].filter((one) => one.style.display !== "none").length;
        })()`);
        expect(shown).toBe(2); // one kernel: its mark and its row
      }
    } finally {
      await browser.close();
      rmSync(place, { recursive: true });
    }
  });
});
