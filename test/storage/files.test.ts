import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { ensureDir, fileError, writeFileAtomic } from "../../src/storage/files.js";

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "shibori-files-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(dir, { recursive: true });
});

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: raw text`), { code, syscall: "write", errno: -1 });
}

test("writes bytes and text, and leaves nothing else behind", () => {
  writeFileAtomic(join(dir, "a.bin"), new Uint8Array([1, 2, 3]));
  writeFileAtomic(join(dir, "b.txt"), "grüß");
  expect([...fs.readFileSync(join(dir, "a.bin"))]).toEqual([1, 2, 3]);
  expect(fs.readFileSync(join(dir, "b.txt"), "utf8")).toBe("grüß");
  expect(fs.readdirSync(dir).sort()).toEqual(["a.bin", "b.txt"]);
});

test("replaces a file, and the new bytes are on the disk before the name is", () => {
  const path = join(dir, "a");
  writeFileAtomic(path, "old");
  const order: string[] = [];
  const fsync = fs.fsyncSync;
  const rename = fs.renameSync;
  vi.spyOn(fs, "fsyncSync").mockImplementation((fd) => {
    order.push(fs.fstatSync(fd).isFile() ? "sync file" : "sync folder");
    fsync(fd);
  });
  vi.spyOn(fs, "renameSync").mockImplementation((from, to) => {
    order.push(`rename over ${fs.readFileSync(to, "utf8")}`);
    rename(from, to);
  });
  writeFileAtomic(path, "new");
  expect(order).toEqual(["sync file", "rename over old", "sync folder"]);
  expect(fs.readFileSync(path, "utf8")).toBe("new");
});

test.each(["openSync", "writeFileSync", "fsyncSync", "closeSync", "renameSync"] as const)(
  "a full disk in %s: the old file stays, the temporary one goes",
  (call) => {
    const path = join(dir, "a");
    writeFileAtomic(path, "old");
    vi.spyOn(fs, call).mockImplementation(() => {
      throw systemError("ENOSPC");
    });
    expect(() => writeFileAtomic(path, "new")).toThrow(
      new UserError(`cannot write ${path}: the disk is full; free some space and try again`),
    );
    vi.restoreAllMocks();
    expect(fs.readdirSync(dir)).toEqual(["a"]);
    expect(fs.readFileSync(path, "utf8")).toBe("old");
  },
);

test("a folder that cannot be synced is no failure", () => {
  const fsync = fs.fsyncSync;
  vi.spyOn(fs, "fsyncSync").mockImplementation((fd) => {
    if (fs.fstatSync(fd).isDirectory()) throw systemError("EINVAL");
    fsync(fd);
  });
  writeFileAtomic(join(dir, "a"), "x");
  expect(fs.readFileSync(join(dir, "a"), "utf8")).toBe("x");
});

describe("what the file system refuses", () => {
  const refusal = (path: string) => {
    try {
      writeFileAtomic(path, "x");
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      return (error as Error).message;
    }
  };

  test("a folder that is missing", () => {
    const path = join(dir, "no", "a");
    expect(refusal(path)).toBe(`cannot write ${path}: a part of the path does not exist; check its spelling`);
  });

  test("a file where a folder should be", () => {
    fs.writeFileSync(join(dir, "f"), "");
    const path = join(dir, "f", "a");
    expect(refusal(path)).toBe(`cannot write ${path}: a part of the path is a file, not a folder`);
    expect(() => ensureDir(path)).toThrow(
      new UserError(`cannot create the folder ${path}: a part of the path is a file, not a folder`),
    );
    expect(() => ensureDir(join(dir, "f"))).toThrow(
      new UserError(`cannot create the folder ${join(dir, "f")}: a file of that name is in the way`),
    );
  });

  test("a folder where the file should be", () => {
    const path = join(dir, "d");
    fs.mkdirSync(path);
    expect(refusal(path)).toBe(`cannot write ${path}: it is a folder, not a file`);
    expect(fs.readdirSync(dir)).toEqual(["d"]);
  });

  test.each([
    ["EACCES", "permission denied; choose another place or change its permissions"],
    ["EROFS", "the file system is read-only; choose another place"],
    ["EMFILE", "the system says EMFILE"],
  ])("%s", (code, reason) => {
    expect(fileError("write", "p", systemError(code))).toEqual(new UserError(`cannot write p: ${reason}`));
  });

  test("a fault of the program is not dressed up as the user's", () => {
    const fault = new TypeError("x is not a function");
    expect(fileError("write", "p", fault)).toBe(fault);
    const invalid = Object.assign(new TypeError("bad argument"), { code: "ERR_INVALID_ARG_TYPE" });
    expect(fileError("write", "p", invalid)).toBe(invalid);
  });
});

test("ensureDir makes parents, and is content with what stands", () => {
  const path = join(dir, "a", "b", "c");
  ensureDir(path);
  ensureDir(path);
  expect(fs.statSync(path).isDirectory()).toBe(true);
});
