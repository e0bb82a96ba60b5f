import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { UserError } from "../../src/engine/errors.js";
import { cropAndResize, encodePng, loadFolder, type Picture } from "../../src/storage/images.js";

let dir: string;
beforeEach(() => {
  dir = fs.mkdtempSync(join(tmpdir(), "shibori-images-"));
});
afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(dir, { recursive: true });
});

function noise(width: number, height: number, seed: number): Picture {
  const data = new Uint8Array(width * height * 3).map((_, i) => (i * i * 31 + i * seed * 7 + seed) % 256);
  return { width, height, data };
}

const put = (name: string, bytes: Uint8Array | string) => fs.writeFileSync(join(dir, name), bytes);

test("loads in the order of the names, any case of .png, and only what stands directly in the folder", () => {
  const pictures = {
    "10.png": noise(9, 6, 1),
    "9.PNG": noise(4, 4, 2),
    "B.png": noise(5, 8, 3),
    "a.Png": noise(1, 1, 4),
  };
  for (const [name, picture] of Object.entries(pictures).reverse()) put(name, encodePng(picture));
  put("notes.txt", "x");
  put("png", "x");
  fs.mkdirSync(join(dir, "sub"));
  fs.writeFileSync(join(dir, "sub", "c.png"), encodePng(noise(4, 4, 5)));

  // Most file systems list by name already, so the test takes care that this one does not.
  const listing = fs.readdirSync(dir).reverse();
  vi.spyOn(fs, "readdirSync").mockReturnValue(listing as never);
  const set = loadFolder(dir, 4);
  expect(set.names).toEqual(["10.png", "9.PNG", "B.png", "a.Png"]);
  expect(set.count).toBe(4);
  expect(set.skipped).toEqual([]);
  expect(set.pictures).toEqual(
    Uint8Array.from(Object.values(pictures).flatMap((picture) => [...cropAndResize(picture, 4).data])),
  );
});

test("broken files are skipped and named, each with its reason", () => {
  const good = encodePng(noise(6, 6, 1));
  put("a.png", good);
  put("b.png", "");
  put("c.png", "<!doctype html>");
  put("d.png", good.subarray(0, good.length - 20));
  put("e.png", good.slice().fill(0, 60, 70));
  fs.mkdirSync(join(dir, "f.png"));
  fs.symlinkSync(join(dir, "nowhere"), join(dir, "g.png"));
  put("h.png", encodePng(noise(7, 7, 2)));
  const set = loadFolder(dir, 3);
  expect(set.names).toEqual(["a.png", "h.png"]);
  expect(set.pictures.length).toBe(2 * 3 * 3 * 3);
  expect(set.skipped).toEqual([
    { name: "b.png", reason: "the file is empty" },
    { name: "c.png", reason: "not a PNG file" },
    { name: "d.png", reason: "cut short: the file ends inside a chunk" },
    { name: "e.png", reason: 'damaged PNG (wrong checksum in the chunk "IDAT")' },
    { name: "f.png", reason: `cannot read ${join(dir, "f.png")}: it is a folder, not a file` },
    {
      name: "g.png",
      reason: `cannot read ${join(dir, "g.png")}: a part of the path does not exist; check its spelling`,
    },
  ]);
});

describe("refusals", () => {
  const refuses = (path: string, message: string) => expect(() => loadFolder(path, 8)).toThrow(new UserError(message));
  const advice = "put at least 2 PNG pictures directly into it";

  test("a missing folder", () => {
    const path = join(dir, "no");
    refuses(path, `the picture folder ${path} does not exist; check the path`);
  });

  test("a file", () => {
    put("a.png", encodePng(noise(2, 2, 1)));
    const path = join(dir, "a.png");
    refuses(path, `${path} is a file; give the folder that holds the pictures`);
  });

  test("a folder that may not be read", () => {
    vi.spyOn(fs, "readdirSync").mockImplementation(() => {
      throw Object.assign(new Error("raw"), { code: "EACCES", syscall: "scandir" });
    });
    refuses(dir, `cannot read the folder ${dir}: permission denied; choose another place or change its permissions`);
  });

  test("an empty folder", () => refuses(dir, `the picture folder ${dir} is empty; ${advice}`));

  test("a folder without PNGs", () => {
    put("a.jpg", "x");
    put("b.txt", "x");
    refuses(dir, `the picture folder ${dir} has no PNG among its 2 entries; ${advice}`);
  });

  test("one picture", () => {
    put("a.png", encodePng(noise(2, 2, 1)));
    refuses(dir, `the picture folder ${dir} has 1 usable PNG of 1; ${advice}`);
  });

  test("one usable picture of three", () => {
    put("a.png", encodePng(noise(2, 2, 1)));
    put("b.png", "");
    put("c.png", "?");
    refuses(dir, `the picture folder ${dir} has 1 usable PNG of 3 (b.png skipped: the file is empty); ${advice}`);
  });

  test("a size that is none, before any file is blamed for it", () => {
    expect(() => loadFolder(dir, 0)).toThrow(
      new UserError("cannot resize to 0 pixels: the size must be a whole number from 1"),
    );
  });
});
