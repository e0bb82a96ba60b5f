/** A folder that one process at a time may write to. Node only. */
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../engine/errors.js";
import { fileError, writeFileAtomic } from "./files.js";

/** Every process that wants the folder writes a file of its own, and then looks for those of others. */
const LOCK = /^lock\.[0-9a-f]{12}$/;

/** How often two that meet try again before one is told that the folder is in use. */
const ATTEMPTS = 8;

interface Holder {
  pid: number;
  host: string;
  /** When the process began, in the kernel's clock: a process number is used again after a while. */
  started: string | undefined;
}

/**
 * Takes the lock of a folder. The lock of a process that is gone (killed, crashed) does not count and is removed.
 *
 * Each process first puts down a file, then looks: of two, the later one to look sees the other, so no two can both find
 * themselves alone. Two that begin together may both withdraw; they try again after a random while.
 * (A process of another container with the same host name cannot be seen, and counts as gone.)
 *
 * @returns gives the lock back; also done when the process exits
 * @throws UserError that names the process which holds it, or if the file system refuses
 */
export function lockFolder(folder: string): () => void {
  const own = `lock.${randomBytes(6).toString("hex")}`;
  const path = join(folder, own);
  const release = () => {
    process.off("exit", release);
    remove(path);
  };
  for (let attempt = 1; ; attempt++) {
    let others: ReturnType<typeof locksIn> | undefined;
    try {
      writeFileAtomic(path, JSON.stringify(thisProcess()));
      others = locksIn(folder).filter(({ name }) => name !== own);
    } catch (error) {
      release();
      // Whoever has just got the lock sweeps temporary files away, this one's too.
      if (attempt >= ATTEMPTS || !fs.existsSync(folder)) throw error;
    }
    if (others?.every(({ holder }) => !holder || !isAlive(holder))) {
      for (const { name } of others) remove(join(folder, name));
      process.on("exit", release);
      return release;
    }
    release();
    if (attempt >= ATTEMPTS) refuseIfHeld(folder);
    sleep(20 + Math.random() * 40);
  }
}

/** @throws UserError if a living process holds the folder's lock */
export function refuseIfHeld(folder: string): void {
  for (const { name, holder } of locksIn(folder)) {
    if (!holder || !isAlive(holder)) continue;
    const { pid, host, started } = holder;
    // Where nothing can be known of the process, the lock may be one that was left behind.
    const there = host === hostname() ? "" : " on another machine";
    const doubt = host === hostname() && started ? "" : ` (if it is gone, delete ${join(folder, name)})`;
    throw new UserError(`${folder} is in use by process ${pid}${there}${doubt}: wait for it, or stop it`);
  }
}

/** The folder's locks; without a holder where a file is none that we wrote. */
function locksIn(folder: string): { name: string; holder: Holder | undefined }[] {
  try {
    if (!fs.existsSync(folder)) return [];
    const files = fs
      .readdirSync(folder, { withFileTypes: true })
      .filter((file) => file.isFile() && LOCK.test(file.name));
    return files.map(({ name }) => ({ name, holder: holderOf(join(folder, name)) }));
  } catch (error) {
    throw fileError("read", folder, error);
  }
}

function holderOf(path: string): Holder | undefined {
  try {
    const holder = JSON.parse(fs.readFileSync(path, "utf8")) as Holder | null;
    const sound = Number.isInteger(holder?.pid) && (holder as Holder).pid > 0 && typeof holder?.host === "string";
    return sound ? (holder as Holder) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

const thisProcess = (): Holder => ({ pid: process.pid, host: hostname(), started: startOf(process.pid) });

function isAlive({ pid, host, started }: Holder): boolean {
  if (host !== hostname()) return true; // nothing can be known of it
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
  return startOf(pid) === started;
}

/**
 * When a process began. Linux: the 22nd field of /proc/PID/stat, counted behind the name, which may hold anything in its
 * brackets. A killed process that nobody has waited for yet is still listed, as a zombie: it counts as gone.
 */
function startOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "gone" : fields[19];
  } catch {
    return undefined;
  }
}

/** A lock that cannot be removed is left: its process will be gone, and then it does not count. */
function remove(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    return;
  }
}

/** Nothing else runs meanwhile. */
function sleep(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
