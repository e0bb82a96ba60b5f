import { appendFileSync, chmodSync, mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { COMPUTED, makeHouse, runChild, SILENT } from "./child.js";

const FILES = ["libvk_swiftshader.so", "libvulkan.so.1", "vk_swiftshader_icd.json"];
const FOLDER = "swiftshader-147.0.0-f957ea86";
const NO_VULKAN = (house: string) => ({ LD_LIBRARY_PATH: join(house, "blank"), VK_DRIVER_FILES: "/nonexistent" });

let house: string;
/** Every test has a cache of its own. */
let count = 0;
const freshCache = () => join(house, `cache-${count++}`);

beforeAll(async () => {
  house = await makeHouse();
  mkdirSync(join(house, "blank"));
  writeFileSync(join(house, "blank/libvulkan.so.1"), "");
});
afterAll(() => rmSync(house, { recursive: true }));

describe.runIf(process.platform === "linux" && process.arch === "x64")("the embedded driver", () => {
  const start = (SHIBORI_CACHE: string, env = {}) =>
    runChild(house, ["select", "auto"], { ...NO_VULKAN(house), SHIBORI_CACHE, ...env });
  const expectWorking = ({ error, kind, values, stderr }: Awaited<ReturnType<typeof start>>) =>
    expect({ error, kind, values, stderr }).toEqual({ kind: "embedded", values: COMPUTED, stderr: SILENT });

  test("is unpacked once, and a truncated, altered or missing file is repaired", async () => {
    const cache = freshCache();
    expectWorking(await start(cache));
    const files = (name: string) => join(cache, FOLDER, name);
    expect(readdirSync(join(cache, FOLDER)).sort()).toEqual(FILES);

    truncateSync(files("libvk_swiftshader.so"), 100_000);
    appendFileSync(files("vk_swiftshader_icd.json"), "}");
    rmSync(files("libvulkan.so.1"));
    expectWorking(await start(cache));
    expect(readdirSync(join(cache, FOLDER)).sort()).toEqual(FILES);
  });

  test("survives first starts at the same time", async () => {
    const cache = freshCache();
    for (const outcome of await Promise.all([start(cache), start(cache), start(cache)])) expectWorking(outcome);
    expect(readdirSync(join(cache, FOLDER)).sort()).toEqual(FILES);
  });

  test("once unpacked does not need its package any more", async () => {
    const cache = freshCache();
    await start(cache);
    const bare = await makeHouse(["webgpu"]);
    expectWorking(await runChild(bare, ["select", "auto"], { ...NO_VULKAN(house), SHIBORI_CACHE: cache }));
    rmSync(bare, { recursive: true });
  });

  test("without its package is a clear error", async () => {
    const bare = await makeHouse(["webgpu"]);
    const npm = 'run "npm install @sparticuz/chromium@147.0.0"';
    const auto = await runChild(bare, ["select", "auto"], NO_VULKAN(house));
    expect(auto.error).toContain("UserError: no GPU and no usable driver was found, and the optional package");
    expect(auto.error).toContain(npm);
    const embedded = await runChild(bare, ["select", "embedded"], NO_VULKAN(house));
    expect(embedded.error).toBe(`UserError: the optional package @sparticuz/chromium is not installed: ${npm}`);
    const other = await runChild(bare, ["select", "voodoo"], NO_VULKAN(house));
    expect(other.error).toContain("here is none");
    expect([auto.stderr, embedded.stderr, other.stderr]).toEqual([SILENT, SILENT, SILENT]);
    rmSync(bare, { recursive: true });
  });

  test("from another version of the package is refused", async () => {
    const other = await makeHouse(["webgpu"]);
    const root = join(other, "node_modules/@sparticuz/chromium");
    mkdirSync(join(root, "build/cjs"), { recursive: true });
    mkdirSync(join(root, "bin"));
    writeFileSync(join(root, "package.json"), JSON.stringify({ main: "build/cjs/index.cjs" }));
    writeFileSync(join(root, "build/cjs/index.cjs"), "");
    writeFileSync(join(root, "bin/swiftshader.tar.br"), "not it");
    const { error } = await runChild(other, ["select", "embedded"]);
    expect(error).toMatch(
      /^UserError: .*swiftshader\.tar\.br is not the one of @sparticuz\/chromium 147\.0\.0: run "npm/,
    );
    rmSync(other, { recursive: true });
  });

  test("goes to a private temporary folder where the home cannot be written", async () => {
    const temporary = freshCache();
    mkdirSync(temporary);
    const env = { SHIBORI_CACHE: "", HOME: "/dev/null/home", TMPDIR: temporary };
    expectWorking(await start("", env));
    const own = `shibori-${process.getuid!()}`;
    expect(readdirSync(temporary)).toEqual([own]);
    expect(readdirSync(join(temporary, own, FOLDER)).sort()).toEqual(FILES);

    chmodSync(join(temporary, own), 0o777);
    const { error } = await start("", env);
    expect(error).toMatch(
      /^UserError: no GPU .* was found, and no folder for the embedded adapter: .*; set SHIBORI_CACHE to a folder/,
    );
  });

  test("says so where SHIBORI_CACHE cannot be written", async () => {
    const { error } = await start("/dev/null/cache");
    expect(error).toMatch(
      /^UserError: no GPU .* was found, and no folder for the embedded adapter: .*\/dev\/null\/cache.*; set SHIBORI_CACHE/,
    );
  });
});
