import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const CLI = join(ROOT, "dist/cli.js");

/** Builds the command line if it is missing; one of several test files at a time. (`npm test` has built it.) */
export async function ensureBuilt(): Promise<void> {
  const lock = join(tmpdir(), "shibori-build.lock");
  while (!existsSync(CLI)) {
    try {
      mkdirSync(lock);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
      continue;
    }
    try {
      if (!existsSync(CLI)) execFileSync(process.execPath, ["esbuild.config.mjs"], { cwd: ROOT });
    } finally {
      rmdirSync(lock);
    }
  }
}

export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** A folder of its own, to type commands in. */
export class Shell {
  readonly path = mkdtempSync(join(tmpdir(), "shibori-cli-"));
  readonly #outcomes = mkdtempSync(join(tmpdir(), "shibori-cli-out-"));

  /**
   * Runs `shibori` with these arguments. Its stderr is a pipe made by the shell, like a terminal and unlike the sockets
   * that node makes, on which native warnings cannot be held back (see src/platform/quiet.ts).
   */
  run(args: string, env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
    const out = mkdtempSync(join(this.#outcomes, "run-"));
    const script = 'out="$1"; shift; { timeout 100 "$@" 2>&1 >"$out/stdout"; echo $? >"$out/code"; } | cat';
    const argv = args.split(/\s+/).filter((arg) => arg !== "");
    const child = ["-c", script, "sh", out, process.execPath, CLI, ...argv];
    return new Promise((resolve, reject) => {
      const options = { cwd: this.path, env: { ...process.env, ...env }, maxBuffer: 2 ** 26 };
      execFile("sh", child, options, (error, stderr) => {
        if (error) return reject(error);
        const read = (name: string) => readFileSync(join(out, name), "utf8");
        resolve({ code: Number(read("code")), stdout: read("stdout"), stderr });
      });
    });
  }

  /** Starts a command that a test will signal; `said` gathers its stdout and stderr. */
  start(args: string): { child: ChildProcess; said: () => string; ended: Promise<number | string | null> } {
    const child = spawn(process.execPath, [CLI, ...args.split(/\s+/)], { cwd: this.path });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk) => {
        text += chunk;
      });
    }
    const ended = new Promise<number | string | null>((resolve) =>
      child.once("close", (code, signal) => resolve(code ?? signal)),
    );
    return { child, said: () => text, ended };
  }

  /** Runs a command that must succeed without a word on stderr but the adapter's. */
  async do(args: string): Promise<string> {
    const { code, stdout, stderr } = await this.run(args);
    expect({ code, stderr: stderr.replace(/^adapter: .*\n/m, "") }, `${args}\n${stdout}`).toEqual({
      code: 0,
      stderr: "",
    });
    return stdout;
  }

  /** Runs a command that must refuse: code 2, exactly one line why, and no file touched. */
  async mistake(args: string): Promise<string> {
    const before = this.#listing();
    const { code, stderr } = await this.run(args);
    const lines = stderr.split("\n").filter((line) => line !== "" && line !== "(add --help for the options)");
    expect({ code, lines: lines.length }, stderr).toEqual({ code: 2, lines: 1 });
    expect(this.#listing()).toEqual(before);
    const [, reason] = /^(?:shibori|error): (.*)$/.exec(lines[0]) ?? [];
    return reason ?? `without a prefix: ${lines[0]}`;
  }

  file(...path: string[]): string {
    return join(this.path, ...path);
  }

  read(...path: string[]): Buffer {
    return readFileSync(this.file(...path));
  }

  list(...path: string[]): string[] {
    return readdirSync(this.file(...path)).sort();
  }

  /** Every folder, and every file with its size and the time of its last change. */
  #listing(): string[] {
    return (readdirSync(this.path, { recursive: true }) as string[]).sort().map((name) => {
      const stat = statSync(this.file(name));
      // A lock that came and went leaves its trace in the folder's own time.
      return stat.isDirectory() ? name : `${name} ${stat.size} ${stat.mtimeMs}`;
    });
  }

  remove(): void {
    for (const path of [this.path, this.#outcomes]) rmSync(path, { recursive: true });
  }
}

/** Width and height in a PNG's header. */
export function pngSize(png: Buffer): [width: number, height: number] {
  expect(png.toString("latin1", 1, 4)).toBe("PNG");
  return [png.readUInt32BE(16), png.readUInt32BE(20)];
}
