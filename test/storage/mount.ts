import { spawnSync } from "node:child_process";
import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";

const mount = (options: string, point: string) =>
  spawnSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", point]).status;

/** Whether this process may make file systems of its own, to fill them or to make them read-only: root on Linux may. */
export function canMount(): boolean {
  const point = fs.mkdtempSync(join(tmpdir(), "shibori-mount-"));
  const able = mount("size=64k", point) === 0;
  if (able) unmount(point);
  fs.rmdirSync(point);
  return able;
}

/** Mounts a file system in memory on a folder, or mounts it again with other options. */
export const mountTmpfs = (options: string, point: string): void => expect(mount(options, point)).toBe(0);

export function unmount(point: string): void {
  spawnSync("umount", [point]);
}
