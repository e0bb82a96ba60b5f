import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMPUTED, makeHouse, runChild, SILENT } from "./child.js";

let house: string;
beforeAll(async () => {
  house = await makeHouse();
});
afterAll(() => rmSync(house, { recursive: true }));

describe.runIf(process.platform === "linux" && process.arch === "x64")("openGpu", () => {
  test("opens the adapter that SHIBORI_ADAPTER names, and says which", async () => {
    const { kind, line, values, stderr, error } = await runChild(house, ["open"], { SHIBORI_ADAPTER: "embedded" });
    expect({ error, kind, values, stderr }).toEqual({ kind: "embedded", values: COMPUTED, stderr: SILENT });
    expect(line).toMatch(/^adapter: SwiftShader \(embedded, CPU; slow\)\. For a faster one, install .*mesa-vulkan/);
  });

  test("lets its argument decide over SHIBORI_ADAPTER", async () => {
    const env = { SHIBORI_ADAPTER: "voodoo" };
    const { kind } = await runChild(house, ["open", { adapter: "swiftshader", robustness: false }], env);
    expect(kind).toBe("embedded");
    const { error } = await runChild(house, ["open"], env);
    expect(error).toMatch(/^UserError: no adapter "voodoo" was found/);
  });
});

describe.runIf(process.platform === "linux" && process.arch === "x64")("inspectAdapters", () => {
  test("describes every adapter that works", async () => {
    const { reports, stderr } = await runChild(house, ["inspect"]);
    expect(stderr).toBe(SILENT);
    expect(new Set(reports!.map(({ kind }) => kind))).toEqual(new Set(["hardware", "software", "embedded"]));
    for (const report of reports!) {
      if (!report.usable) continue;
      expect(report.name).not.toBe("");
      expect(report.driver).not.toBe("");
      expect(report.features).toContain("core-features-and-limits");
      expect(report.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
      expect(report.limits.maxBufferSize).toBeGreaterThanOrEqual(2 ** 28);
    }
    const embedded = reports!.find(({ kind }) => kind === "embedded");
    expect(embedded).toMatchObject({ usable: true, vendor: "google", subgroupMinSize: 4, subgroupMaxSize: 4 });
  });

  test("says why a kind is missing and what to do", async () => {
    const blank = join(house, "blank");
    mkdirSync(blank);
    writeFileSync(join(blank, "libvulkan.so.1"), "");
    const noLoader = await runChild(house, ["inspect"], { LD_LIBRARY_PATH: blank });
    const noDriver = await runChild(house, ["inspect"], { VK_DRIVER_FILES: "/nonexistent" });
    for (const { reports } of [noLoader, noDriver]) {
      expect(reports!.map(({ kind, usable }) => [kind, usable])).toEqual([
        ["hardware", false],
        ["software", false],
        ["embedded", true],
      ]);
    }
    expect(noLoader.reports![1]).toMatchObject({
      reason: expect.stringMatching(/^no usable software driver is installed: Couldn't load Vulkan: .*file too short/),
      remedy: expect.stringContaining("mesa-vulkan-drivers"),
    });
    expect(noDriver.reports![0]).toMatchObject({
      reason: expect.stringMatching(/^no usable hardware driver is installed: .*Found no drivers/),
      remedy: "install your GPU's Vulkan driver",
    });
  });

  test("survives a missing package", async () => {
    const bare = await makeHouse(["webgpu"]);
    const { reports } = await runChild(bare, ["inspect"]);
    expect(reports!.at(-1)).toMatchObject({
      kind: "embedded",
      usable: false,
      reason: expect.stringContaining("npm install"),
    });
    rmSync(bare, { recursive: true });
  });
});
