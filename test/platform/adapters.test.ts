import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { classify } from "../../src/platform/classify.js";
import { COMPUTED, makeHouse, type Outcome, runChild, SILENT } from "./child.js";

const LINUX_X64 = process.platform === "linux" && process.arch === "x64";

let house: string;
/** A folder for LD_LIBRARY_PATH in which the loader is an empty file: as on a machine without Vulkan. */
let blank: string;
/** A driver manifest whose library is no Vulkan driver. */
let unusable: string;
/** What is installed on this machine, as a child process of its own finds it. */
let installed: { kind: string; name: string }[];

beforeAll(async () => {
  house = await makeHouse();
  blank = join(house, "blank");
  mkdirSync(blank);
  writeFileSync(join(blank, "libvulkan.so.1"), "");
  unusable = join(house, "unusable_icd.json");
  const ICD = { library_path: "libm.so.6", api_version: "1.3.0" };
  writeFileSync(unusable, JSON.stringify({ file_format_version: "1.0.0", ICD }));
  const { reports } = await runChild(house, ["inspect"]);
  installed = reports!.flatMap((report) => (report.usable && report.kind !== "embedded" ? [report] : []));
});
afterAll(() => rmSync(house, { recursive: true }));

const select = (spec: string, env?: NodeJS.ProcessEnv, options = {}) => runChild(house, ["select", spec, options], env);

describe.runIf(LINUX_X64)("auto takes the best adapter there is, computes right and says nothing", () => {
  const expectEmbedded = ({ kind, values, stderr, error }: Outcome) => {
    expect({ error, kind, values, stderr }).toEqual({ kind: "embedded", values: COMPUTED, stderr: SILENT });
  };

  test("on this machine as it is", async () => {
    const { kind, values, stderr, error } = await select("auto");
    const best = installed[0]?.kind ?? "embedded";
    expect({ error, kind, values, stderr }).toEqual({ kind: best, values: COMPUTED, stderr: SILENT });
  });

  test("with a Vulkan loader but no driver", async () => {
    const outcome = await select("auto", { VK_DRIVER_FILES: "/nonexistent" });
    expectEmbedded(outcome);
    expect(outcome.driverFiles).toBe("/nonexistent"); // the process's own variables come back
  });

  test("with a driver that cannot be used", async () => {
    expectEmbedded(await select("auto", { VK_DRIVER_FILES: unusable }));
  });

  test("without a Vulkan loader", async () => {
    expectEmbedded(await select("auto", { LD_LIBRARY_PATH: blank }));
  });

  test("with neither loader nor driver", async () => {
    expectEmbedded(await select("auto", { LD_LIBRARY_PATH: blank, VK_DRIVER_FILES: "/nonexistent" }));
  });

  test("and SHIBORI_VERBOSE shows what Dawn would have said", async () => {
    const { stderr } = await select("auto", { VK_DRIVER_FILES: "/nonexistent", SHIBORI_VERBOSE: "1" });
    expect(stderr).toMatch(/Warning: vkCreateInstance/);
  });
});

describe.runIf(LINUX_X64)("an adapter can be asked for", () => {
  test("each installed one by its name in any case", async () => {
    for (const { name, kind } of installed) {
      const outcome = await select(name.toUpperCase());
      expect([outcome.error, outcome.kind, outcome.values, outcome.stderr]).toEqual([
        undefined,
        kind,
        COMPUTED,
        SILENT,
      ]);
    }
  });

  test("software, if one is installed", async () => {
    const outcome = await select("software");
    if (installed.some(({ kind }) => kind === "software")) expect(outcome.kind).toBe("software");
    else expect(outcome.error).toMatch(/^UserError: no adapter "software" was found/);
    expect(outcome.stderr).toBe(SILENT);
  });

  test.each(["embedded", "swiftSHADER"])("%s, beside what is installed", async (spec) => {
    const { kind, name, values, driverFiles, stderr } = await select(spec);
    expect(kind).toBe("embedded");
    expect(name).toMatch(/^swiftshader/);
    expect({ values, driverFiles, stderr }).toEqual({ values: COMPUTED, stderr: SILENT });
  });

  test("hardware without any is a clear error", async () => {
    const { error, stderr } = await select("hardware", { VK_DRIVER_FILES: "/nonexistent" });
    expect(error).toBe(
      'UserError: no adapter "hardware" was found; here are: SwiftShader (embedded); ' +
        "install your GPU's Vulkan driver (--adapter, SHIBORI_ADAPTER)",
    );
    expect(stderr).toBe(SILENT);
  });

  test("an unknown name is an error that lists what there is", async () => {
    const { error, stderr } = await select("voodoo");
    for (const { name } of installed) expect(error).toContain(name);
    expect(error).toMatch(
      /^UserError: no adapter "voodoo" was found; here are: .*SwiftShader \(embedded\); give auto,/,
    );
    expect(stderr).toBe(SILENT);
  });
});

describe.runIf(LINUX_X64)("Dawn's options", () => {
  const UNSAFE_FEATURE = "chromium-experimental-sampling-resource-table"; // offered only with allow_unsafe_apis

  test("arrive, and robustness adds to them", async () => {
    const without = await select("embedded");
    expect(without.features).not.toContain(UNSAFE_FEATURE);
    const options = { robustness: false, dawnOptions: ["enable-dawn-features=allow_unsafe_apis"] };
    const { features, values, stderr } = await select("embedded", {}, options);
    expect(features).toContain(UNSAFE_FEATURE);
    expect({ values, stderr }).toEqual({ values: COMPUTED, stderr: SILENT });
  });

  test("come from SHIBORI_DAWN too", async () => {
    const SHIBORI_DAWN = "enable-dawn-features=allow_unsafe_apis; disable-dawn-features=timestamp_quantization";
    const { features } = await select("embedded", { SHIBORI_DAWN });
    expect(features).toContain(UNSAFE_FEATURE);
    const { error } = await select("embedded", { SHIBORI_DAWN: "fast" });
    expect(error).toBe('UserError: Dawn option "fast" (SHIBORI_DAWN) is not of the form key=value');
  });
});

test("CPU drivers are told from GPUs by Dawn's mark or by their names", () => {
  const info = (device: string, description = "", isFallbackAdapter = false) =>
    classify({ vendor: "", architecture: "", device, description, isFallbackAdapter } as GPUAdapterInfo);
  expect(info("llvmpipe-llvm-15-0-6-256-bits-")).toBe("software");
  expect(info("", "SwiftShader driver 5.0.0")).toBe("software");
  expect(info("Microsoft Basic Render Driver")).toBe("software");
  expect(info("anything", "", true)).toBe("software");
  expect(info("nvidia-geforce-rtx-3090", "NVIDIA: 550.120")).toBe("hardware");
  expect(info("AMD Radeon 780M Graphics (RADV PHOENIX)", "radv: Mesa 25.0.7")).toBe("hardware");
});
