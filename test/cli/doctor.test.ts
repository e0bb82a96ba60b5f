import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ensureBuilt, Shell } from "./shell.js";

const shell = new Shell();
beforeAll(ensureBuilt);
afterAll(() => shell.remove());

describe("doctor", () => {
  it("describes every kind of adapter, and names the one that shibori uses", async () => {
    const printed = await shell.do("doctor");
    for (const kind of ["hardware", "software (installed CPU driver)", "embedded"]) {
      expect(printed).toMatch(new RegExp(`^${kind.replace(/[()]/g, "\\$&")}: .+$`, "m"));
    }
    expect(printed).toMatch(/^ {2}kernel +convolution right \(worst error \S+, \S+ ms\)$/m);
    expect(printed).toMatch(/^shibori uses .+ \((hardware|software|embedded)\) unless told otherwise\.$/m);
    expect(printed).not.toMatch(/undefined|NaN|\[object/);
  });

  it("--json: the same for programs", async () => {
    const { adapters, working } = JSON.parse(await shell.do("doctor --json"));
    expect(working).toBe(true);
    const usable = adapters.filter((adapter: { usable: boolean }) => adapter.usable);
    expect(usable.length).toBeGreaterThan(0);
    for (const { name, kernel, limits } of usable) {
      expect(name).not.toBe("");
      expect(kernel).toMatchObject({ ok: true });
      expect(limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
    }
  });

  // A Vulkan loader that is none, and no folder to unpack the embedded driver to.
  it.runIf(process.platform === "linux")("exits with 1 and says how to mend it where nothing works", async () => {
    mkdirSync(shell.file("blank"));
    writeFileSync(shell.file("blank/libvulkan.so.1"), "");
    writeFileSync(shell.file("cache"), "a file where a folder should be");
    const env = { LD_LIBRARY_PATH: shell.file("blank"), SHIBORI_CACHE: shell.file("cache") };
    const human = await shell.run("doctor", env);
    expect({ code: human.code, stderr: human.stderr }).toEqual({ code: 1, stderr: "" });
    expect(human.stdout).toMatch(/^ {2}why: no folder for the embedded adapter: .*$/m);
    expect(human.stdout).toMatch(/^Nothing works here\. To mend it: install .*\.$/m);
    const { code, stdout } = await shell.run("doctor --json", env);
    expect(code).toBe(1);
    const { adapters, working } = JSON.parse(stdout);
    expect(working).toBe(false);
    for (const { usable, remedy } of adapters) {
      expect(usable).toBe(false);
      expect(remedy).not.toBe("");
    }
  });
});
