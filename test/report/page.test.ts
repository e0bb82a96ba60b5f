import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { comparePage } from "../../src/report/compare.js";
import { viewRuns } from "../../src/report/compared.js";
import { writeReport } from "../../src/report/report.js";
import type { RunFolder } from "../../src/storage/runFolder.js";
import { Browser, CHROMIUM } from "./browser.js";
import { makeRun, TRAP } from "./runs.js";

// The pages as a browser shows them. A browser's timing is its own, and few machines have one: a part of the longer tests.

describe.runIf(CHROMIUM && process.env.SHIBORI_FULL)("in a browser", () => {
  const place = mkdtempSync(join(tmpdir(), "shibori-page-"));
  let browser: Browser;
  let run: RunFolder;
  let compared: string;

  beforeAll(() => {
    browser = new Browser();
    const recipe = { finished: true, looks: [240, 480, 720, 960], previews: [240, 480, 2400] };
    run = makeRun(join(place, "run"), recipe);
    writeReport(run);
    const trap = makeRun(join(place, "a-run-with-a-rather-long-name"), { ...recipe, measures: TRAP });
    compared = join(place, "page.html");
    const third = makeRun(join(place, "third"), recipe);
    writeFileSync(compared, comparePage(viewRuns([run, trap, third])).page);
  });
  afterAll(async () => {
    await browser.close();
    rmSync(place, { recursive: true });
  });

  const report = () => run.file("report.html");
  const urls = (...names: string[]) => names.map((name) => pathToFileURL(run.file(name)).href);
  const output = () => browser.ask<string>(`document.querySelector("output").textContent`);

  it.each([
    ["report", 1280, false],
    ["report", 360, true],
    ["comparison", 1280, true],
    ["comparison", 360, false],
  ] as const)(
    "the %s opens at %i pixels, dark: %s; draws its charts; asks for nothing but its previews",
    async (page, width, dark) => {
      await browser.open(page === "report" ? report() : compared, { width, dark });
      expect(browser.problems).toEqual([]);
      const own =
        page === "report"
          ? urls("report.html", "previews/002400.png", "previews/000480.png")
          : [pathToFileURL(compared).href];
      expect(browser.requests.sort()).toEqual(own.sort());
      // Every chart has a canvas in which something is drawn.
      const drawn = await browser.ask<boolean[]>(`[...document.querySelectorAll("[data-chart]")].map((place) => {
      const canvas = place.querySelector("canvas");
      return canvas !== null && canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((v) => v > 0);
    })`);
      expect(drawn).toEqual(Array.from({ length: page === "report" ? 13 : 7 }, () => true));
      // Nothing makes the page wider than the screen.
      expect(await browser.ask(`document.documentElement.scrollWidth - document.documentElement.clientWidth`)).toBe(0);
      const ground = await browser.ask<string>(`getComputedStyle(document.body).backgroundColor`);
      expect(ground).toBe(dark ? "rgb(20, 22, 26)" : "rgb(246, 246, 243)");
    },
  );

  it("the slider of a report moves by buttons and keys, and loads the picture", async () => {
    await browser.open(report(), { width: 1280 });
    expect(await output()).toBe("step 2,400");
    const image = `document.querySelector(".sheet img")`;
    await browser.ask(`document.querySelector("[data-go='-1']").click()`);
    expect(await output()).toBe("step 480");
    await browser.ask(`new Promise((done) => { const i = ${image}; if (i.complete) done(); else i.onload = done; })`);
    expect(await browser.ask(`[${image}.getAttribute("src"), ${image}.naturalWidth > 100]`)).toEqual([
      "previews/000480.png",
      true,
    ]);
    expect(await browser.ask(`${image}.alt`)).toMatch(/; after step 480$/);
    const press = (key: string) =>
      `document.querySelector(".sheet").dispatchEvent(new KeyboardEvent("keydown", { key: "${key}", bubbles: true }))`;
    await browser.ask(press("ArrowLeft"));
    expect(await output()).toBe("step 240");
    expect(await browser.ask(`document.querySelector("[data-go='-1']").disabled`)).toBe(true);
    await browser.ask(press("ArrowLeft"));
    expect(await output()).toBe("step 240");
    await browser.ask(press("ArrowRight"));
    expect(await output()).toBe("step 480");
  });

  it("a report without its previews says what is missing", async () => {
    renameSync(run.file("previews"), run.file("away"));
    try {
      await browser.open(report(), { width: 1280 });
      const seen = (selector: string) => browser.ask(`document.querySelector("${selector}").checkVisibility()`);
      expect([await seen(".missing"), await seen(".sheet img")]).toEqual([true, false]);
    } finally {
      renameSync(run.file("away"), run.file("previews"));
    }
  });

  it("the slider of a comparison changes the pictures, and comes back", async () => {
    await browser.open(compared, { width: 1280 });
    const sources = () => browser.ask<string[]>(`[...document.querySelectorAll(".tiles img")].map(({ src }) => src)`);
    const before = await sources();
    await browser.ask(`document.querySelector("[data-go='-1']").click()`);
    expect(await output()).toBe("step 480");
    const after = await sources();
    const moved = await browser.ask<boolean[]>(
      `[...document.querySelectorAll(".tiles img")].map((image) => image.hasAttribute("data-moves"))`,
    );
    after.forEach((src, i) => {
      expect(src !== before[i]).toBe(moved[i]);
    });
    await browser.ask(`document.querySelector("[data-go='1']").click()`);
    expect(await sources()).toEqual(before);
  });

  it("the pointer over one chart shows the values at that step in all", async () => {
    await browser.open(compared, { width: 1280 });
    const at = await browser.ask<number[]>(`(() => {
      const over = document.querySelector("[data-chart=l1] .u-over");
      over.scrollIntoView({ block: "center" });
      const { x, y, width, height } = over.getBoundingClientRect();
      return [x + width / 2, y + height / 2];
    })()`);
    await browser.send("Input.dispatchMouseEvent", { type: "mouseMoved", x: at[0], y: at[1] });
    const [l1, t] = await browser.ask<string[]>(`new Promise((done) => setTimeout(() =>
      done([...document.querySelectorAll(".glance figure")].map((f) => f.querySelector(".axis").textContent + " " + f.querySelector(".legend").innerText)), 200))`);
    expect(l1).toMatch(/^L1: mean absolute difference, 0 to 1.* · at step 1,(199|200|201)/);
    expect(t).toMatch(/^t ÷ its ceiling · at step 1,(199|200|201)/);
    expect(t.replace(/\s+/g, " ")).toContain("ceiling 1.0000 the gate's threshold 0.9200");
  });

  it("charts follow a change to the dark", async () => {
    await browser.open(report(), { width: 1280 });
    const pixels = () => browser.ask<string>(`document.querySelector("[data-chart=t] canvas").toDataURL()`);
    const light = await pixels();
    await browser.dark(true);
    await browser.ask(`new Promise((done) => setTimeout(done, 200))`);
    expect(await pixels()).not.toBe(light);
    await browser.dark(false);
    await browser.ask(`new Promise((done) => setTimeout(done, 200))`);
    expect(await pixels()).toBe(light);
  });
});
