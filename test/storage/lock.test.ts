import { spawn } from "node:child_process";
import fs from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { lockFolder, refuseIfHeld } from "../../src/storage/lock.js";

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "shibori-lock-"));
});
afterEach(() => fs.rmSync(dir, { recursive: true }));

const OTHER = "lock.0123456789ab";
const write = (holder: unknown) => fs.writeFileSync(join(dir, OTHER), JSON.stringify(holder));
const started = (pid: number) => startOf(pid);

/** A process that lives until it is killed. */
async function sleeper() {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
  await new Promise((resolve) => child.once("spawn", resolve));
  return child;
}

describe("lockFolder", () => {
  it("is held until it is given back, and leaves nothing behind", () => {
    const release = lockFolder(dir);
    const [name, ...others] = fs.readdirSync(dir);
    expect(name).toMatch(/^lock\.[0-9a-f]{12}$/);
    expect(others).toEqual([]);
    expect(() => lockFolder(dir)).toThrow(
      new UserError(`${dir} is in use by process ${process.pid}: wait for it, or stop it`),
    );
    expect(() => refuseIfHeld(dir)).toThrow(UserError);
    expect(fs.readdirSync(dir)).toEqual([name]);
    release();
    expect(fs.readdirSync(dir)).toEqual([]);
    refuseIfHeld(dir);
    lockFolder(dir)();
  });

  it("respects a living process, and takes over from one that was killed", async () => {
    const child = await sleeper();
    const holder = { pid: child.pid, host: hostname(), started: started(child.pid as number) };
    write(holder);
    expect(() => lockFolder(dir)).toThrow(`is in use by process ${child.pid}: wait for it`);
    child.kill("SIGKILL");
    await new Promise((resolve) => child.once("exit", resolve));
    lockFolder(dir)();
    expect(fs.readdirSync(dir)).toEqual([]);
  });

  it.runIf(process.platform === "linux")("is not fooled by a process number that is used again", () => {
    write({ pid: process.pid, host: hostname(), started: "1" });
    lockFolder(dir)();
  });

  it("says of another machine's process what can be done", () => {
    write({ pid: 1, host: "elsewhere", started: "1" });
    expect(() => lockFolder(dir)).toThrow(
      `${dir} is in use by process 1 on another machine (if it is gone, delete ${join(dir, OTHER)}): wait for it, or stop it`,
    );
    expect(fs.readdirSync(dir)).toEqual([OTHER]);
  });

  it.each(["", "{", "null", '{"pid":"x"}', '{"pid":0,"host":"h"}', '{"pid":-1,"host":"h"}', '{"pid":7}'])(
    "takes over what is no lock of ours: %o",
    (text) => {
      fs.writeFileSync(join(dir, OTHER), text);
      lockFolder(dir)();
      expect(fs.readdirSync(dir)).toEqual([]);
    },
  );

  it("names the file of a process of which nothing is known but that its number is in use", () => {
    const child = { pid: process.pid, host: hostname() };
    write(child);
    if (process.platform === "linux") lockFolder(dir)();
    else expect(() => lockFolder(dir)).toThrow(`(if it is gone, delete ${join(dir, OTHER)})`);
  });

  it("says so where it cannot write", () => {
    expect(() => lockFolder(join(dir, "nowhere"))).toThrow(
      /^cannot write .*lock\.[0-9a-f]+: a part of the path does not exist/,
    );
  });

  it("lets one of many processes in, though they all find a dead one's lock", async () => {
    write({ pid: 2 ** 22 - 1, host: hostname(), started: "1" });
    const module = join(import.meta.dirname, "../../src/storage/lock.ts");
    const bundle = join(dir, "try.mjs");
    const { build } = await import("esbuild");
    const contents = `
      import { lockFolder } from ${JSON.stringify(module)};
      const begin = Number(process.argv[2]);
      while (Date.now() < begin + Number(process.argv[4]));
      try { lockFolder(process.argv[3]); console.log("in"); setInterval(() => {}, 1000); } catch { console.log("out"); }`;
    await build({
      stdin: { contents, resolveDir: dir },
      outfile: bundle,
      bundle: true,
      platform: "node",
      format: "esm",
      logLevel: "silent",
    });
    const begin = String(Date.now() + 700);
    // Most at once, some a little later.
    const late = [0, 0, 0, 0, 20, 100];
    const children = late.map((_, i) => spawn(process.execPath, [bundle, begin, dir, String(late[i])]));
    // The one that is in stays until all have said how it went.
    const said = await Promise.all(
      children.map(
        (child) => new Promise<string>((resolve) => child.stdout.once("data", (text) => resolve(`${text}`.trim()))),
      ),
    );
    for (const child of children) child.kill("SIGKILL");
    expect(said.sort()).toEqual(["in", "out", "out", "out", "out", "out"]);
  });
});

function startOf(pid: number): string | undefined {
  if (process.platform !== "linux") return undefined;
  return fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ")[19];
}
